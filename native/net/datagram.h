// SPDX-License-Identifier: MIT
// A datagram socket with one peer (UDP, or unix) in a worker's loop. Never blocks; edge-triggered. A worker's thread owns it;
// its owner closes it, and the object is freed when no event of the batch can name it any more.
#pragma once
#include "net/address.h"
#include "net/connection.h"

namespace mw {

struct Datagram {
  IoHandler io;  ///< first: epoll names it
  NetCore *net = nullptr;
  void (*readable)(Datagram *) = nullptr;  ///< a datagram, or an error of one sent before, may be had; may close
  void *owner = nullptr;
  Task free_task;
  int fd = -1;
  PeerAddress peer;
};

constexpr size_t kDatagramMax = 65536;  ///< no datagram is longer

/// Opens a socket from the address `local`, when it is not null, to `peer`; a unix one gets an address of its own, so that the
/// peer can answer. Null with errno set; `failed_call` then names the call.
Datagram *datagram_open(NetCore *net, const PeerAddress &peer, const PeerAddress *local, void (*readable)(Datagram *),
                        void *owner, const char *&failed_call);
void datagram_close(Datagram *d);
/// The bytes sent, -1 with errno (EAGAIN: the kernel has no room now).
ssize_t datagram_send(Datagram *d, const char *data, size_t n);
/// The bytes of one datagram, of which `n` at most are kept; -1 with errno (EAGAIN: readable() will be called).
ssize_t datagram_recv(Datagram *d, char *to, size_t n);

}  // namespace mw
