// SPDX-License-Identifier: MIT
// nginx's realip module: the client's address as a trusted proxy names it, for that request alone: its log handler may wait
// while the connection serves another client's.
#pragma once
#include "http/variable.h"
#include "net/address.h"

namespace mw {

/// Looks at the header once per main request, by the settings of r->conf (the server's, later the location's).
void realip_run(Request *r);

/// $realip_remote_addr, $realip_remote_port: the connection's own.
bool realip_var_addr(Request *r, const VarDef &, Str &out);
bool realip_var_port(Request *r, const VarDef &, Str &out);

/// The values of all headers `name`, as one list of addresses, the nearest proxy's word last; null data without one.
Str forwarded_list(Request *r, Str name);
/// Takes the last address off such a list. False when it is none.
bool forwarded_take_last(Str &list, PeerAddress &out);

}  // namespace mw
