// SPDX-License-Identifier: MIT
// Output filters of modules, between the Lua filters and the framing. Which of them a location needs is decided when the plan
// is decoded (LocationConf::filters); a response without any passes by one test.
#pragma once
#include "http/request.h"

namespace mw {

/// Runs the header filters of r's location, and those whose bit in r->out.filters is set already. One that wants the body too sets its bit in r->out.filters.
void filter_header(Request *r);
/// Runs the body filters over r->out.body, in order; `last`: nothing follows. One that has had the last is done.
void filter_body(Request *r, bool last);
/// The filters that see a whole response, its subrequests' output included: over what goes to the connection.
void filter_body_late(Request *r, bool last);

}  // namespace mw
