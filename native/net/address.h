// SPDX-License-Identifier: MIT
// Where to connect to: an IPv4, IPv6 or unix address, from and to text. Values; any thread. address_resolve() asks the system's
// resolver and may block: control thread alone.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <vector>

#include "base/str.h"

namespace mw {

struct PeerAddress {
  union {
    sockaddr sa;
    sockaddr_in in;
    sockaddr_in6 in6;
    sockaddr_un un;
  };
  socklen_t len = 0;  ///< 0: none
  PeerAddress() : un{} {}
};

constexpr size_t kAddressText = 128;  ///< room that address_text() needs

/// Reads "1.2.3.4[:port]", "[::1][:port]" or "unix:/path". False when `text` is none of them (a host name, or nonsense).
bool address_parse(Str text, uint16_t default_port, PeerAddress &out);
/// Reads "1.2.3.4", "::1" or "[::1]", without a port.
bool address_parse_ip(Str text, uint16_t port, PeerAddress &out);
/// Writes "1.2.3.4:80", "[::1]:80" or "unix:/path"; returns its length.
size_t address_text(const PeerAddress &a, char *buf);
/// The port; 0 for unix addresses.
uint16_t address_port(const PeerAddress &a);
/// Sets the port of an IPv4 or IPv6 address.
void address_set_port(PeerAddress &a, uint16_t port);
/// All addresses of a host name, by /etc/hosts and the system's resolver. False with nothing found.
bool address_resolve(const std::string &host, uint16_t port, std::vector<PeerAddress> &out);

}  // namespace mw
