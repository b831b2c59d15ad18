// SPDX-License-Identifier: MIT
// See proxy_protocol.h.
#include "net/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>

#include "net/address.h"

namespace mw {

static constexpr Str kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
static constexpr size_t kMaxLine = 107;  ///< of version 1, CRLF included
static constexpr size_t kFixed = 16;     ///< of version 2: what stands before the addresses

// --- version 1 -------------------------------------------------------------------------------------------------------

/// The next word of the line, up to a single blank.
static Str take_word(Str &line) {
  size_t end = line.find(' ');
  Str word = line.substr(0, end);
  line = end == Str::npos ? Str{} : line.substr(end + 1);
  return word;
}

static bool take_address(Str &line, int family, std::string &out) {
  PeerAddress address;
  Str word = take_word(line);
  if (word.starts_with("[") || !address_parse_ip(word, 0, address) || address.sa.sa_family != family) return false;
  out = std::string(word);
  return true;
}

static bool take_port(Str &line, uint16_t &out) {
  uint64_t port;
  Str word = take_word(line);
  if (word.size() > 5 || !str_to_u64(word, port) || port > 65535) return false;
  out = static_cast<uint16_t>(port);
  return true;
}

static bool read_line(Str line, ProxyHeader &out) {
  Str protocol = take_word(line);
  int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  if (protocol != "TCP4" && protocol != "TCP6") return false;
  if (!take_address(line, family, out.source) || !take_address(line, family, out.destination)) return false;
  if (!take_port(line, out.source_port)) return false;
  return line.find(' ') == Str::npos && take_port(line, out.destination_port);
}

static ProxyHeaderResult parse_text(Str in, ProxyHeader &out) {
  constexpr Str kBefore = "PROXY ", kUnknown = "UNKNOWN";
  size_t n = std::min(in.size(), kBefore.size());
  if (in.substr(0, n) != kBefore.substr(0, n)) return {ProxyHeaderResult::bad};
  size_t end = in.substr(0, kMaxLine).find('\n');
  if (end == Str::npos) return {in.size() < kMaxLine ? ProxyHeaderResult::incomplete : ProxyHeaderResult::bad};
  if (end <= kBefore.size() || in[end - 1] != '\r') return {ProxyHeaderResult::bad};
  Str line = in.substr(kBefore.size(), end - 1 - kBefore.size());
  if (line == kUnknown || (line.starts_with(kUnknown) && line[kUnknown.size()] == ' '))
    return {ProxyHeaderResult::done, end + 1, false};
  if (!read_line(line, out)) return {ProxyHeaderResult::bad};
  return {ProxyHeaderResult::done, end + 1, true};
}

// --- version 2 -------------------------------------------------------------------------------------------------------

static uint16_t read_u16(Str at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(at[0]) << 8 | static_cast<uint8_t>(at[1]));
}

static std::string address_of(int family, Str bytes) {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(family, bytes.data(), text, sizeof text) ? text : "";
}

static ProxyHeaderResult parse_binary(Str in, ProxyHeader &out) {
  if (in.size() < kFixed) return {ProxyHeaderResult::incomplete};
  uint8_t version = static_cast<uint8_t>(in[12]), family = static_cast<uint8_t>(in[13]);
  size_t size = kFixed + read_u16(in.substr(14));
  uint8_t command = version & 15;
  if (version >> 4 != 2 || command > 1 || size > kMaxProxyHeader) return {ProxyHeaderResult::bad};
  if (in.size() < size) return {ProxyHeaderResult::incomplete};
  ProxyHeaderResult rest{ProxyHeaderResult::done, size, false};
  bool is_ip4 = family == 0x11, is_ip6 = family == 0x21;  // TCP over either
  if (command == 0 || (!is_ip4 && !is_ip6)) return rest;
  size_t width = is_ip4 ? 4 : 16;
  Str body = in.substr(kFixed, size - kFixed);
  if (body.size() < 2 * width + 4) return {ProxyHeaderResult::bad};
  out.source = address_of(is_ip4 ? AF_INET : AF_INET6, body.substr(0, width));
  out.destination = address_of(is_ip4 ? AF_INET : AF_INET6, body.substr(width, width));
  out.source_port = read_u16(body.substr(2 * width));
  out.destination_port = read_u16(body.substr(2 * width + 2));
  out.tlvs = std::string(body.substr(2 * width + 4));
  rest.is_known = true;
  return rest;
}

ProxyHeaderResult proxy_header_parse(Str in, ProxyHeader &out) {
  size_t n = std::min(in.size(), kSignature.size());
  if (in.substr(0, n) != kSignature.substr(0, n)) return parse_text(in, out);
  return parse_binary(in, out);
}

bool proxy_tlv_find(Str tlvs, uint8_t type, Str &value, bool &is_broken) {
  is_broken = false;
  while (!tlvs.empty()) {
    if (tlvs.size() < 3 || tlvs.size() - 3 < read_u16(tlvs.substr(1))) return is_broken = true, false;
    size_t size = read_u16(tlvs.substr(1));
    if (static_cast<uint8_t>(tlvs[0]) == type) return value = tlvs.substr(3, size), true;
    tlvs = tlvs.substr(3 + size);
  }
  return false;
}

}  // namespace mw
