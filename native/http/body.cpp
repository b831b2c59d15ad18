// SPDX-License-Identifier: MIT
// See body.h. States: unread -> reading -> complete | failed; unread -> streaming -> complete; unread or streaming ->
// discarding -> complete. Content-Length and chunked framing feed the same sink: memory first, then the temporary file.
#include "http/body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "http/chunked.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/upstream.h"

namespace mw {

static constexpr size_t kFirstBuffer = 4096;
static constexpr size_t kReadSize = 16384;
static constexpr size_t kFileBuffer = 16384;  ///< small pieces for the file are collected

bool body_is_announced(const Request *r) {
  return r->head.chunked || (r->head.has_content_length && r->head.content_length > 0);
}

/// A buffer, or a file: what the body is made of.
struct Contents {
  char *buf;
  int fd;
  Str to_unlink;
};

static void free_contents(const Contents &c) {
  if (c.to_unlink.data()) unlink(c.to_unlink.data());
  if (c.fd >= 0) close(c.fd);
  free(c.buf);
}

/// What there is leaves the request's hands; of a parent's only the names were in them.
static Contents take_contents(BodyState &b) {
  Contents c = {b.buf, b.fd, b.in_file && !b.is_file_kept ? b.path : Str{}};
  if (b.is_borrowed) c = {nullptr, -1, {}};
  b.fd = -1;
  b.buf = nullptr;
  b.size = b.capacity = 0;
  b.in_file = b.is_file_kept = b.is_borrowed = false;
  return c;
}

/// Something else is the body from now on. A subrequest may have the old one in use: then it stays as long as the request.
static void drop_contents(Request *r) {
  Contents c = take_contents(r->body);
  if (!r->main->subs_live || (!c.buf && c.fd < 0)) return free_contents(c);
  Contents *kept = r->arena.make<Contents>();
  *kept = c;
  request_on_free(
      r, [](void *arg) { free_contents(*static_cast<Contents *>(arg)); }, kept);
}

bool body_is_unread(const Request *r) { return r->body.is_replaced && (r->body.is_chunked || r->body.remaining > 0); }

// --- the sink --------------------------------------------------------------------------------------------------------

/// A new file named as nginx names its temporary ones: ten digits. Other processes may use the folder too.
static int create_temp(const std::string &folder, std::string &path) {
  static std::atomic<uint32_t> serial{static_cast<uint32_t>(getpid()) * 1000u};
  int fd = -1;
  for (int tries = 0; fd < 0 && tries < 1000; ++tries) {
    char name[16];
    snprintf(name, sizeof name, "/%010u", serial.fetch_add(1, std::memory_order_relaxed) + 1);
    path = folder + name;
    fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) break;
  }
  return fd;
}

static Rc open_temp(Request *r) {
  BodyState &b = r->body;
  std::string path;
  b.fd = create_temp(r->conf->client_body_temp_path, path);
  if (b.fd < 0) {
    log_write(r->log(), kLogCrit, errno, &r->log_ctx, "open() \"%s\" failed", path.c_str());
    return 500;
  }
  char *copy = static_cast<char *>(r->arena.alloc(path.size() + 1));
  memcpy(copy, path.c_str(), path.size() + 1);
  b.path = {copy, path.size()};
  b.in_file = true;
  b.is_file_kept = r->conf->client_body_in_file_only == kBodyFileKept;
  log_write(r->log(), r->conf->client_body_in_file_only ? kLogNotice : kLogWarn, 0, &r->log_ctx,
            "a client request body is buffered to a temporary file %s", path.c_str());
  return kOk;
}

