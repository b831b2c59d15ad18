// SPDX-License-Identifier: MIT
// The checks of the access phase before access_by_lua*: allow and deny, auth_basic, auth_request, and `satisfy` over all of
// them. A location without any is never brought here.
#pragma once
#include "http/request.h"

namespace mw {

/// Runs the checks of r's location from r->access_at. kDeclined: go on with the Lua handler; kOk: let in without it; kAgain
/// while auth_request waits; else the status to answer.
Rc access_run(Request *r);
/// What the answer of a check, Lua's too, means under `satisfy any`.
Rc access_vote(Request *r, Rc rc);
/// auth_delay: what becomes of the phase's answer. kAgain where a 401 waits, which then ends the request; else `rc` itself.
Rc access_delay(Request *r, Rc rc);
/// The end of the phase where every check has refused.
Rc access_refuse(Request *r);

/// Is the address in the network?
bool address_matches(const AddressRule &rule, const ClientAddress &a);

/// User and password of the Authorization header; false when it holds none of Basic's form. The texts lie in the arena.
bool auth_basic_credentials(Request *r, Str &user, Str &password);
/// auth_basic: kOk, kDeclined (off), or a status.
Rc auth_basic_check(Request *r);
/// auth_request: kOk, kDeclined (off), kAgain, or a status.
Rc auth_request_check(Request *r);

}  // namespace mw
