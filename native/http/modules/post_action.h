// SPDX-License-Identifier: MIT
// post_action: once a request has been answered, it goes to another location, whose answer nobody gets.
#pragma once
#include "http/request.h"

namespace mw {

/// `r` has its answer, and its location a post_action: begins that, once, as a subrequest that the end of `r` waits for.
void post_action_start(Request *r);

}  // namespace mw