static Rc write_file(Request *r, Str data) {
  while (!data.empty()) {
    ssize_t n = write(r->body.fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      log_write(r->log(), kLogCrit, errno, &r->log_ctx, "write() to client body file failed");
      return 500;
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
  return kOk;
}

/// Moves what is buffered to the file, opening it first.
static Rc spill(Request *r) {
  if (r->body.fd < 0) {
    Rc rc = open_temp(r);
    if (rc != kOk) return rc;
  }
  Rc rc = write_file(r, {r->body.buf, r->body.size});
  r->body.size = 0;
  return rc;
}

static Rc grow(Request *r, size_t need) {
  BodyState &b = r->body;
  if (need <= b.capacity) return kOk;
  size_t capacity = b.capacity ? b.capacity : kFirstBuffer;
  while (capacity < need) capacity *= 2;
  char *buf = static_cast<char *>(realloc(b.buf, capacity));
  if (!buf) return 500;
  b.buf = buf;
  b.capacity = capacity;
  return kOk;
}

/// Of a streamed body what fits is kept, or nothing.
static Rc sink_streamed(Request *r, Str data) {
  BodyState &b = r->body;
  upstream_body_take(r, data);
  if (b.total > r->conf->client_body_buffer_size) {
    free(b.buf);
    b.buf = nullptr;
    b.size = b.capacity = 0;
    return kOk;
  }
  Rc rc = grow(r, b.size + data.size());
  if (rc != kOk) return rc;
  memcpy(b.buf + b.size, data.data(), data.size());
  b.size += data.size();
  return kOk;
}

static Rc sink(Request *r, Str data) {
  if (data.empty()) return kOk;
  BodyState &b = r->body;
  b.total += data.size();
  uint64_t max = r->conf->client_max_body_size;
  if (max && b.total > max) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "client intended to send too large chunked body: %llu bytes",
              static_cast<unsigned long long>(b.total));
    return 413;
  }
  if (b.is_streamed) return sink_streamed(r, data);
  bool is_full = b.size + data.size() > (b.fd >= 0 ? kFileBuffer : r->conf->client_body_buffer_size);
  if (is_full) {
    Rc rc = spill(r);
    if (rc != kOk) return rc;
    if (data.size() >= kFileBuffer) return write_file(r, data);
  }
  Rc rc = grow(r, b.size + data.size());
  if (rc != kOk) return rc;
  memcpy(b.buf + b.size, data.data(), data.size());
  b.size += data.size();
  return kOk;
}

static Rc complete(Request *r) {
  BodyState &b = r->body;
  if (b.fd < 0 && r->conf->client_body_in_file_only && b.size && !b.is_streamed) {
    Rc rc = spill(r);
    if (rc != kOk) return rc;
  }
  if (b.fd >= 0 && b.size) {
    Rc rc = spill(r);
    if (rc != kOk) return rc;
  }
  b.state = BodyState::complete;
  b.data = {b.buf ? b.buf : "", b.size};
  r->abi.body_read = 1;
  return kOk;
}

// --- framing ---------------------------------------------------------------------------------------------------------

static ChunkedDecoder *decoder_of(Request *r) {
  if (!r->body.decoder) r->body.decoder = r->arena.make<ChunkedDecoder>();
  return static_cast<ChunkedDecoder *>(r->body.decoder);
}

/// Feeds input through the framing; `keep` sinks it, else it is dropped. Consumes from `in`. kOk at the end of the body,
/// kAgain when more must come, or a status.
static Rc feed(Request *r, Str &in, bool keep) {
  BodyState &b = r->body;
  if (!b.is_chunked) {
    size_t n = in.size() < b.remaining ? in.size() : static_cast<size_t>(b.remaining);
    if (keep) {
      Rc rc = sink(r, in.substr(0, n));
      if (rc != kOk) return rc;
    }
    in.remove_prefix(n);
    b.remaining -= n;
    return b.remaining == 0 ? kOk : kAgain;
  }
  ChunkedDecoder *d = decoder_of(r);
  while (!in.empty()) {
    ChunkedResult step = d->feed(in);
    in.remove_prefix(step.consumed);
    if (keep && !step.data.empty()) {
      Rc rc = sink(r, step.data);
      if (rc != kOk) return rc;
    }
    if (step.kind == ChunkedResult::done) return kOk;
    if (step.kind == ChunkedResult::error) {
      log_write(r->log(), kLogError, 0, &r->log_ctx, "client sent invalid chunked body");
      return step.status;
    }
  }
  return kAgain;
}

