// SPDX-License-Identifier: MIT
// The client's connection in a handler's hands (ngx.req.socket): the request body as a stream, or, raw, the connection itself,
// both ways, with a response that is the handler's alone. Lives in the request's arena; the latest one of a request gets the
// connection's events. Worker's thread.
#pragma once
#include "http/request.h"

namespace mw {

/// Its owner. Each may close it.
struct DownstreamEvents {
  bool (*readable)(Downstream *);  ///< bytes or an end may be had; false: nobody waits for them
  bool (*writable)(Downstream *);  ///< after a send that could not take all; false: nobody waits
  void (*read_timeout)(Downstream *);
  void (*write_timeout)(Downstream *);
};

struct Downstream {
  Request *r = nullptr;
  const DownstreamEvents *events = nullptr;
  void *owner = nullptr;
  Timer read_timer, write_timer;
  bool is_raw = false;
};

/// Null, with the reason in lua-nginx-module's words, when the connection or the body cannot be had. Raw: what was written
/// before is sent first, and the connection ends with the request.
Downstream *downstream_open(Request *r, bool raw, const DownstreamEvents *events, void *owner, const char *&reason);
/// No events any more. The rest of a body is then thrown away as if nobody had asked for it.
void downstream_close(Downstream *d);
/// False when a recv would say EAGAIN.
bool downstream_may_read(const Downstream *d);
/// >0 bytes read, 0 the end (see downstream_end), -1 with errno (EAGAIN: readable() will be called).
ssize_t downstream_recv(Downstream *d, char *to, size_t n);
/// After an end: null when the body is complete, or a raw stream has ended; else what went wrong.
const char *downstream_end(const Downstream *d);
/// Sends what it can of the chain, consuming it. False with errno set on a failure; writable() is called when something is
/// left and may go.
bool downstream_send(Downstream *d, Chain &chain);
/// Arms (moves) a timer; 0 disarms it.
void downstream_read_timeout(Downstream *d, uint64_t ms);
void downstream_write_timeout(Downstream *d, uint64_t ms);

// The connection's side. Each says whether somebody waited, and was told.
bool downstream_readable(Request *r);
bool downstream_writable(Request *r);
/// The connection is broken, or closed already.
bool downstream_failed(Request *r);

}  // namespace mw
