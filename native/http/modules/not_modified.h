// SPDX-License-Identifier: MIT
// Conditional requests (RFC 9110 section 13): If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since against the
// response's own ETag and Last-Modified, whoever made it. Runs before the other header filters, as in nginx.
#pragma once
#include "http/request.h"

namespace mw {

/// Turns a 200 into a 304 where the client has it already. 412 when a precondition fails, else 0.
int32_t not_modified_filter(Request *r);

}  // namespace mw
