// SPDX-License-Identifier: MIT
// See address.h.
#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

namespace mw {

static bool parse_port(Str text, uint16_t &port) {
  uint64_t v;
  if (text.size() > 5 || !str_to_u64(text, v) || v == 0 || v > 65535) return false;
  port = static_cast<uint16_t>(v);
  return true;
}

static bool parse_unix(Str path, PeerAddress &out) {
  if (path.empty() || path.size() >= sizeof out.un.sun_path || path.find('\0') != Str::npos) return false;
  out.un.sun_family = AF_UNIX;
  memcpy(out.un.sun_path, path.data(), path.size());
  out.un.sun_path[path.size()] = 0;
  out.len = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return true;
}

/// May be copied as a C string: not empty, and without a NUL, which would end it early.
static bool fits(Str name, size_t room) { return !name.empty() && name.size() < room && name.find('\0') == Str::npos; }

bool address_parse(Str text, uint16_t default_port, PeerAddress &out) {
  out = PeerAddress();
  if (text.starts_with("unix:")) return parse_unix(text.substr(5), out);
  char host[INET6_ADDRSTRLEN];
  bool is_v6 = text.starts_with("[");
  size_t end = is_v6 ? text.find(']') : text.find(':');
  Str name = text.substr(is_v6 ? 1 : 0, is_v6 && end != Str::npos ? end - 1 : end);
  if ((is_v6 && end == Str::npos) || !fits(name, sizeof host)) return false;
  memcpy(host, name.data(), name.size());
  host[name.size()] = 0;
  Str rest = end == Str::npos ? Str{} : text.substr(end + (is_v6 ? 1 : 0));
  uint16_t port = default_port;
  if (!rest.empty() && (rest[0] != ':' || !parse_port(rest.substr(1), port))) return false;
  if (is_v6) {
    out.in6.sin6_family = AF_INET6;
    out.in6.sin6_port = htons(port);
    out.len = sizeof out.in6;
    return inet_pton(AF_INET6, host, &out.in6.sin6_addr) == 1;
  }
  out.in.sin_family = AF_INET;
  out.in.sin_port = htons(port);
  out.len = sizeof out.in;
  return inet_pton(AF_INET, host, &out.in.sin_addr) == 1;
}

bool address_parse_ip(Str text, uint16_t port, PeerAddress &out) {
  if (text.find(':') == Str::npos || text.starts_with("[")) {
    bool has_port = text.find(text.starts_with("[") ? Str("]:") : Str(":")) != Str::npos;
    return !has_port && address_parse(text, port, out) && out.sa.sa_family != AF_UNIX;
  }
  char host[INET6_ADDRSTRLEN];
  if (!fits(text, sizeof host)) return false;
  memcpy(host, text.data(), text.size());
  host[text.size()] = 0;
  out = PeerAddress();
  out.in6.sin6_family = AF_INET6;
  out.in6.sin6_port = htons(port);
  out.len = sizeof out.in6;
  return inet_pton(AF_INET6, host, &out.in6.sin6_addr) == 1;
}

size_t address_text(const PeerAddress &a, char *buf) {
  char host[INET6_ADDRSTRLEN] = "";
  int n = 0;
  if (a.sa.sa_family == AF_INET) {
    inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof host);
    n = snprintf(buf, kAddressText, "%s:%u", host, ntohs(a.in.sin_port));
  } else if (a.sa.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof host);
    n = snprintf(buf, kAddressText, "[%s]:%u", host, ntohs(a.in6.sin6_port));
  } else if (a.sa.sa_family == AF_UNIX) {
    n = snprintf(buf, kAddressText, "unix:%s", a.un.sun_path);
  }
  return static_cast<size_t>(n);
}

uint16_t address_port(const PeerAddress &a) {
  if (a.sa.sa_family == AF_INET) return ntohs(a.in.sin_port);
  return a.sa.sa_family == AF_INET6 ? ntohs(a.in6.sin6_port) : 0;
}

void address_set_port(PeerAddress &a, uint16_t port) {
  if (a.sa.sa_family == AF_INET)
    a.in.sin_port = htons(port);
  else if (a.sa.sa_family == AF_INET6)
    a.in6.sin6_port = htons(port);
}

bool address_resolve(const std::string &host, uint16_t port, std::vector<PeerAddress> &out) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  int rc = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (rc != 0) {  // a machine without any address but loopback's still has names for that
    hints.ai_flags = 0;
    rc = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  }
  if (rc != 0) return false;
  size_t before = out.size();
  for (int family : {AF_INET, AF_INET6})  // as nginx orders them
    for (addrinfo *i = list; i; i = i->ai_next) {
      if (i->ai_family != family || i->ai_addrlen > sizeof(sockaddr_in6)) continue;
      PeerAddress a;
      memcpy(&a.sa, i->ai_addr, i->ai_addrlen);
      a.len = i->ai_addrlen;
      (family == AF_INET ? a.in.sin_port : a.in6.sin6_port) = htons(port);
      out.push_back(a);
    }
  freeaddrinfo(list);
  return out.size() > before;
}

}  // namespace mw
