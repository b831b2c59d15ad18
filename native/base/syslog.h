// SPDX-License-Identifier: MIT
// A syslog server as a log's destination: one datagram of RFC 3164 a line, never waited for. Opened on the control thread with
// the other logs of a plan, written to from every worker (a datagram socket needs no lock), closed with the plan's logs.
#pragma once
#include <string>

#include "base/str.h"

namespace mw {

struct Syslog {
  int fd = -1;
  int facility = 0;  ///< its bits of the priority
  int severity = 0;  ///< of lines that have none of their own
  std::string tag;
  std::string host;  ///< empty = left out
};

/// Opens "syslog:PRIORITY,TAG,WITH_HOST,ADDRESS", the form that plans have. False with `error`.
bool syslog_open(Str spec, Syslog &out, std::string &error);
void syslog_close(Syslog &log);
/// Sends one line; `severity` < 0 takes the log's own. What cannot be sent is lost.
void syslog_send(const Syslog &log, int severity, Str line);

}  // namespace mw
