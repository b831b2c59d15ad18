// SPDX-License-Identifier: MIT
// Sending on a cosocket: at once what the kernel takes; the sender waits until it has the rest. A send that fails closes the
// writing half, since nobody knows how much of it the peer got.
#include <errno.h>

#include "abi/sock.h"

namespace mw {

static uint64_t send_ms(const Sock *s) { return s->send_ms ? s->send_ms : s->co.conf->lua_socket_send_timeout; }

static int32_t fail_write(Sock *s, const char *err) {
  s->out.clear(sock_worker().core->net.blocks);
  s->is_write_closed = true;
  return sock_fail(s, err);
}

static int32_t fail_send(Sock *s, int err) {
  sock_log(s, err, "send() failed");
  return fail_write(s, cosocket_errno(err));
}

static void end_write(Sock *s, int32_t rc) {
  s->io->write_timeout(s, 0);
  sched_wake(&s->writer, rc);
}

bool sock_writable(Sock *s) {
  if (!sched_is_waiting(s->writer)) return false;
  if (!s->io->flush(s))
    end_write(s, fail_send(s, errno));
  else if (s->out.is_empty())
    end_write(s, MW_OK);
  else
    s->io->write_timeout(s, send_ms(s));
  return true;
}

void sock_write_timeout(Sock *s) {
  if (!sched_is_waiting(s->writer)) return;
  sock_log(s, 0, "lua tcp socket write timed out");
  end_write(s, fail_write(s, "timeout"));
}

void sock_write_fail(Sock *s, const char *err) {
  if (sched_is_waiting(s->writer)) end_write(s, fail_write(s, err));
}

static void cancel_write(Waiter *w) {
  sock_drop(reinterpret_cast<Sock *>(reinterpret_cast<char *>(w) - offsetof(Sock, writer)));
}

}  // namespace mw

using namespace mw;

extern "C" MW_EXPORT
int32_t mw_sock_send(mw_sock_t *sock, const char *data, size_t len) {
  Sock *s = sock_of(sock);
  if (int32_t rc = sock_check(s, "send data")) return rc;
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  if (s->is_write_closed) {
    sock_log_closed(s, "send data");
    return sock_fail(s, "closed");
  }
  uint64_t ms = send_ms(s);
  cosocket_debug(&s->co, "lua tcp socket send timeout: %llu", static_cast<unsigned long long>(ms));
  if (!s->io->write(s, data, len)) return fail_send(s, errno);
  if (s->out.is_empty()) return MW_OK;
  s->io->write_timeout(s, ms);
  sched_park(&s->writer, cancel_write);
  return MW_AGAIN;
}
