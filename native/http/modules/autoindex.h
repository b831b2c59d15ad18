// SPDX-License-Identifier: MIT
// nginx's autoindex module: the listing of a folder, as HTML, JSON, JSONP or XML.
#pragma once
#include "http/request.h"

namespace mw {

/// For a URI that ends with '/': answers with the listing, or the status to answer.
Rc autoindex_run(Request *r);

}  // namespace mw
