// SPDX-License-Identifier: MIT
// See log.h. The time text is cached per thread and second.
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/syslog.h"

namespace mw {

thread_local void (*log_tap)(LogLevelId level, Str text) = nullptr;

static const char *const kLevelNames[] = {"stderr", "emerg",  "alert", "crit", "error",
                                          "warn",   "notice", "info",  "debug"};

const char *log_level_name(LogLevelId level) { return kLevelNames[level]; }

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

static void write_all(int fd, Str line) {
  while (!line.empty()) {
    ssize_t n = write(fd, line.data(), line.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return;  // a full disk or closed pipe: there is nowhere left to say so
    }
    line.remove_prefix(static_cast<size_t>(n));
  }
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
  if (ctx && ctx->tail) ctx->tail(ctx, line);
  if (line.size() > kLogLineMax - 1) line.resize(kLogLineMax - 1);
  if (log_tap) log_tap(level, line);
  line.push_back('\n');
  for (const LogSink &sink : log.sinks) {
    if (level > sink.level) continue;
    if (sink.syslog)
      syslog_send(*sink.syslog, level > 0 ? level - 1 : 0, Str(line).substr(0, line.size() - 1));
    else
      write_all(sink.fd, line);
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
