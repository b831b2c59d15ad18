// SPDX-License-Identifier: MIT
// The log module: access_log lines by log_format, one write(2) a line; and the log files of a plan, opened on the control
// thread and shared by a generation's workers.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "http/request.h"

namespace mw {

/// A plan's open log files.
struct LogFiles {
  struct File {
    std::string path;
    int fd = -1;
  };
  std::vector<File> files;
  Log main;                                           ///< the main level's error log
  std::unordered_map<const LocationConf *, Log> own;  ///< of those that have an error_log of their own or inherit one
  bool is_debug = false;                              ///< one of them takes debug lines
  ~LogFiles();
  int fd_of(const std::string &path) const;
  /// Opens every file anew under the same descriptor numbers (USR1).
  void reopen();
};

/// Opens what the plan names. Null with `error`: `open() "PATH" failed (2: No such file or directory)`.
std::shared_ptr<LogFiles> log_files_open(const Plan &plan, std::string &error);

/// Writes the request's access log lines.
void access_log_write(Request *r);

}  // namespace mw
