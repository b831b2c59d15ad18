// SPDX-License-Identifier: MIT
// headers-more-nginx-module: sets and clears any header of the response (a header filter) and of the request (at the end of
// the rewrite directives).
#pragma once
#include "http/request.h"

namespace mw {

void headers_more_filter(Request *r);
/// more_set_input_headers, more_clear_input_headers.
void headers_more_input(Request *r);

}  // namespace mw
