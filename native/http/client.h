// SPDX-License-Identifier: MIT
// A client's connection, as http_connection.cpp and handover.cpp see it: its states, and the two steps they share.
#pragma once
#include <cstddef>

#include "http/core.h"
#include "net/listener.h"

namespace mw {

enum ClientState : uint8_t {
  kIdle,     ///< between requests, no byte of the next one yet
  kHead,     ///< part of a head is here
  kRequest,  ///< a request runs; `user` is it
  kLinger,   ///< our side is shut; the peer's bytes are dropped until it closes
};

inline HttpCore *client_core(Connection *c) {
  return reinterpret_cast<HttpCore *>(reinterpret_cast<char *>(c->net) - offsetof(HttpCore, net));
}
/// The listen directive that a connection came by.
inline const Listen &client_listen(Connection *c) {
  return client_core(c)->p->listens[static_cast<size_t>(c->listener->index)];
}
/// The server that a connection belongs to before a request chooses one.
inline const ServerConf &client_default_server(Connection *c) {
  return client_core(c)->p->servers[static_cast<size_t>(client_listen(c).default_server)];
}
/// Hands an open connection to HTTP, or to its stream server's handler; input that is here already is read.
void client_begin(Connection *c);
/// Goes on reading later in this turn.
void client_post_read(Connection *c);
/// Gives a connection that is between requests to the next generation, when its worker drains and the output is out. True
/// when it is gone.
bool client_pass_on(Connection *c);
/// A draining worker that has lost its last connection is told.
void client_check_drained(HttpCore *core);

}  // namespace mw
