// SPDX-License-Identifier: MIT
// See base32.h.
#include "base/base32.h"

namespace mw {

size_t base32_encode(Str s, char *dst, Str alphabet, bool padded) {
  char *at = dst;
  uint32_t bits = 0, n = 0;
  for (char c : s) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (n += 8; n >= 5; n -= 5) *at++ = alphabet[bits >> (n - 5) & 31];
  }
  if (n) *at++ = alphabet[bits << (5 - n) & 31];
  while (padded && (at - dst) % 8) *at++ = '=';
  return static_cast<size_t>(at - dst);
}

static int value_of(char c, Str alphabet) {
  size_t at = alphabet.find(c);
  unsigned char low = str_lower(static_cast<unsigned char>(c));
  if (at == Str::npos) at = alphabet.find(static_cast<char>(low));
  if (at == Str::npos && low >= 'a' && low <= 'z') at = alphabet.find(static_cast<char>(low - 'a' + 'A'));
  return at == Str::npos ? -1 : static_cast<int>(at);
}

ssize_t base32_decode(Str s, char *dst, Str alphabet) {
  while (s.ends_with('=')) s.remove_suffix(1);
  char *at = dst;
  uint32_t bits = 0, n = 0;
  for (char c : s) {
    int value = value_of(c, alphabet);
    if (value < 0) return -1;
    bits = bits << 5 | static_cast<uint32_t>(value);
    n += 5;
    if (n < 8) continue;
    n -= 8;
    *at++ = static_cast<char>(bits >> n & 255);
  }
  return at - dst;
}

}  // namespace mw
