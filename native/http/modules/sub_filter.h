// SPDX-License-Identifier: MIT
// nginx's sub module: replaces texts in response bodies, without regard to case.
#pragma once
#include "http/request.h"

namespace mw {

void sub_filter_header(Request *r);
void sub_filter_body(Request *r, Chain &body, bool last);

}  // namespace mw
