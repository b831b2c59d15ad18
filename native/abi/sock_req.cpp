// SPDX-License-Identifier: MIT
// ngx.req.socket: a cosocket over the client's connection (http/downstream.h). It reads and writes as any other does; what it
// cannot do (connect, close, keepalive) its Lua object does not offer. It belongs to its request from the start.
#include "abi/sock.h"
#include "http/downstream.h"

namespace mw {

static Sock *of(Downstream *d) { return static_cast<Sock *>(d->owner); }

static const DownstreamEvents kEvents = {
    [](Downstream *d) { return sock_readable(of(d)); }, [](Downstream *d) { return sock_writable(of(d)); },
    [](Downstream *d) { sock_read_timeout(of(d)); }, [](Downstream *d) { sock_write_timeout(of(d)); }};

static bool write_downstream(Sock *s, const char *data, size_t size) {
  s->out.append(s->down->r->core->net.blocks, {data, size});
  return downstream_send(s->down, s->out);
}

static void close_downstream(Sock *s) {
  s->out.clear(s->down->r->core->net.blocks);
  downstream_close(s->down);
  s->down = nullptr;
}

static const SockIo kDownstream = {[](const Sock *s) { return downstream_may_read(s->down); },
                                   [](Sock *s, char *to, size_t n) { return downstream_recv(s->down, to, n); },
                                   [](const Sock *s) { return downstream_end(s->down); },
                                   write_downstream,
                                   [](Sock *s) { return downstream_send(s->down, s->out); },
                                   [](Sock *s, uint64_t ms) { downstream_read_timeout(s->down, ms); },
                                   [](Sock *s, uint64_t ms) { downstream_write_timeout(s->down, ms); },
                                   close_downstream,
                                   [](const Sock *s) { return s->down->r->conn->fd; }};

}  // namespace mw

using namespace mw;

extern "C" MW_EXPORT
mw_sock_t *mw_sock_of_request(mw_req_t *req, int32_t raw, const char **err) {
  Sock *s = sock_create(&kDownstream);
  s->down = downstream_open(reinterpret_cast<Request *>(req), raw != 0, &kEvents, s, *err);
  if (!s->down) {
    delete s;
    return nullptr;
  }
  cosocket_join(&s->co);
  return &s->abi;
}
