// SPDX-License-Identifier: MIT
// DNS messages (RFC 1035): a query for the addresses of a name, and what the answer to one says. Pure: no I/O. Answers come
// from the network, and every length in them is checked.
#pragma once
#include <string>
#include <vector>

#include "base/str.h"
#include "net/address.h"

namespace mw {

enum class DnsType : uint16_t { a = 1, cname = 5, aaaa = 28 };

/// What an answer says.
struct DnsAnswer {
  uint8_t code = 0;                    ///< the RCODE: 0 no error, 1 format error, 2 server failure, 3 no such name ...
  std::vector<PeerAddress> addresses;  ///< of the type that was asked for; ports are 0
  std::string cname;  ///< the name that stands for the one that was asked for; empty = none, or the root
  bool has_cname = false;
  uint32_t ttl = UINT32_MAX;  ///< the least of them all, in seconds
};

/// A query for `name` (with or without a dot at its end) with random id. False when no query can ask for such a name.
bool dns_query(Str name, DnsType type, std::string &out);
/// Reads an answer whose id and question have been checked. False when it is malformed.
bool dns_parse(Str message, DnsType type, DnsAnswer &out);

}  // namespace mw
