// SPDX-License-Identifier: MIT
// Base64 in nginx's readings: standard with or without padding, URL-safe, strict and MIME-tolerant decoding.
// Pure functions, any thread; the caller owns the buffers.
#pragma once
#include <sys/types.h>

#include "base/str.h"

namespace mw {

enum class Base64 { STANDARD, URL };

/// Bytes that encoding `size` bytes takes at most.
constexpr size_t base64_encoded_size(size_t size) { return (size + 2) / 3 * 4; }
/// Bytes that decoding `size` characters gives at most.
constexpr size_t base64_decoded_size(size_t size) { return (size + 3) / 4 * 3; }

/// Encodes `s` into `dst`, with `=` at the end when `pad`. Returns the length.
size_t base64_encode(Str s, char *dst, Base64 alphabet, bool pad);

/// Decodes `s` up to the first `=`. Returns the length, or -1 on a foreign character or a lone last one.
ssize_t base64_decode(Str s, char *dst, Base64 alphabet);

/// Decodes `s` up to the first `=`, leaving out foreign characters. Returns the length, or -1 on a lone last character.
ssize_t base64_decode_mime(Str s, char *dst);

}  // namespace mw
