// SPDX-License-Identifier: MIT
// Table-driven base64: two alphabets for encoding, two 256-entry tables for decoding, built at compile time.
#include "base/base64.h"

#include <algorithm>
#include <array>

namespace mw {
namespace {

constexpr char kStandard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrl[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr uint8_t kForeign = 0xff;

constexpr std::array<uint8_t, 256> invert(const char *alphabet) {
  std::array<uint8_t, 256> t{};
  for (auto &x : t) x = kForeign;
  for (unsigned i = 0; i < 64; ++i) t[static_cast<unsigned char>(alphabet[i])] = static_cast<uint8_t>(i);
  return t;
}

constexpr auto kFromStandard = invert(kStandard);
constexpr auto kFromUrl = invert(kUrl);

inline unsigned char byte(char c) { return static_cast<unsigned char>(c); }

}  // namespace

size_t base64_encode(Str s, char *dst, Base64 alphabet, bool pad) {
  const char *map = alphabet == Base64::URL ? kUrl : kStandard;
  const unsigned char *p = reinterpret_cast<const unsigned char *>(s.data());
  size_t n = s.size();
  char *d = dst;
  for (; n > 2; n -= 3, p += 3) {
    unsigned v = static_cast<unsigned>(p[0]) << 16 | static_cast<unsigned>(p[1]) << 8 | p[2];
    d[0] = map[v >> 18];
    d[1] = map[v >> 12 & 63];
    d[2] = map[v >> 6 & 63];
    d[3] = map[v & 63];
    d += 4;
  }
  if (n) {
    unsigned v = static_cast<unsigned>(p[0]) << 16 | (n == 2 ? static_cast<unsigned>(p[1]) << 8 : 0u);
    *d++ = map[v >> 18];
    *d++ = map[v >> 12 & 63];
    if (n == 2) *d++ = map[v >> 6 & 63];
    if (pad) {
      *d++ = '=';
      if (n == 1) *d++ = '=';
    }
  }
  return static_cast<size_t>(d - dst);
}

ssize_t base64_decode(Str s, char *dst, Base64 alphabet) {
  const auto &map = alphabet == Base64::URL ? kFromUrl : kFromStandard;
  const size_t n = std::min(s.size(), s.find('='));
  if (n % 4 == 1) return -1;
  const char *p = s.data();
  char *d = dst;
  uint8_t bad = 0;  // valid values have the top bit clear, so one test at the end of each run is enough
  size_t i = 0;
  for (; i + 4 <= n; i += 4, p += 4) {
    uint8_t a = map[byte(p[0])], b = map[byte(p[1])], c = map[byte(p[2])], e = map[byte(p[3])];
    bad = static_cast<uint8_t>(bad | a | b | c | e);
    d[0] = static_cast<char>(a << 2 | b >> 4);
    d[1] = static_cast<char>(b << 4 | c >> 2);
    d[2] = static_cast<char>(c << 6 | e);
    d += 3;
  }
  if (i < n) {
    uint8_t a = map[byte(p[0])], b = map[byte(p[1])], c = n - i == 3 ? map[byte(p[2])] : uint8_t{0};
    bad = static_cast<uint8_t>(bad | a | b | c);
    *d++ = static_cast<char>(a << 2 | b >> 4);
    if (n - i == 3) *d++ = static_cast<char>(b << 4 | c >> 2);
  }
  return bad & 0x80 ? -1 : d - dst;
}

ssize_t base64_decode_mime(Str s, char *dst) {
  char *d = dst;
  unsigned bits = 0;
  size_t count = 0;
  for (char ch : s) {
    if (ch == '=') break;
    uint8_t v = kFromStandard[byte(ch)];
    if (v == kForeign) continue;
    bits = bits << 6 | v;
    if (++count % 4 == 0) {
      *d++ = static_cast<char>(bits >> 16);
      *d++ = static_cast<char>(bits >> 8);
      *d++ = static_cast<char>(bits);
    }
  }
  switch (count % 4) {
    case 1: return -1;
    case 2: *d++ = static_cast<char>(bits >> 4); break;
    case 3:
      *d++ = static_cast<char>(bits >> 10);
      *d++ = static_cast<char>(bits >> 2);
      break;
    default: break;
  }
  return d - dst;
}

}  // namespace mw
