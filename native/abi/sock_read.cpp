// SPDX-License-Identifier: MIT
// Reading from a cosocket: one contiguous buffer, in which the end of what is asked for is looked for as bytes come. A read
// that what is buffered completes does not wait.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "abi/sock.h"

namespace mw {

// --- the buffer ------------------------------------------------------------------------------------------------------

static void unlist_drained(Sock *s) {
  if (!s->is_drained) return;
  s->is_drained = false;
  (s->drained_prev ? s->drained_prev->drained_next : sock_worker().drained) = s->drained_next;
  if (s->drained_next) s->drained_next->drained_prev = s->drained_prev;
}

/// At the end of a turn of the loop: an open socket that nobody reads from holds no buffer.
static void free_drained(Task *) {
  for (Sock *s = sock_worker().drained, *next; s; s = next) {
    next = s->drained_next;
    bool is_empty = s->buf_pos == s->buf_end && !s->op.kind;
    if (is_empty && s->last_reader && s->last_reader->state == LightThread::ready) continue;  // it has yet to copy
    if (is_empty)
      sock_free_buffer(s);
    else
      unlist_drained(s);
  }
}

static void list_drained(Sock *s) {
  if (s->is_drained) return;
  SockWorker &w = sock_worker();
  s->is_drained = true;
  s->drained_prev = nullptr;
  s->drained_next = w.drained;
  if (w.drained) w.drained->drained_prev = s;
  w.drained = s;
  w.drain_task.run = free_drained;
  w.core->loop->defer(&w.drain_task);
}

void sock_free_buffer(Sock *s) {
  unlist_drained(s);
  if (!s->buf) return;
  std::vector<char *> &spare = sock_worker().free_buffers;
  if (s->buf_capacity == kSockBuffer && spare.size() < 256)
    spare.push_back(s->buf);
  else
    free(s->buf);
  s->buf = nullptr;
  s->buf_capacity = s->buf_pos = s->buf_end = 0;
}

/// Room for at least one more byte.
static bool make_room(Sock *s) {
  if (s->buf_pos == s->buf_end) s->buf_pos = s->buf_end = 0;
  if (s->buf_end < s->buf_capacity) return true;
  if (s->buf_pos > 0) {
    memmove(s->buf, s->buf + s->buf_pos, s->buf_end - s->buf_pos);
    s->buf_end -= s->buf_pos;
    s->buf_pos = 0;
    return true;
  }
  size_t first = s->co.conf->lua_socket_buffer_size;
  size_t capacity = s->buf_capacity ? s->buf_capacity * 2 : first ? static_cast<size_t>(first) : kSockBuffer;
  std::vector<char *> &spare = sock_worker().free_buffers;
  if (!s->buf && capacity == kSockBuffer && !spare.empty()) {
    s->buf = spare.back();
    spare.pop_back();
    cosocket_debug(&s->co, "lua reuse free buf memory %zu >= %zu", capacity, std::max<size_t>(s->op.n, 1));
  } else {
    char *grown = static_cast<char *>(realloc(s->buf, capacity));
    if (!grown) return false;
    s->buf = grown;
  }
  s->buf_capacity = capacity;
  return true;
}

static Str buffered(const Sock *s) { return {s->buf + s->buf_pos, s->buf_end - s->buf_pos}; }

/// `size` bytes of the buffer are the result; `skip` more are dropped with them.
static void give(Sock *s, size_t size, size_t skip) {
  s->abi.data = s->buf ? s->buf + s->buf_pos : "";
  s->abi.size = size;
  s->buf_pos += size + skip;
  if (s->buf && s->buf_pos == s->buf_end) list_drained(s);
}

// --- what ends a read ------------------------------------------------------------------------------------------------

/// A line without its LF, and without the CRs in it: as lua-nginx-module leaves them all out.
static void give_line(Sock *s, size_t size) {
  give(s, size, 1);
  char *from = s->buf + (s->abi.data - s->buf), *end = from + size;
  char *cr = static_cast<char *>(memchr(from, '\r', size));
  if (!cr) return;
  for (char *at = cr; at < end; ++at)
    if (*at != '\r') *cr++ = *at;
  s->abi.size = static_cast<size_t>(cr - from);
}

static bool complete_line(Sock *s) {
  Str in = buffered(s);
  const void *lf =
      in.size() > s->op.scanned ? memchr(in.data() + s->op.scanned, '\n', in.size() - s->op.scanned) : nullptr;
  if (!lf) {
    s->op.scanned = in.size();
    return false;
  }
  give_line(s, static_cast<size_t>(static_cast<const char *>(lf) - in.data()));
  return true;
}

/// The length of the longest end of `in` that begins the pattern.
static size_t begun(Str in, Str pattern) {
  size_t most = std::min(in.size(), pattern.size() - 1);
  for (size_t n = most; n > 0; --n)
    if (memcmp(in.data() + in.size() - n, pattern.data(), n) == 0) return n;
  return 0;
}

static bool complete_until(Sock *s) {
  ReadOp &op = s->op;
  Str in = buffered(s), pattern{op.pattern, op.pattern_size};
  const void *hit = in.size() > op.scanned
                        ? memmem(in.data() + op.scanned, in.size() - op.scanned, pattern.data(), pattern.size())
                        : nullptr;
  size_t before = hit ? static_cast<size_t>(static_cast<const char *>(hit) - in.data()) : 0;
  if (hit && (op.n == 0 || before < op.n)) {
    *op.found = 1;
    if (op.is_inclusive)
      give(s, before + pattern.size(), 0);
    else
      give(s, before, pattern.size());
    return true;
  }
  size_t sure = hit ? before : in.size() - begun(in, pattern);  // these bytes are not the pattern's
  if (op.n && sure >= op.n) {
    give(s, op.n, 0);
    return true;
  }
  op.scanned = sure;
  return false;
}

static bool complete(Sock *s) {
  size_t have = s->buf_end - s->buf_pos;
  switch (s->op.kind) {
    case MW_SOCK_LINE: return complete_line(s);
    case MW_SOCK_UNTIL: return complete_until(s);
    case MW_SOCK_SIZE:
      if (have < s->op.n) return false;
      give(s, s->op.n, 0);
      return true;
    case MW_SOCK_ANY:
      if (have == 0) return false;
      give(s, std::min<size_t>(have, s->op.n), 0);
      return true;
    default: return false;  // MW_SOCK_ALL ends with the stream
  }
}

// --- the read --------------------------------------------------------------------------------------------------------

/// The read fails; what is buffered goes with it. A pattern that has begun is no part of it: it is dropped, or with
/// `goes_on` stays for the next read, as receiveuntil of lua-nginx-module keeps its place.
static int32_t fail_read(Sock *s, const char *err, bool goes_on = false) {
  s->abi.read_err = err;
  size_t rest = s->op.kind == MW_SOCK_UNTIL ? begun(buffered(s), {s->op.pattern, s->op.pattern_size}) : 0;
  give(s, s->buf_end - s->buf_pos - rest, goes_on ? 0 : rest);
  return MW_ERROR;
}

static int32_t end_of_stream(Sock *s) {
  s->is_read_closed = true;
  s->is_end_open = false;
  if (const char *err = s->io->end(s)) return fail_read(s, err);
  if (s->op.kind != MW_SOCK_ALL) return fail_read(s, "closed");
  s->is_end_open = true;
  give(s, s->buf_end - s->buf_pos, 0);
  return MW_OK;
}

/// Takes what the socket has until the read is complete. MW_AGAIN: it has no more.
static int32_t pull(Sock *s) {
  while (s->io->may_read(s)) {
    if (!make_room(s)) return fail_read(s, "no memory");
    ssize_t n = s->io->recv(s, s->buf + s->buf_end, s->buf_capacity - s->buf_end);
    if (n == 0) return end_of_stream(s);
    if (n < 0) {
      if (errno == EAGAIN) break;
      int err = errno;
      sock_log(s, err, "recv() failed");
      s->is_read_closed = true;
      return fail_read(s, cosocket_errno(err));
    }
    s->buf_end += static_cast<size_t>(n);
    if (complete(s)) return MW_OK;
  }
  return MW_AGAIN;
}

static uint64_t read_ms(const Sock *s) { return s->read_ms ? s->read_ms : s->co.conf->lua_socket_read_timeout; }

static void end_read(Sock *s, int32_t rc) {
  s->op.kind = 0;
  s->io->read_timeout(s, 0);
  s->abi.is_owed = 1;
  sched_wake(&s->reader, rc);
}

bool sock_is_reading(const Sock *s) {
  if (s->op.kind) return true;
  const LightThread *t = s->last_reader;
  return s->abi.is_owed && t && t->abi.ticket == s->last_reader_ticket && t->state == LightThread::ready;
}

bool sock_readable(Sock *s) {
  if (!sched_is_waiting(s->reader)) return false;
  int32_t rc = pull(s);
  if (rc != MW_AGAIN)
    end_read(s, rc);
  else
    s->io->read_timeout(s, read_ms(s));
  return true;
}

void sock_read_timeout(Sock *s) {
  if (!sched_is_waiting(s->reader)) return;
  sock_log(s, 0, "lua tcp socket read timed out");
  end_read(s, fail_read(s, "timeout", true));
}

void sock_read_fail(Sock *s, const char *err) {
  if (sched_is_waiting(s->reader)) end_read(s, fail_read(s, err));
}

static void cancel_read(Waiter *w) {
  Sock *s = reinterpret_cast<Sock *>(reinterpret_cast<char *>(w) - offsetof(Sock, reader));
  s->op.kind = 0;
  sock_drop(s);
}

static int32_t start_read(Sock *s) {
  if (complete(s)) return s->op.kind = 0, MW_OK;
  int32_t rc = s->is_read_closed ? end_of_stream(s) : pull(s);
  if (rc != MW_AGAIN) {
    s->op.kind = 0;
    return rc;
  }
  uint64_t ms = read_ms(s);
  cosocket_debug(&s->co, "lua tcp socket read timeout: %llu", static_cast<unsigned long long>(ms));
  s->io->read_timeout(s, ms);
  if (s->buf_pos == s->buf_end) sock_free_buffer(s);
  s->last_reader = vm_current->current;
  s->last_reader_ticket = s->last_reader->abi.ticket;
  sched_park(&s->reader, cancel_read);
  return MW_AGAIN;
}

/// The checks before any read. False with the reason in read_err.
static bool may_read(Sock *s) {
  s->abi.data = nullptr;
  s->abi.size = 0;
  if (sock_is_open(s)) {
    if (sched_is_waiting(s->connector)) return s->abi.read_err = "socket busy connecting", false;
    if (!s->is_read_closed || s->is_end_open || s->buf_pos < s->buf_end) return true;
  }
  sock_log_closed(s, "receive data");
  s->abi.read_err = "closed";
  return false;
}

}  // namespace mw

