// SPDX-License-Identifier: MIT
// The error log in nginx's line format: "2026/11/23 10:00:00 [error] PID#TID: *CONN text, client: ..., server: ...".
// A Log is a level and its descriptors; a worker has one per log file set of the plan. Lines are written with one write(2)
// each, so several threads may share a file. A level that is off costs one compare.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <string>
#include <vector>

#include "base/str.h"

namespace mw {

struct Syslog;

/// nginx's levels; smaller is more severe.
enum LogLevelId : uint8_t {
  kLogStderr,
  kLogEmerg,
  kLogAlert,
  kLogCrit,
  kLogError,
  kLogWarn,
  kLogNotice,
  kLogInfo,
  kLogDebug
};

/// Who speaks: its connection number and what follows the text ("while ..., client: ..., request: ...").
struct LogContext {
  uint64_t connection = 0;  ///< 0 = none
  void (*tail)(const LogContext *, std::string &out) = nullptr;
};

struct LogSink {
  int fd = 2;
  bool is_file = false;  ///< a regular file: writing to it does not wait for a reader
  LogLevelId level = kLogError;
  const Syslog *syslog = nullptr;  ///< in place of `fd`
};

struct Log {
  LogLevelId level = kLogError;  ///< the most talkative sink's
  std::vector<LogSink> sinks;
};

inline bool log_is_on(const Log &log, LogLevelId level) { return level <= log.level; }

/// Writes one line when the level is on. `err` != 0 appends " (N: strerror)". `ctx` may be null.
void log_write(const Log &log, LogLevelId level, int err, const LogContext *ctx, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/// The same for ready text, which may hold NUL bytes (cut at kLogLineMax as nginx does at 2048; ours is 4096).
void log_text(const Log &log, LogLevelId level, int err, const LogContext *ctx, Str text);
constexpr size_t kLogLineMax = 4096;

/// Writes the bytes of whole lines as far as the kernel takes them at once: a worker waits for no reader of a pipe, and a full disk
/// is left alone for a second. What does not go is lost; once it goes again, a line before it says how many were. False with
/// errno when nothing was tried or the last write failed.
bool log_put(const LogSink &sink, Str lines);

/// Sees every line that is on in this thread after it was written (ngx.errlog, control plane); may be null.
extern thread_local void (*log_tap)(LogLevelId level, Str text);

}  // namespace mw
