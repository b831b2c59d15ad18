// SPDX-License-Identifier: MIT
// A file of the response cache: a head of ours, the key, the reply's head as the upstream sent it, the body. Here are its
// bytes and its name; pure functions, any thread. Files come from a disk that others may have written to: every field is
// checked before it is believed.
#pragma once
#include <string>

#include "base/str.h"
#include "shm/cache.h"

namespace mw {

constexpr size_t kCacheMostVary = 128;  ///< longest Vary that is cached, and longest entity tag, as in nginx
constexpr size_t kCacheMostEtag = 128;

/// What a file says of itself. Times in seconds of the wall clock.
struct CacheMeta {
  int64_t valid_s = 0, updating_s = 0, error_s = 0;  ///< fresh until; for so much longer it may be used stale
  int64_t last_modified = -1, date = 0;
  uint64_t body_bytes = 0;
  uint32_t header_start = 0, body_start = 0;  ///< of the reply's head and body in the file
  uint32_t head_crc = 0;                      ///< of the reply's head
  Str etag, vary;                             ///< borrowed
  unsigned char variant[kCacheKeySize] = {};  ///< the hash of the request headers that `vary` names
};

enum class CacheParsed : uint8_t { good, too_small, wrong_version, collision, long_header, bad_vary, damaged };

/// Bytes before the reply's head of a file with such a key.
size_t cache_file_prefix(Str key);
/// Those bytes.
std::string cache_file_head(const CacheMeta &meta, Str key);
/// Reads the beginning of a file of `size` bytes, of which `bytes` are the first. A reply's head of up to `most_head` bytes is
/// believed, and must be in `bytes`. `meta` borrows from `bytes`.
CacheParsed cache_file_parse(Str bytes, uint64_t size, Str key, size_t most_head, CacheMeta &meta);
/// What nginx's log says of a file that is not good: "too small" and so on.
const char *cache_file_problem(CacheParsed why);

/// "PATH/c/29/b7f5...029c", by levels of 1 or 2 digits each (0: none more).
std::string cache_file_path(Str folder, const uint8_t (&levels)[3], const unsigned char (&key)[kCacheKeySize]);
/// The key that the last part of a path stands for. False when it is no such name.
bool cache_file_key(Str name, unsigned char (&key)[kCacheKeySize]);
/// The name is a temporary file's: that of a cached one, a dot and ten digits.
bool cache_file_is_temporary(Str name);

}  // namespace mw
