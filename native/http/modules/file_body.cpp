// SPDX-License-Identifier: MIT
// See file_body.h.
#include "http/modules/file_body.h"

#include <errno.h>
#include <unistd.h>

#include "http/body.h"
#include "http/modules/range.h"
#include "http/subrequest.h"

namespace mw {

static constexpr size_t kReadSize = 32768;    ///< what a filter sees at a time: output_buffers' default
static constexpr int kReadsPerTurn = 16;      ///< then other connections get their turn
static constexpr uint64_t kHeld = 65536;      ///< bytes that may wait for the client
static constexpr uint64_t kCopyBelow = 2048;  ///< a part as short takes less memory than a block of the chain

/// One range, or several, each behind its own head: all of one descriptor, since a request may name thousands.
struct FileBody {
  Request *r = nullptr;
  void (*done)(Request *r) = nullptr;
  int fd = -1;
  uint64_t at = 0;             ///< where the content begins in the file
  uint64_t next = 0, end = 0;  ///< of the part in hand
  uint32_t next_part = 0;      ///< of r->out.ranges
  bool is_waiting = false;     ///< for the filters, or the client
  OutWaiter waiter;
  Task task;
};

static bool is_multipart(const Request *r) { return r->out.ranges && r->out.ranges->parts.size > 1; }

static bool read_fully(const FileBody *b, char *to, size_t n) {
  for (size_t have = 0; have < n;) {
    ssize_t got = pread(b->fd, to + have, n - have, static_cast<off_t>(b->at + b->next + have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      log_write(b->r->log(), kLogAlert, got < 0 ? errno : 0, &b->r->log_ctx, "read() failed or the file was truncated");
      b->r->is_truncated = true;
      output_cut(b->r);
      return false;
    }
    have += static_cast<size_t>(got);
  }
  return true;
}

// --- past the filters ------------------------------------------------------------------------------------------------

/// The part in hand as a file range. Takes the descriptor where it is the last; else a later part does.
static void append_part(FileBody *b, bool is_last) {
  if (is_last || b->end - b->next >= kCopyBelow)
    return output_append_file(b->r, b->fd, b->at + b->next, b->at + b->end, is_last);
  char buf[kCopyBelow];
  size_t n = static_cast<size_t>(b->end - b->next);
  if (read_fully(b, buf, n)) output_append(b->r, {buf, n});
}

static void append_all(FileBody *b) {
  if (!is_multipart(b->r)) return b->next < b->end ? append_part(b, true) : static_cast<void>(close(b->fd));
  const RangeParts &ranges = *b->r->out.ranges;
  for (uint32_t i = 0; i < ranges.parts.size; ++i) {
    const RangePart &part = ranges.parts.data[i];
    output_append(b->r, part.head);
    b->next = part.start;
    b->end = part.end;
    append_part(b, i + 1 == ranges.parts.size);
  }
  output_append(b->r, ranges.tail);
}

// --- through the filters ---------------------------------------------------------------------------------------------

static void put(Request *r, Str text) {
  if (text.empty()) return;
  if (output_is_direct(r)) return output_append(r, text);
  output_queue(r, text, false, false);
  output_pump(r);
}

/// A filter waits, or the client has not taken enough of what it was given. What others' output holds is taken at once.
static bool is_backed_up(const Request *r) {
  if (r->out.first || r->out.is_held) return true;
  if (r->parent) return subrequest_is_backed_up(r, kHeld);
  return !r->out.is_diverted && !r->conn->is_closed && r->conn->is_blocked && r->conn->out.bytes() >= kHeld;
}

static bool is_unwanted(const Request *r) {
  return r->out.is_last_queued || r->out.is_bodiless || r->is_aborted ||
         (r->out_root->out.sink == Sink::connection && r->conn->is_closed);
}

/// The next part is in hand. False after the last.
static bool next_part(FileBody *b) {
  if (!is_multipart(b->r)) return false;
  const RangeParts &ranges = *b->r->out.ranges;
  if (b->next_part == ranges.parts.size) {
    put(b->r, ranges.tail);
    return false;
  }
  const RangePart &part = ranges.parts.data[b->next_part++];
  put(b->r, part.head);
  b->next = part.start;
  b->end = part.end;
  return true;
}

static void on_task(Task *t);

static void post(FileBody *b) {
  b->task.run = on_task;
  b->r->core->loop->post(&b->task);
}

/// The output chain is on the stack below: later in the turn.
static void on_output(OutWaiter *w, Rc) {
  FileBody *b = reinterpret_cast<FileBody *>(reinterpret_cast<char *>(w) - offsetof(FileBody, waiter));
  b->is_waiting = false;
  post(b);
}

static Rc wait(FileBody *b) {
  b->is_waiting = true;
  b->waiter.done = on_output;
  output_wait(b->r, &b->waiter, !b->r->out.first);
  return kAgain;
}

/// kOk at the end, as far as it comes.
static Rc stream(FileBody *b) {
  Request *r = b->r;
  char buf[kReadSize];
  for (int reads = 0; !is_unwanted(r); ++reads) {
    if (is_backed_up(r)) return wait(b);
    if (reads == kReadsPerTurn && !r->parent) return post(b), kAgain;
    if (b->next == b->end) {
      if (!next_part(b)) break;
      continue;  // its head may have met a filter that waits
    }
    size_t n = b->end - b->next < sizeof buf ? static_cast<size_t>(b->end - b->next) : sizeof buf;
    if (!read_fully(b, buf, n)) break;
    b->next += n;
    put(r, {buf, n});
  }
  close(b->fd);
  b->fd = -1;
  return kOk;
}

static void on_task(Task *t) {
  FileBody *b = reinterpret_cast<FileBody *>(reinterpret_cast<char *>(t) - offsetof(FileBody, task));
  ++b->r->running;  // nothing frees the request under us
  Rc rc = stream(b);
  --b->r->running;
  if (rc == kOk) b->done(b->r);
}

static void forget(void *arg) {
  FileBody *b = static_cast<FileBody *>(arg);
  if (b->is_waiting) output_unwait(b->r, &b->waiter);
  b->r->core->loop->unpost(&b->task);
  if (b->fd >= 0) close(b->fd);
}

Rc file_body_send(Request *r, int fd, uint64_t at, uint64_t size, void (*done)(Request *r)) {
  FileBody *b = r->arena.make<FileBody>();
  b->r = r;
  b->done = done;
  b->fd = fd;
  b->at = at;
  if (!r->out.ranges) {
    b->end = size;
  } else if (!is_multipart(r)) {
    b->next = r->out.ranges->parts.data[0].start;
    b->end = r->out.ranges->parts.data[0].end;
  }
  Rc rc = kOk;
  ++r->running;                                  // nothing frees the request under us
  bool is_inline = r->out.sink == Sink::parent;  // its bytes are to be read, no faster than they are taken
  if (output_is_direct(r) && !r->out.filters && !is_inline) {
    append_all(b);
  } else {
    request_on_free(r, forget, b);
    if (!r->parent && !r->conn->is_closed) body_discard(r);  // while the header can still say that the connection stays
    rc = stream(b);
  }
  --r->running;
  return rc;
}

}  // namespace mw
