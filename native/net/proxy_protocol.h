// SPDX-License-Identifier: MIT
// The PROXY protocol, versions 1 and 2, as HAProxy's specification has it: what a proxy says of a connection before its first
// byte. Pure: bytes in, a value out. The value belongs to a Connection and dies with it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/str.h"

namespace mw {

/// Who talks to whom, as the proxy saw it.
struct ProxyHeader {
  std::string source, destination;  ///< addresses as text; version 1: as the proxy wrote them
  uint16_t source_port = 0, destination_port = 0;
  std::string tlvs;  ///< version 2: what follows the addresses, not checked
};

/// The longest header that is taken, as in nginx.
constexpr size_t kMaxProxyHeader = 4096;

struct ProxyHeaderResult {
  enum Kind : uint8_t { incomplete, bad, done } kind = incomplete;
  size_t size = 0;  ///< done: of the header
  bool is_known =
      false;  ///< done: `out` was filled; else the proxy speaks for itself, or of a family that has no ports
};

/// Reads a header from the beginning of `in`, which may hold more behind it. `incomplete` for what may become one with more.
ProxyHeaderResult proxy_header_parse(Str in, ProxyHeader &out);

/// The first TLV of that type in `tlvs`. False without one, or when its length does not fit (`is_broken` then).
bool proxy_tlv_find(Str tlvs, uint8_t type, Str &value, bool &is_broken);

}  // namespace mw
