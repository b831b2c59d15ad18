// SPDX-License-Identifier: MIT
// http/cache_file: what is written is read back; what is not a file of the key, or no longer whole, is told apart.
#include "http/cache_file.h"

#include "base/crc32.h"
#include "base/digest.h"
#include "check.h"

using namespace mw;

namespace {

constexpr Str kKey = "http://127.0.0.1/a", kHead = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";
constexpr size_t kMostHead = 4096;

CacheMeta good_meta() {
  CacheMeta meta;
  meta.valid_s = 1234567890123;
  meta.updating_s = 5;
  meta.error_s = 6;
  meta.last_modified = 77;
  meta.date = 88;
  meta.body_bytes = 4;
  meta.body_start = static_cast<uint32_t>(cache_file_prefix(kKey) + kHead.size());
  meta.head_crc = crc32_of(kHead);
  meta.etag = "W/\"tag\"";
  meta.vary = "Accept, X";
  meta.variant[3] = 9;
  return meta;
}

std::string file_of(const CacheMeta &meta) { return cache_file_head(meta, kKey).append(kHead).append("body"); }

CacheParsed parse(Str bytes, Str key = kKey, size_t most = kMostHead) {
  CacheMeta meta;
  return cache_file_parse(bytes, bytes.size(), key, most, meta);
}

}  // namespace

TEST(http_cache_file_is_read_back) {
  std::string bytes = file_of(good_meta());
  CacheMeta m;
  CHECK(cache_file_parse(bytes, bytes.size(), kKey, kMostHead, m) == CacheParsed::good);
  CHECK_EQ(m.valid_s, 1234567890123);
  CHECK_EQ(m.updating_s, 5);
  CHECK_EQ(m.error_s, 6);
  CHECK_EQ(m.last_modified, 77);
  CHECK_EQ(m.date, 88);
  CHECK_EQ(m.body_bytes, 4u);
  CHECK_EQ(m.etag, "W/\"tag\"");
  CHECK_EQ(m.vary, "Accept, X");
  CHECK_EQ(m.variant[3], 9);
  CHECK_EQ(bytes.substr(m.header_start, m.body_start - m.header_start), kHead);
  // The body need not be among the bytes that are read.
  CHECK(cache_file_parse(Str(bytes).substr(0, m.body_start), bytes.size(), kKey, kMostHead, m) == CacheParsed::good);
}

TEST(http_cache_file_every_cut_and_every_flipped_bit_is_noticed) {
  std::string bytes = file_of(good_meta());
  for (size_t n = 0; n < bytes.size(); ++n) CHECK(parse(Str(bytes).substr(0, n)) != CacheParsed::good);
  CHECK(parse(bytes + "x") != CacheParsed::good);
  size_t body = bytes.size() - 4;
  for (size_t i = 0; i < body; ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    CHECK(parse(changed) != CacheParsed::good);
  }
}

TEST(http_cache_file_says_what_is_wrong) {
  std::string bytes = file_of(good_meta());
  CHECK(parse("") == CacheParsed::too_small);
  CHECK(parse(bytes, "http://127.0.0.1/b") == CacheParsed::collision);
  CHECK(parse(bytes, "longer than the key that it has") == CacheParsed::collision);
  CHECK(parse(bytes, kKey, kHead.size() - 1) == CacheParsed::long_header);
  CHECK(parse(std::string(bytes.size(), '\0')) == CacheParsed::wrong_version);
  CHECK_EQ(std::string(cache_file_problem(CacheParsed::collision)), "has md5 collision");
}

TEST(http_cache_file_names) {
  unsigned char key[kCacheKeySize], back[kCacheKeySize];
  digest_md5("x", key);
  const uint8_t levels[3] = {1, 2, 0}, none[3] = {0, 0, 0};
  std::string path = cache_file_path("/c", levels, key), flat = cache_file_path("/c", none, key);
  CHECK_EQ(path, "/c/6/7a/9dd4e461268c8034f5c8564e155c67a6");
  CHECK_EQ(flat, "/c/9dd4e461268c8034f5c8564e155c67a6");
  std::string name = flat.substr(3);
  CHECK(cache_file_key(name, back));
  CHECK(memcmp(key, back, sizeof key) == 0);
  CHECK(!cache_file_key("9dd4e461268c8034f5c8564e155c67aG", back));
  CHECK(!cache_file_key("9dd4", back));
  CHECK(cache_file_is_temporary(name + ".0123456789"));
  CHECK(!cache_file_is_temporary(name));
  CHECK(!cache_file_is_temporary(name + ".012345678x"));
}
