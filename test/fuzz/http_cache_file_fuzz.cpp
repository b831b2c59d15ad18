// SPDX-License-Identifier: MIT
// Files of the response cache that others have written to: whatever the bytes are, what is believed of them lies inside them.
// Half of the inputs are laid over a good file, so that the checks behind the sums are reached too.
#include "http/cache_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"

using namespace mw;

static constexpr Str kKey = "http://127.0.0.1/a", kHead = "HTTP/1.1 200 OK\r\n\r\n";
static constexpr size_t kMostHead = 4096;

static std::string good_file() {
  CacheMeta meta;
  meta.valid_s = 1;
  meta.vary = "Accept";
  meta.etag = "\"x\"";
  meta.head_crc = crc32_of(kHead);
  meta.body_start = static_cast<uint32_t>(cache_file_prefix(kKey) + kHead.size());
  meta.body_bytes = 4;
  return cache_file_head(meta, kKey).append(kHead).append("body");
}

static bool is_inside(Str s, Str all) {
  return s.empty() || (s.data() >= all.data() && s.data() + s.size() <= all.data() + all.size());
}

static void check(Str bytes, uint64_t size) {
  CacheMeta meta;
  if (cache_file_parse(bytes, size, kKey, kMostHead, meta) != CacheParsed::good) return;
  if (meta.header_start != cache_file_prefix(kKey) || meta.body_start < meta.header_start) abort();
  if (meta.body_start > bytes.size() || meta.body_start + meta.body_bytes != size) abort();
  if (!is_inside(meta.etag, bytes) || !is_inside(meta.vary, bytes)) abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Str bytes(reinterpret_cast<const char *>(data), size);
  check(bytes, size);
  if (size > 2) check(bytes, size + data[0] * 257u);
  static const std::string good = good_file();
  std::string changed = good;
  for (size_t i = 0; i + 2 < size; i += 3)
    changed[(data[i] * 256u + data[i + 1]) % changed.size()] ^= static_cast<char>(data[i + 2]);
  if (size) changed.resize(changed.size() - data[size - 1] % 8);
  check(changed, changed.size());
  unsigned char key[kCacheKeySize];
  cache_file_key(bytes, key);
  cache_file_is_temporary(bytes);
  return 0;
}
