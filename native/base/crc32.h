// SPDX-License-Identifier: MIT
// CRC-32 (IEEE 802.3, reflected), eight bytes a step from tables made at compile time. Pure functions, any thread.
#pragma once
#include "base/str.h"

namespace mw {

/// The CRC-32 of `s`; `seed` continues the CRC of the bytes before it.
uint32_t crc32_of(Str s, uint32_t seed = 0);

}  // namespace mw
