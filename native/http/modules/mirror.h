// SPDX-License-Identifier: MIT
// nginx's mirror module: copies of a request go to other locations, and what these answer is thrown away.
#pragma once
#include "http/request.h"

namespace mw {

/// Starts the subrequests of r's location, once, when the body that they get has been read. kAgain while it is being read.
Rc mirror_run(Request *r);

}  // namespace mw
