// SPDX-License-Identifier: MIT
// See log.h. The time text is cached per thread and second.
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/syslog.h"

namespace mw {

thread_local void (*log_tap)(LogLevelId level, Str text) = nullptr;

static const char *const kLevelNames[] = {"stderr", "emerg",  "alert", "crit", "error",
                                          "warn",   "notice", "info",  "debug"};

static Str log_time() {
  static thread_local time_t cached = 0;
  static thread_local char text[32];
  static thread_local size_t size = 0;
  time_t now = time(nullptr);
  if (now != cached) {
    tm local;
    localtime_r(&now, &local);
    size = strftime(text, sizeof text, "%Y/%m/%d %H:%M:%S", &local);
    cached = now;
  }
  return {text, size};
}

// --- destinations that do not take what they are given ---------------------------------------------------------------

/// A destination of this thread that is in trouble. Few have any at a time.
struct Trouble {
  int fd;
  uint64_t dropped;     ///< writes that did not go
  time_t silent_until;  ///< a full disk: nothing is tried before
};
static thread_local std::vector<Trouble> troubles;

static Trouble *trouble_of(int fd) {
  for (Trouble &t : troubles)
    if (t.fd == fd) return &t;
  return nullptr;
}

static bool fail(int fd, int err) {
  Trouble *t = trouble_of(fd);
  if (!t) t = &troubles.emplace_back(Trouble{fd, 0, 0});
  ++t->dropped;
  if (err == ENOSPC) t->silent_until = time(nullptr) + 1;
  errno = err;
  return false;
}

/// What a pipe takes without waiting once poll() says that it takes something.
static constexpr size_t kPiece = 4096;

/// Whether a write of a piece will not wait. Not O_NONBLOCK: the description behind standard error is not ours alone.
static bool takes_more(int fd) {
  pollfd p{fd, POLLOUT, 0};
  return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/// Writes as much as goes: 0, or an errno. Where a reader is to be waited for, one thread at a time asks and writes.
static int write_some(const LogSink &sink, Str &rest) {
  static std::mutex mutex;
  std::unique_lock<std::mutex> lock(mutex, std::defer_lock);
  if (!sink.is_file) lock.lock();
  while (!rest.empty()) {
    if (!sink.is_file && !takes_more(sink.fd)) return EAGAIN;
    ssize_t n = write(sink.fd, rest.data(), sink.is_file ? rest.size() : std::min(rest.size(), kPiece));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

static int tell_of_lost(const LogSink &sink, Trouble &t) {
  Str now = log_time();
  std::string note(now);
  note.append(" [alert] ").append(std::to_string(getpid())).append("#0: ").append(std::to_string(t.dropped));
  note.append(t.dropped == 1 ? " write to this log was lost\n" : " writes to this log were lost\n");
  Str rest = note;
  if (int err = write_some(sink, rest)) return err;
  t = troubles.back();
  troubles.pop_back();
  return 0;
}

bool log_put(const LogSink &sink, Str lines) {
  if (!troubles.empty()) {
    Trouble *t = trouble_of(sink.fd);
    if (t && time(nullptr) < t->silent_until) {
      ++t->dropped;
      errno = ENOSPC;
      return false;
    }
    if (t)
      if (int err = tell_of_lost(sink, *t)) return fail(sink.fd, err);
  }
  int err = write_some(sink, lines);
  return err == 0 || fail(sink.fd, err);
}

void log_text(const Log &log, LogLevelId level, int err, const LogContext *ctx, Str text) {
  if (!log_is_on(log, level)) return;
  static thread_local const long tid = syscall(SYS_gettid);
  std::string line;
  line.reserve(text.size() + 256);
  char head[96];
  Str now = log_time();
  int n = snprintf(head, sizeof head, "%.*s [%s] %d#%ld: ", static_cast<int>(now.size()), now.data(),
                   level == kLogStderr ? "" : kLevelNames[level], static_cast<int>(getpid()), tid);
  line.append(head, static_cast<size_t>(n));
  if (ctx && ctx->connection) {
    n = snprintf(head, sizeof head, "*%llu ", static_cast<unsigned long long>(ctx->connection));
    line.append(head, static_cast<size_t>(n));
  }
  line.append(text.substr(0, kLogLineMax - 256));
  if (err) {
    char reason[128];
    line.append(" (")
        .append(std::to_string(err))
        .append(": ")
        .append(strerror_r(err, reason, sizeof reason))
        .append(")");
  }
  if (ctx && ctx->tail && level != kLogDebug) ctx->tail(ctx, line);
  if (line.size() > kLogLineMax - 1) line.resize(kLogLineMax - 1);
  if (log_tap) log_tap(level, line);
  line.push_back('\n');
  for (const LogSink &sink : log.sinks) {
    if (level > sink.level) continue;
    if (sink.syslog)
      syslog_send(*sink.syslog, level > 0 ? level - 1 : 0, Str(line).substr(0, line.size() - 1));
    else
      static_cast<void>(log_put(sink, line));
  }
}

void log_write(const Log &log, LogLevelId level, int err, const LogContext *ctx, const char *format, ...) {
  if (!log_is_on(log, level)) return;
  char text[kLogLineMax];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n < 0) return;
  size_t size = static_cast<size_t>(n) < sizeof text ? static_cast<size_t>(n) : sizeof text - 1;
  log_text(log, level, err, ctx, {text, size});
}

}  // namespace mw
