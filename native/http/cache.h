// SPDX-License-Identifier: MIT
// The response cache as one request sees it: its key, its entry in the zone, the file it reads, the file it writes. Which
// requests use it, and what of a reply may be kept, is upstream_cache.h's. A Cache lives in its request's arena; what it holds
// (entry, descriptors, a temporary file) is given back by cache_free(), or when the request is freed. Worker's thread.
#pragma once
#include "http/cache_file.h"
#include "http/request.h"
#include "shm/cache.h"

namespace mw {

/// What opening came to.
enum class CacheOpened : uint8_t {
  hit,
  stale,     ///< there is a file, no longer fresh, and this request has its update
  updating,  ///< the same, and another request has
  miss,      ///< to be fetched and stored
  scarce,    ///< to be fetched, not to be stored
  waiting,   ///< another request fetches it: `wake` is called
  error,     ///< a status is cached (Cache::error)
  failed     ///< logged
};

struct Cache {
  Request *r = nullptr;
  const CachePath *conf = nullptr;
  ShmDict *zone = nullptr;
  // set before the first cache_open()
  Str key;
  uint32_t min_uses = 1;
  size_t most_head = 0;  ///< bytes of a reply's head
  bool has_lock = false;
  uint64_t lock_timeout = 0, lock_age = 0;
  void (*wake)(Cache *c) = nullptr;
  void *owner = nullptr;
  // of the entry
  unsigned char id[kCacheKeySize];    ///< by which it is kept: the main key's, or a variant's
  unsigned char main[kCacheKeySize];  ///< the MD5 of `key`
  int32_t error = 0;                  ///< a cached status; or, before cache_free(), one to be cached until meta.valid_s
  uint64_t lock_ms = 0;               ///< while is_updating
  bool is_entered = false, exists = false, is_updating = false, is_updated = false;
  bool is_secondary = false;  ///< `id` is a variant's
  bool is_waiting = false;
  bool is_kept = false;  ///< until the request is freed: a subrequest may take over its update
  uint64_t wait_until = 0;
  Timer timer;
  // of the file
  CacheMeta meta;
  Str path;
  int fd = -1;                          ///< of the file that is read
  Str head;                             ///< the reply's head in it
  bool may_be_stale = false;            ///< stale-while-revalidate holds
  bool may_be_stale_for_error = false;  ///< stale-if-error holds
  // of the file that is written
  int temp_fd = -1;
  Str temp_path;
  uint64_t temp_size = 0;  ///< of the file
  Chain unwritten;         ///< of the body, behind it
  Str reply_head;          ///< kept to sum it up
};

/// A cache for `key` (borrowed) in the zone of index `path`.
Cache *cache_create(Request *r, int32_t path, Str key);
/// Looks the entry up and opens its file. May be called again after `wake`.
CacheOpened cache_open(Cache *c);
/// Creates the entry for a request that did not look: what it fetches is to be stored.
bool cache_enter_unasked(Cache *c);
/// Begins to write a file: `head` is the reply's as sent; meta's times, vary and etag hold. False when it cannot be stored.
bool cache_write_head(Cache *c, Str head);
/// More of the body. A failure ends the writing.
void cache_write(Cache *c, Str data);
/// The body is complete: the file takes its place.
void cache_store(Cache *c);
/// The file that was opened is still good: meta's times are written into it.
void cache_refresh(Cache *c);
/// Lets go of all; what was being written is thrown away.
void cache_free(Cache *c);
/// Closes the file that was opened, or hands it over.
void cache_close(Cache *c);
int cache_take_file(Cache *c);

/// Removes the file that a zone's entry stood for; a missing one is no error. Any thread.
void cache_unlink(const CachePath &conf, const unsigned char (&id)[kCacheKeySize], const Log &log);

}  // namespace mw
