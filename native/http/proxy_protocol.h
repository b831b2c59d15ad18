// SPDX-License-Identifier: MIT
// Listeners with `proxy_protocol`: a connection's header is read before HTTP, or a stream server's handler, sees it. Worker's
// thread.
#pragma once
#include "http/variable.h"

namespace mw {

/// Takes a new connection to whose listener proxies come: when its header is here, client_begin() is called; one without a
/// right header is closed.
void proxy_protocol_await(Connection *c);

/// $proxy_protocol_addr, _port, _server_addr, _server_port.
bool proxy_protocol_var_addr(Request *r, const VarDef &, Str &out);
bool proxy_protocol_var_port(Request *r, const VarDef &, Str &out);
bool proxy_protocol_var_server_addr(Request *r, const VarDef &, Str &out);
bool proxy_protocol_var_server_port(Request *r, const VarDef &, Str &out);
/// $proxy_protocol_tlv_NAME, `_0xN`, and those within `ssl`.
bool proxy_protocol_var_tlv(Request *r, const VarDef &def, Str &out);

}  // namespace mw
