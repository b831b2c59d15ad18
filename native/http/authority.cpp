// SPDX-License-Identifier: MIT
// See authority.h.
#include "http/authority.h"

#include <array>

namespace mw {

enum HostClass : uint8_t { kHostByte = 1, kHex = 2 };

static constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> t{};
  for (size_t c = 1; c < 128; ++c) {
    char ch = static_cast<char>(c), low = static_cast<char>(str_lower(static_cast<unsigned char>(c)));
    bool is_digit = ch >= '0' && ch <= '9', is_alpha = low >= 'a' && low <= 'z';
    if (is_digit || is_alpha || Str("-._~!$&'()*+,;=").find(ch) != Str::npos) t[c] |= kHostByte;
    if (is_digit || (low >= 'a' && low <= 'f')) t[c] |= kHex;
  }
  return t;
}
static constexpr std::array<uint8_t, 256> kClasses = make_classes();
static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool is(char c, HostClass k) { return kClasses[static_cast<unsigned char>(c)] & k; }

/// The end of the "vHEX." that an IPvFuture begins with (RFC 3986 section 3.2.2), or 0.
static size_t future_end(Str a) {
  if (a.size() < 2 || (a[1] | 0x20) != 'v') return 0;
  size_t i = 2;
  while (i < a.size() && is(a[i], kHex)) ++i;
  return i > 2 && i < a.size() && a[i] == '.' ? i + 1 : 0;
}

/// The end of an IP literal's brackets, or 0. No two dots stand side by side in one.
static size_t literal_end(Str a) {
  size_t future = future_end(a), start = future ? future : 1, i = start;
  for (; i < a.size(); ++i) {
    if (!(is(a[i], future ? kHostByte : kHex) || a[i] == ':' || a[i] == '.')) break;
    if (a[i] == '.' && a[i - 1] == '.') return 0;
  }
  return i > start && i < a.size() && a[i] == ']' ? i + 1 : 0;
}

/// The end of a registered name or IPv4 address, or 0. As nginx has it, no label but the last may be empty.
static size_t name_end(Str a) {
  size_t i = 0;
  bool was_dot = false, two_dots = false;
  for (; i < a.size(); ++i) {
    char c = a[i];
    if (!is(c, kHostByte)) {
      if (c != '%') break;
      if (a.size() - i < 3 || !is(a[i + 1], kHex) || !is(a[i + 2], kHex)) return 0;
    }
    two_dots |= was_dot & (c == '.');
    was_dot = c == '.';
  }
  return two_dots || (was_dot && i == 1) ? 0 : i;
}

bool authority_check(Str a, uint16_t &name_size) {
  size_t end = !a.empty() && a[0] == '[' ? literal_end(a) : name_end(a);
  if (end == 0 || end > 255) return false;
  name_size = static_cast<uint16_t>(end);
  if (end == a.size()) return true;
  if (a[end] != ':') return false;
  Str digits = a.substr(end + 1);
  uint32_t port = 0;
  for (char c : digits) {
    if (!is_digit(c)) return false;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  return digits.size() <= 5 && port <= 65535;
}

}  // namespace mw
