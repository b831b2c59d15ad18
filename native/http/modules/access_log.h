// SPDX-License-Identifier: MIT
// The log module: access_log lines by log_format; and the log files of a plan, opened on the control thread and shared by a
// generation's workers. A line is one write(2), or waits in a buffer of its worker.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/syslog.h"
#include "config_problem.h"
#include "http/request.h"

namespace mw {

/// A plan's open log files.
struct LogFiles {
  struct File {
    std::string path;
    int fd = -1;
    bool is_regular = false;
    std::unique_ptr<Syslog> syslog;  ///< in place of `fd`
  };
  std::vector<File> files;
  Log main;                                           ///< the main level's error log
  std::unordered_map<const LocationConf *, Log> own;  ///< of those that have an error_log of their own or inherit one
  bool is_debug = false;                              ///< one of them takes debug lines
  bool is_buffered = false;                           ///< workers hold lines back: access_log_flush() before reopen()
  ~LogFiles();
  /// Where the lines of `path` go; null when it is not open.
  LogSink sink_of(const std::string &path) const;
  /// Opens every file anew under the same descriptor numbers (USR1).
  void reopen();
};

/// Opens what the plan names; problems are `open() "PATH" failed (2: No such file or directory)`. Where nothing may be created,
/// files are not opened, but looked at: whether they could be.
std::shared_ptr<LogFiles> log_files_open(const Plan &plan, bool may_create, Problems &problems);

/// Writes the request's access log lines.
void access_log_write(Request *r);
/// Writes what the worker holds back. On its thread.
void access_log_flush(HttpCore *core);

}  // namespace mw
