// SPDX-License-Identifier: MIT
// Base32 (RFC 4648, section 6) with any alphabet of 32 letters. Stateless; any thread.
#pragma once
#include "base/str.h"

namespace mw {

/// RFC 4648, section 7: base32hex, in lower case.
constexpr Str kBase32Hex = "0123456789abcdefghijklmnopqrstuv";

/// Encodes; with '=' up to a multiple of eight letters where `padded`. Returns how many were written.
size_t base32_encode(Str s, char *dst, Str alphabet, bool padded);

/// Decodes, '=' at the end left out; letters count in either case where the alphabet has them in one. `dst` holds s.size()
/// bytes. Returns how many were written, -1 at a letter that is not of the alphabet.
ssize_t base32_decode(Str s, char *dst, Str alphabet);

}  // namespace mw
