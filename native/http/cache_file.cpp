// SPDX-License-Identifier: MIT
// See cache_file.h.
#include "http/cache_file.h"

#include <string.h>

#include "base/crc32.h"
#include "base/digest.h"

namespace mw {

static constexpr uint32_t kMagic = 0x6361776d;  // "mwac"
static constexpr uint32_t kVersion = 1;
static constexpr Str kKeyMark = "\nKEY: ";

/// As it lies in the file, in this machine's byte order: a cache does not move.
struct FileHead {
  uint32_t magic, version;
  int64_t valid_s, updating_s, error_s, last_modified, date;
  uint64_t body_bytes;
  uint32_t header_start, body_start;
  uint32_t key_crc, head_crc;
  uint32_t own_crc;  ///< of this struct, with 0 here
  uint8_t etag_len, vary_len, reserved[2];
  char etag[kCacheMostEtag], vary[kCacheMostVary];
  unsigned char variant[kCacheKeySize];
};
static_assert(sizeof(FileHead) == 8 + 48 + 8 + 8 + 4 + 4 + 128 + 128 + 16);

static uint32_t own_crc(FileHead head) {
  head.own_crc = 0;
  return crc32_of({reinterpret_cast<const char *>(&head), sizeof head});
}

size_t cache_file_prefix(Str key) { return sizeof(FileHead) + kKeyMark.size() + key.size() + 1; }

std::string cache_file_head(const CacheMeta &meta, Str key) {
  FileHead h;
  memset(static_cast<void *>(&h), 0, sizeof h);
  h.magic = kMagic;
  h.version = kVersion;
  h.valid_s = meta.valid_s;
  h.updating_s = meta.updating_s;
  h.error_s = meta.error_s;
  h.last_modified = meta.last_modified;
  h.date = meta.date;
  h.body_bytes = meta.body_bytes;
  h.header_start = static_cast<uint32_t>(cache_file_prefix(key));
  h.body_start = meta.body_start;
  h.key_crc = crc32_of(key);
  h.head_crc = meta.head_crc;
  Str etag = meta.etag.size() <= kCacheMostEtag ? meta.etag : Str{};
  Str vary = meta.vary.substr(0, kCacheMostVary);
  h.etag_len = static_cast<uint8_t>(etag.size());
  h.vary_len = static_cast<uint8_t>(vary.size());
  str_put(h.etag, etag);
  str_put(h.vary, vary);
  memcpy(h.variant, meta.variant, sizeof h.variant);
  h.own_crc = own_crc(h);
  std::string out(reinterpret_cast<const char *>(&h), sizeof h);
  out.append(kKeyMark).append(key).append("\n");
  return out;
}

CacheParsed cache_file_parse(Str bytes, uint64_t size, Str key, size_t most_head, CacheMeta &meta) {
  FileHead h;
  size_t prefix = cache_file_prefix(key);
  if (bytes.size() < sizeof h) return CacheParsed::too_small;
  memcpy(static_cast<void *>(&h), bytes.data(), sizeof h);
  if (h.magic != kMagic || h.version != kVersion) return CacheParsed::wrong_version;
  if (h.own_crc != own_crc(h)) return CacheParsed::damaged;
  if (h.key_crc != crc32_of(key) || h.header_start != prefix) return CacheParsed::collision;
  if (bytes.size() < prefix) return CacheParsed::too_small;
  Str named = bytes.substr(sizeof h, prefix - sizeof h);
  if (!named.starts_with(kKeyMark) || named.substr(kKeyMark.size(), key.size()) != key || named.back() != '\n')
    return CacheParsed::collision;
  if (h.body_start < prefix || h.body_start - prefix > most_head) return CacheParsed::long_header;
  if (h.vary_len > kCacheMostVary || h.etag_len > kCacheMostEtag) return CacheParsed::bad_vary;
  if (bytes.size() < h.body_start || size - h.body_start != h.body_bytes) return CacheParsed::damaged;
  if (crc32_of(bytes.substr(prefix, h.body_start - prefix)) != h.head_crc) return CacheParsed::damaged;
  meta.valid_s = h.valid_s;
  meta.updating_s = h.updating_s;
  meta.error_s = h.error_s;
  meta.last_modified = h.last_modified;
  meta.date = h.date;
  meta.body_bytes = h.body_bytes;
  meta.header_start = h.header_start;
  meta.body_start = h.body_start;
  meta.head_crc = h.head_crc;
  meta.etag = bytes.substr(offsetof(FileHead, etag), h.etag_len);
  meta.vary = bytes.substr(offsetof(FileHead, vary), h.vary_len);
  memcpy(meta.variant, h.variant, sizeof h.variant);
  return CacheParsed::good;
}

const char *cache_file_problem(CacheParsed why) {
  switch (why) {
    case CacheParsed::too_small: return "is too small";
    case CacheParsed::wrong_version: return "version mismatch";
    case CacheParsed::collision: return "has md5 collision";
    case CacheParsed::long_header: return "has too long header";
    case CacheParsed::bad_vary: return "has incorrect vary length";
    default: return "is damaged";
  }
}

// --- names -----------------------------------------------------------------------------------------------------------

std::string cache_file_path(Str folder, const uint8_t (&levels)[3], const unsigned char (&key)[kCacheKeySize]) {
  char name[2 * kCacheKeySize];
  hex_put(name, key, kCacheKeySize);
  std::string path(folder);
  size_t end = sizeof name;
  for (uint8_t digits : levels) {
    if (digits == 0) break;
    end -= digits;
    path.append("/").append(name + end, digits);
  }
  return path.append("/").append(name, sizeof name);
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cache_file_key(Str name, unsigned char (&key)[kCacheKeySize]) {
  if (name.size() != 2 * kCacheKeySize) return false;
  for (size_t i = 0; i < kCacheKeySize; ++i) {
    int high = hex_digit(name[2 * i]), low = hex_digit(name[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    key[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return true;
}

bool cache_file_is_temporary(Str name) {
  constexpr size_t kDigits = 10;
  if (name.size() != 2 * kCacheKeySize + 1 + kDigits || name[2 * kCacheKeySize] != '.') return false;
  for (char c : name.substr(2 * kCacheKeySize + 1))
    if (c < '0' || c > '9') return false;
  unsigned char key[kCacheKeySize];
  return cache_file_key(name.substr(0, 2 * kCacheKeySize), key);
}

}  // namespace mw
