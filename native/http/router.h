// SPDX-License-Identifier: MIT
// From a listening address and a host name to a server, and from a path to a location, by nginx's precedence. Built once per
// plan on the control thread; immutable and shared by workers afterwards.
#pragma once
#include <memory>
#include <string>

#include "config.h"
#include "config_problem.h"
#include "http/request.h"

namespace mw {

/// Compiles server names and locations; problems are bad regexes.
std::shared_ptr<const Router> router_build(const Plan &plan, Problems &problems);

/// The server for `host` (lower case, no port) among those of listen address `listen`; its default when none matches. A
/// regex name sets the request's captures.
const ServerConf *router_find_server(const Router &router, int32_t listen, Str host, Request *r);

/// Is `host` (lower case) one that a regex name of `server` at listen address `listen` fits? The request's captures stay.
bool router_is_regex_name(const Router &router, int32_t listen, const ServerConf *server, Str host);

/// The location for r->uri in r->server; null when none matches. With `redirect` set to a location whose name is the path
/// plus '/', the request is to be redirected there (nginx's auto redirect).
const Location *router_find_location(const Router &router, Request *r);

/// The named location "@name" of r->server, or null.
const Location *router_find_named(const Router &router, const ServerConf *server, Str name);

}  // namespace mw