/// Reads what the connection has. kOk complete, kAgain, a status, or kError when the peer is gone.
static Rc pull(Request *r, bool keep) {
  Connection *c = r->conn;
  for (;;) {
    if (c->in_size() > 0) {
      Str in{c->in_pos, c->in_size()};
      Rc rc = feed(r, in, keep);
      c->in_pos = in.data();
      if (c->in_pos == c->in_end) connection_drop_input(c);
      if (rc != kAgain) return rc;
    }
    if (!c->may_read || (r->body.is_streamed && upstream_body_is_full(r))) return kAgain;
    char buf[kReadSize];
    ssize_t n = connection_read(c, buf, sizeof buf);
    if (n < 0 && errno == EAGAIN) return kAgain;
    if (n <= 0) {
      log_write(r->log(), kLogInfo, n < 0 ? errno : 0, &r->log_ctx, "client prematurely closed connection");
      return kError;
    }
    Str in{buf, static_cast<size_t>(n)};
    Rc rc = feed(r, in, keep);
    if (!in.empty()) {           // the next request came in the same read: keep it for the connection
      connection_drop_input(c);  // consumed wholly, but its block may still be held
      Block *block = c->net->blocks.get(in.size());
      memcpy(block->data, in.data(), in.size());
      c->in_block = block;
      c->in_pos = block->data;
      c->in_end = block->data + in.size();
    }
    if (rc != kAgain) return rc;
  }
}

// --- reading ---------------------------------------------------------------------------------------------------------

/// The state that `rc` leads to; the final answer.
static Rc conclude(Request *r, Rc rc) {
  connection_clear_timeout(r->conn);
  if (rc == kOk) rc = complete(r);
  if (rc == kOk) return kOk;
  r->body.state = BodyState::failed;
  r->keepalive = false;
  return rc;
}

static void finish(Request *r, Rc rc) {
  rc = conclude(r, rc);
  auto done = r->body.done;
  void *arg = r->body.done_arg;
  r->body.done = nullptr;
  if (done) return done(r, rc, arg);
  if (rc != kOk) http_finalize(r, rc);
}

void body_send_continue(Request *r) {
  if (!r->expects_continue || r->body.sent_continue || r->conn->is_closed) return;
  if (r->main->out.is_serialized) return;  // it would be read as part of the response
  r->body.sent_continue = true;
  r->conn->out.append(r->core->net.blocks, "HTTP/1.1 100 Continue\r\n\r\n");
  if (!r->conn->is_blocked) connection_send(r->conn);  // a failure shows again when the body is read
}

/// The client's time for the next part of the body. It is not its fault that an upstream takes no more.
static void await_more(Request *r) {
  if (r->body.is_streamed && upstream_body_is_full(r)) {
    upstream_body_pause(r);
    return connection_clear_timeout(r->conn);
  }
  connection_set_timeout(r->conn, r->conf->client_body_timeout);
}

Rc body_read_streamed(Request *r, void (*done)(Request *, Rc, void *), void *arg) {
  r->body.is_streamed = true;
  Rc rc = body_read(r, done, arg);
  if (rc != kAgain) r->body.is_streamed = false;
  return rc;
}

Rc body_read(Request *r, void (*done)(Request *, Rc, void *), void *arg) {
  BodyState &b = r->body;
  if (b.state == BodyState::complete || b.state == BodyState::streaming) {
    if (!body_is_announced(r)) body_send_continue(r);  // as nginx: it is what the client waits for
    r->abi.body_read = 1;
    return kOk;
  }
  if (b.state == BodyState::discarding) return r->abi.body_read = 1, kOk;  // there is none for anybody, as in nginx
  if (b.state != BodyState::unread) return 500;
  if (!b.is_chunked && b.remaining == 0) return complete(r);  // a handler has set Content-Length: 0
  b.state = BodyState::reading;
  b.started_ms = r->core->loop->now_ms();
  if (r->conn->in_size() == 0) body_send_continue(r);
  if (!b.is_chunked && b.remaining <= r->conf->client_body_buffer_size &&
      grow(r, static_cast<size_t>(b.remaining)) != kOk)
    return 500;
  Rc rc = pull(r, true);
  if (rc == kAgain) {
    b.done = done;
    b.done_arg = arg;
    await_more(r);
    return kAgain;
  }
  return conclude(r, rc);
}

void body_forget(Request *r) { r->body.done = nullptr; }

/// True when the body has come too slowly since the grace period ended (client_body_min_rate).
static bool is_too_slow(const Request *r) {
  uint64_t rate = r->conf->client_body_min_rate;
  uint64_t age = r->core->loop->now_ms() - r->body.started_ms;
  if (rate == 0 || age <= r->conf->client_body_timeout) return false;
  return r->body.total < (age - r->conf->client_body_timeout) * rate / 1000;
}

