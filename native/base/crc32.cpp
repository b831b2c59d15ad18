// SPDX-License-Identifier: MIT
// Slicing-by-8: table k maps a byte to its effect k bytes further on, so eight bytes fold with eight independent loads.
#include "base/crc32.h"

#include <array>

namespace mw {
namespace {

using Table = std::array<std::array<uint32_t, 256>, 8>;

constexpr Table make_tables() {
  Table t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
    t[0][i] = c;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t i = 0; i < 256; ++i) t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 255];
  return t;
}

constexpr Table kTable = make_tables();

}  // namespace

uint32_t crc32_of(Str s, uint32_t seed) {
  const char *p = s.data();
  size_t n = s.size();
  uint32_t crc = ~seed;
  for (; n >= 8; n -= 8, p += 8) {
    uint32_t low, high;
    std::memcpy(&low, p, 4);  // little endian on every target
    std::memcpy(&high, p + 4, 4);
    low ^= crc;
    crc = kTable[7][low & 255] ^ kTable[6][low >> 8 & 255] ^ kTable[5][low >> 16 & 255] ^ kTable[4][low >> 24] ^
          kTable[3][high & 255] ^ kTable[2][high >> 8 & 255] ^ kTable[1][high >> 16 & 255] ^ kTable[0][high >> 24];
  }
  for (; n; --n, ++p) crc = crc >> 8 ^ kTable[0][(crc ^ static_cast<unsigned char>(*p)) & 255];
  return ~crc;
}

}  // namespace mw
