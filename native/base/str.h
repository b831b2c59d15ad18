// SPDX-License-Identifier: MIT
// The borrowed byte string used everywhere, and the few ASCII operations HTTP needs.
// Pure functions, any thread. A Str never owns its bytes: the arena, buffer or plan it points into does.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace mw {

/// A borrowed run of bytes; may hold NUL and 8-bit bytes.
using Str = std::string_view;

/// ASCII lower case of one byte; other bytes unchanged.
inline constexpr unsigned char str_lower(unsigned char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<unsigned char>(c | 0x20) : c;
}

/// True when both are equal, ASCII letters compared without case.
inline bool str_iequal(Str a, Str b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (str_lower(static_cast<unsigned char>(a[i])) != str_lower(static_cast<unsigned char>(b[i]))) return false;
  return true;
}

/// True when `s` begins with `prefix`, ASCII letters compared without case.
inline bool str_istarts(Str s, Str prefix) {
  return s.size() >= prefix.size() && str_iequal(s.substr(0, prefix.size()), prefix);
}

/// Copies `s` to `to`; returns the end. An empty Str may have no data.
inline char *str_put(char *to, Str s) {
  if (!s.empty()) memcpy(to, s.data(), s.size());
  return to + s.size();
}

/// Parses an unsigned decimal that fills `s` wholly. False on an empty string, a foreign byte or overflow.
inline bool str_to_u64(Str s, uint64_t &out) {
  if (s.empty()) return false;
  uint64_t v = 0;
  for (char c : s) {
    if (c < '0' || c > '9') return false;
    uint64_t d = static_cast<uint64_t>(c - '0');
    if (v > (UINT64_MAX - d) / 10) return false;
    v = v * 10 + d;
  }
  out = v;
  return true;
}

}  // namespace mw
