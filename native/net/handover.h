// SPDX-License-Identifier: MIT
// A connection on its way from one worker to another: what of it outlives its Connection object. The old worker's thread
// makes it, the new one's takes it; in between it lies in a mailbox. It owns the descriptor until it is taken.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>

#include "net/connection.h"
#include "net/proxy_protocol.h"

namespace mw {

struct Handover {
  int fd = -1;
  std::string listen;  ///< the listen that accepted it, by its key
  std::string input;   ///< bytes that were read and not used: the next request's, or a part of its head
  uint64_t number = 0, bytes_sent = 0;
  uint64_t deadline = 0;  ///< of the monotonic clock, which all loops share
  uint32_t requests = 0;
  uint8_t state = 0;  ///< the protocol's
  bool peer_closed = false, nodelay_set = false;
  ClientAddress peer;
  std::unique_ptr<ProxyHeader> proxied;

  Handover() = default;
  Handover(const Handover &) = delete;
  Handover &operator=(const Handover &) = delete;
  ~Handover();  ///< closes the descriptor when nobody took it
};

/// Takes the descriptor out of the worker's loop and fills `to`; the object ends as by connection_close(). For a connection
/// with a plain transport and no output left.
void connection_give(Connection *c, Handover &to);
/// Goes on with it in this worker. Null when it cannot be watched or memory is out (the descriptor is closed then). The caller
/// reads what lies in `from.input`, and sets a timeout.
Connection *connection_take(NetCore *net, Handover &from, Listener *l, const Protocol *protocol);

}  // namespace mw