void body_readable(Request *r) {
  BodyState &b = r->body;
  if (b.state == BodyState::discarding && !r->is_logging) {
    bool is_over = body_discard(r) || !r->keepalive;  // thrown away, or broken: nothing more to wait for
    if (is_over && r->out.is_finished && r->out.is_last_framed) request_finish(r);  // else a filter still has its end
    return;
  }
  if (b.state != BodyState::reading) return;
  if (b.is_streamed) b.started_ms += upstream_body_resume(r);
  Rc rc = pull(r, true);
  if (rc == kAgain && is_too_slow(r)) rc = 408;
  if (rc != kAgain) return finish(r, rc);
  await_more(r);
  if (b.is_streamed) upstream_body_progress(r);
}

void body_timeout(Request *r) {
  log_write(r->log(), kLogInfo, ETIMEDOUT, &r->log_ctx, "client timed out while reading client request body");
  finish(r, 408);
}

void body_aborted(Request *r) { finish(r, kError); }

/// Throws away what has come. kOk at its end, kAgain, kError when the rest cannot be awaited, or a status: of broken framing.
static Rc discard(Request *r) {
  BodyState &b = r->body;
  if (b.state == BodyState::reading) {
    b.done = nullptr;
    drop_contents(r);  // the part that has come is not the body
  }
  if (b.state == BodyState::unread && r->expects_continue && !b.sent_continue && r->conn->in_size() == 0) {
    r->keepalive = false;  // the client may or may not send it now: only a close is unambiguous
    return kError;
  }
  b.state = BodyState::discarding;
  Rc rc = pull(r, false);
  if (rc == kOk) b.state = BodyState::complete;
  if (rc != kOk && rc != kAgain) r->keepalive = false;
  return rc;
}

bool body_discard(Request *r) {
  if (r->body.state == BodyState::complete) return true;
  if (r->body.state == BodyState::failed || r->abi.has_raw_socket) return false;
  return discard(r) == kOk;
}

Rc body_discard_first(Request *r) {
  if (r->parent || r->body.state != BodyState::unread || r->abi.has_raw_socket || r->abi.header_sent) return kOk;
  Rc rc = discard(r);
  if (rc < 300) return kOk;
  r->body.state = BodyState::failed;
  return rc;
}

// --- contents --------------------------------------------------------------------------------------------------------

bool body_in_memory(const Request *r, Str &out) {
  const BodyState &b = r->body;
  if (b.state != BodyState::complete || b.in_file || b.size == 0) return false;
  out = {b.buf, b.size};
  return true;
}

void body_borrow(Request *r, const Request *from) {
  const BodyState &b = from->body;
  drop_contents(r);
  r->body.state = BodyState::complete;
  if (b.state != BodyState::complete) return;
  r->body = b;
  r->body.is_borrowed = true;
  r->abi.body_read = from->abi.body_read;
}

void body_replace(Request *r, Str data) {
  BodyState &b = r->body;
  // Nobody will read the rest of it.
  if (b.state == BodyState::streaming || b.state == BodyState::discarding) r->keepalive = false;
  char *copy = static_cast<char *>(malloc(data.size() ? data.size() : 1));
  if (!copy) abort();
  memcpy(copy, data.data(), data.size());
  drop_contents(r);
  b.buf = copy;
  b.is_replaced = true;
  b.size = b.capacity = data.size();
  b.total = data.size();
  b.data = {copy, data.size()};
  b.state = BodyState::complete;
  r->abi.body_read = 1;
}

Rc body_to_file(Request *r) {
  Rc rc = spill(r);
  r->body.data = {};
  return rc;
}

bool body_replace_file(Request *r, Str path, bool remove_after) {
  BodyState &b = r->body;
  char *name = static_cast<char *>(r->arena.alloc(path.size() + 1));
  memcpy(name, path.data(), path.size());
  name[path.size()] = 0;
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) < 0) {
    if (fd >= 0) close(fd);
    return false;
  }
  if (b.state == BodyState::streaming || b.state == BodyState::discarding) r->keepalive = false;
  drop_contents(r);
  b.fd = fd;
  b.is_replaced = true;
  b.in_file = true;
  b.path = {name, path.size()};
  b.is_file_kept = !remove_after;
  b.total = static_cast<uint64_t>(st.st_size);
  b.state = BodyState::complete;
  r->abi.body_read = 1;
  return true;
}

void body_release(Request *r) { free_contents(take_contents(r->body)); }

}  // namespace mw
