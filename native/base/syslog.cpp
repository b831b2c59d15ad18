// SPDX-License-Identifier: MIT
// See syslog.h.
#include "base/syslog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

namespace mw {

union SyslogAddress {
  sockaddr sa;
  sockaddr_in in;
  sockaddr_in6 in6;
  sockaddr_un un;
};

/// Takes the text up to the next comma off `rest`.
static std::string next_part(Str &rest) {
  size_t comma = rest.find(',');
  std::string part(rest.substr(0, comma));
  rest.remove_prefix(comma == Str::npos ? rest.size() : comma + 1);
  return part;
}

static socklen_t parse_address(const std::string &text, SyslogAddress &a) {
  memset(&a, 0, sizeof a);
  if (text.compare(0, 5, "unix:") == 0) {
    if (text.size() - 5 >= sizeof a.un.sun_path) return 0;
    a.un.sun_family = AF_UNIX;
    memcpy(a.un.sun_path, text.data() + 5, text.size() - 5);
    return sizeof a.un;
  }
  size_t colon = text.rfind(':');
  if (colon == std::string::npos) return 0;
  uint16_t port = htons(static_cast<uint16_t>(atoi(text.c_str() + colon + 1)));
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') {
    a.in6.sin6_family = AF_INET6;
    a.in6.sin6_port = port;
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &a.in6.sin6_addr) == 1 ? sizeof a.in6 : 0;
  }
  a.in.sin_family = AF_INET;
  a.in.sin_port = port;
  return inet_pton(AF_INET, host.c_str(), &a.in.sin_addr) == 1 ? sizeof a.in : 0;
}

bool syslog_open(Str spec, Syslog &out, std::string &error) {
  Str rest = spec.substr(sizeof("syslog:") - 1);
  int priority = atoi(next_part(rest).c_str());
  out.facility = priority & ~7;
  out.severity = priority & 7;
  out.tag = next_part(rest);
  char host[256] = "";
  if (next_part(rest) == "1" && gethostname(host, sizeof host - 1) == 0) out.host = host;
  SyslogAddress address;
  std::string text(rest);
  socklen_t size = parse_address(text, address);
  if (size == 0) return error = "invalid syslog server \"" + text + "\"", false;
  out.fd = socket(address.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (out.fd < 0) {
    error = "socket() failed (" + std::to_string(errno) + ": " + strerror(errno) + ")";
    return false;
  }
  // Nobody may listen yet: the lines until then are lost, which is no reason not to serve.
  static_cast<void>(connect(out.fd, &address.sa, size));
  return true;
}

void syslog_close(Syslog &log) {
  if (log.fd >= 0) close(log.fd);
  log.fd = -1;
}

void syslog_send(const Syslog &log, int severity, Str line) {
  time_t now = time(nullptr);
  tm local;
  localtime_r(&now, &local);
  char clock[32];
  size_t n = strftime(clock, sizeof clock, "%b %e %H:%M:%S ", &local);
  std::string text = "<" + std::to_string(log.facility | (severity < 0 ? log.severity : severity)) + ">";
  text.append(clock, n);
  if (!log.host.empty()) text.append(log.host).append(" ");
  text.append(log.tag).append(": ").append(line);
  static_cast<void>(send(log.fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

}  // namespace mw
