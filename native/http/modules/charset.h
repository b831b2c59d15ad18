// SPDX-License-Identifier: MIT
// The charset filter: Content-Type names the charset. Nothing is converted.
#pragma once
#include "http/request.h"

namespace mw {

/// Adds `; charset=` to the Content-Type of text.
void charset_filter(Request *r);

}  // namespace mw
