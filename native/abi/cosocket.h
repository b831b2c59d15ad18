// SPDX-License-Identifier: MIT
// What cosockets of every kind (TCP, UDP) have in common: an owner and the words they speak. A cosocket belongs to the request
// (or run without one) whose code connected it last and is closed with it; the object lives until Lua collects it.
// Worker's thread.
#pragma once
#include <string>

#include "net/address.h"
#include "net/resolver.h"
#include "script/vm_inner.h"

namespace mw {

/// Embedded in a socket.
struct Cosocket {
  Cosocket **owner = nullptr;  ///< the list it is in: Request::sockets or Run::sockets; null = not connected by anybody
  Cosocket *next = nullptr, *prev = nullptr;
  Request *r = nullptr;                ///< its owner, or else `run`
  Run *run = nullptr;                  ///< of code without a request
  const LocationConf *conf = nullptr;  ///< its owner's, since connect
  bool is_shared = false;              ///< nobody's: all code of the VM may use it; its failures are not logged
  void (*drop)(Cosocket *) = nullptr;  ///< its owner ends: closes the connection and wakes what waits on it
  std::string host;                    ///< as given to connect
  int32_t port = 0;                    ///< -1: `host` is a unix path
  std::string error_text;              ///< what connect failed with last
};

/// Whether the running code has a request that owns few sockets yet: a new one may live as long as it, without Lua's collector.
/// One that owns many lives long, or drops them all the time.
bool cosocket_may_own();
/// The request of the running code, or its run, becomes the owner, unless it is shared.
void cosocket_join(Cosocket *s);
void cosocket_leave(Cosocket *s);
/// True when the running code may use the connection: it is of the request (or run) that connected it.
bool cosocket_is_owner(const Cosocket *s);
/// The configuration of the running code: its request's, or what holds without a request.
const LocationConf &cosocket_conf();

/// Writes an error line where lua_socket_log_errors is on. It names the peer, when there is one.
void cosocket_log(const Cosocket *s, LogLevelId level, int err, const PeerAddress *peer, const char *text);
/// A debug line of lua-nginx-module's; nothing when the level is off.
void cosocket_debug(const Cosocket *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// strerror() in small letters, as lua-nginx-module returns it. Lives as long as the thread.
const char *cosocket_errno(int err);

/// The text, in error_text, of a name that the resolver could not resolve.
const char *cosocket_not_resolved(Cosocket *s, const char *error);
/// Where names must not be looked up without a resolver directive, the text in error_text; else null.
const char *cosocket_no_resolver(Cosocket *s);
/// The worker's resolver of that configuration.
Resolver &cosocket_resolver(const ResolverConf &conf);
/// One of the addresses of a name, in turn, with the port.
PeerAddress cosocket_pick(const std::vector<PeerAddress> &addresses, int32_t port);

}  // namespace mw
