// SPDX-License-Identifier: MIT
// What a phase handler, filter or body reader answers: nginx's codes. Values >= 100 are HTTP statuses.
#pragma once
#include <cstdint>

namespace mw {

using Rc = int32_t;
constexpr Rc kOk = 0;
constexpr Rc kError = -1;
constexpr Rc kAgain = -2;     ///< parked: whoever completes the operation resumes the request
constexpr Rc kDone = -4;      ///< the request went another way (redirected, finalized)
constexpr Rc kDeclined = -5;  ///< not mine: the next handler

}  // namespace mw
