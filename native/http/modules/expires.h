// SPDX-License-Identifier: MIT
// The headers filter of `expires`: Expires and Cache-Control for the statuses that add_header is for.
#pragma once
#include "http/request.h"

namespace mw {

/// Sets both headers.
void expires_filter(Request *r);

}  // namespace mw
