// SPDX-License-Identifier: MIT
// nginx's limit_req and limit_conn: requests per second and connections at once, by a key, over all workers.
#pragma once
#include "http/variable.h"

namespace mw {

/// Runs the limits of r's location. kDeclined: go on; kAgain: the request is delayed and goes on by itself, with this step
/// again; else the status that refuses it.
Rc limit_run(Request *r);

/// $limit_req_status, $limit_conn_status: PASSED, DELAYED, REJECTED, DELAYED_DRY_RUN, REJECTED_DRY_RUN; none without a limit.
bool limit_var_req_status(Request *r, const VarDef &, Str &out);
bool limit_var_conn_status(Request *r, const VarDef &, Str &out);

}  // namespace mw
