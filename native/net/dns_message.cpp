// SPDX-License-Identifier: MIT
// See dns_message.h.
#include "net/dns_message.h"

#include <string.h>
#include <sys/random.h>

namespace mw {

static constexpr size_t kHeader = 12;
static constexpr size_t kMostLabel = 63;
static constexpr size_t kMostName = 512;  ///< bytes of a name as text: what comes, not what RFC 1035 allows
static constexpr int kMostPointers = 64;  ///< in one name
static constexpr uint16_t kInternet = 1;

// --- queries ---------------------------------------------------------------------------------------------------------

static void put16(std::string &to, unsigned n) {
  to += static_cast<char>(n >> 8 & 0xff);
  to += static_cast<char>(n & 0xff);
}

static unsigned random_id() {
  uint16_t id = 0;
  if (getrandom(&id, sizeof id, 0) != sizeof id) return 0x6d77;
  return id;
}

bool dns_query(Str name, DnsType type, std::string &out) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kMostName) return false;
  out.clear();
  put16(out, random_id());
  put16(out, 0x0100);  // recursion is wanted
  put16(out, 1);
  out.append(6, '\0');
  for (;;) {
    size_t dot = name.find('.');
    Str label = name.substr(0, dot);
    if (label.empty() || label.size() > kMostLabel) return false;
    out += static_cast<char>(label.size());
    out.append(label);
    if (dot == Str::npos) break;
    name.remove_prefix(dot + 1);
  }
  out += '\0';
  put16(out, static_cast<uint16_t>(type));
  put16(out, kInternet);
  return true;
}

// --- answers ---------------------------------------------------------------------------------------------------------

/// Reads on in a message; `is_bad` once it has ended too soon.
struct DnsReader {
  Str message;
  size_t at = 0;
  bool is_bad = false;

  bool has(size_t n) {
    is_bad |= message.size() - at < n;
    return !is_bad;
  }
  unsigned byte_at(size_t i) const { return static_cast<unsigned char>(message[i]); }
  unsigned take16() {
    if (!has(2)) return 0;
    unsigned n = byte_at(at) << 8 | byte_at(at + 1);
    at += 2;
    return n;
  }
  uint32_t take32() {
    uint32_t high = take16();
    return high << 16 | take16();
  }
  void skip(size_t n) {
    if (has(n)) at += n;
  }
};

/// Past the name at r.at.
static void skip_name(DnsReader &r) {
  while (r.has(1)) {
    unsigned size = r.byte_at(r.at);
    if (size >= 0xc0) return r.skip(2);
    if (size > kMostLabel) break;
    r.skip(size + 1);
    if (size == 0) return;
  }
  r.is_bad = true;
}

/// The name at `at`, in lower case. False when it is malformed.
static bool read_name(Str message, size_t at, std::string &out) {
  int pointers = 0;
  out.clear();
  while (at < message.size()) {
    unsigned size = static_cast<unsigned char>(message[at]);
    if (size == 0) return true;
    if (size >= 0xc0) {
      if (at + 1 >= message.size() || ++pointers > kMostPointers) return false;
      at = (size & 0x3f) << 8 | static_cast<unsigned char>(message[at + 1]);
      continue;
    }
    if (size > kMostLabel || message.size() - at <= size || out.size() + size + 1 > kMostName) return false;
    if (!out.empty()) out += '.';
    for (char c : message.substr(at + 1, size)) {
      if (c == '.') return false;  // as text it would be another name
      out += static_cast<char>(str_lower(static_cast<unsigned char>(c)));
    }
    at += size + 1;
  }
  return false;
}

static PeerAddress address_of(Str data) {
  PeerAddress a;
  if (data.size() == 4) {
    a.in = {};
    a.in.sin_family = AF_INET;
    memcpy(&a.in.sin_addr, data.data(), 4);
    a.len = sizeof a.in;
  } else {
    a.in6 = {};
    a.in6.sin6_family = AF_INET6;
    memcpy(&a.in6.sin6_addr, data.data(), 16);
    a.len = sizeof a.in6;
  }
  return a;
}

/// One resource record at r.at. False when it is malformed.
static bool read_record(DnsReader &r, DnsType wanted, DnsAnswer &out) {
  skip_name(r);
  unsigned type = r.take16(), net = r.take16();
  uint32_t ttl = r.take32();
  size_t size = r.take16();
  if (!r.has(size)) return false;
  size_t data = r.at;
  r.at += size;
  if (net != kInternet) return true;
  if (type == static_cast<unsigned>(wanted)) {
    if (size != (wanted == DnsType::a ? 4 : 16)) return false;
    out.addresses.push_back(address_of(r.message.substr(data, size)));
  } else if (type == static_cast<unsigned>(DnsType::cname)) {
    if (size == 0 || !read_name(r.message, data, out.cname)) return false;
    out.has_cname = true;
  } else {
    return true;
  }
  if (ttl > INT32_MAX) ttl = 0;  // RFC 2181 section 8
  if (ttl < out.ttl) out.ttl = ttl;
  return true;
}

bool dns_parse(Str message, DnsType type, DnsAnswer &out) {
  DnsReader r{message};
  if (!r.has(kHeader)) return false;
  r.at = 2;
  unsigned flags = r.take16(), questions = r.take16(), answers = r.take16();
  r.at = kHeader;
  out.code = flags & 0xf;
  if (out.code) return true;
  for (unsigned i = 0; i < questions && !r.is_bad; ++i) {
    skip_name(r);
    r.skip(4);
  }
  for (unsigned i = 0; i < answers; ++i)
    if (!read_record(r, type, out)) return false;
  return !r.is_bad;
}

}  // namespace mw