using namespace mw;

extern "C" MW_EXPORT
int32_t mw_sock_receive(mw_sock_t *sock, int32_t kind, int64_t n) {
  Sock *s = sock_of(sock);
  if (sock_is_open(s) && !cosocket_is_owner(&s->co)) return MW_NO_REQUEST;
  if (sock_is_reading(s)) return MW_BUSY;
  if (!may_read(s)) return MW_ERROR;
  s->op = {};
  s->op.kind = kind;
  s->op.n = static_cast<uint64_t>(n);
  return start_read(s);
}

extern "C" MW_EXPORT
int32_t mw_sock_receive_until(mw_sock_t *sock, const char *pattern, size_t len, int32_t inclusive, int64_t n,
                              int32_t *found) {
  Sock *s = sock_of(sock);
  if (sock_is_open(s) && !cosocket_is_owner(&s->co)) return MW_NO_REQUEST;
  if (sock_is_reading(s)) return MW_BUSY;
  if (!may_read(s)) return MW_ERROR;
  *found = 0;
  s->op = {};
  s->op.kind = MW_SOCK_UNTIL;
  s->op.pattern = pattern;
  s->op.pattern_size = len;
  s->op.is_inclusive = inclusive != 0;
  s->op.n = static_cast<uint64_t>(n);
  s->op.found = found;
  return start_read(s);
}
