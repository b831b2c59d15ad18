// SPDX-License-Identifier: MIT
// echo_before_body and echo_after_body: text around whatever body a location answers with. A body filter.
#pragma once
#include "http/request.h"

namespace mw {

void echo_filter_header(Request *r);
void echo_filter_body(Request *r, Chain &body, bool last);

}  // namespace mw
