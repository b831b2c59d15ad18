// SPDX-License-Identifier: MIT
// The gunzip filter: decompresses responses that carry Content-Encoding: gzip, for clients that do not accept it.
#pragma once
#include "http/request.h"

namespace mw {

void gunzip_filter_header(Request *r);
void gunzip_filter_body(Request *r, Chain &body, bool last);

}  // namespace mw
