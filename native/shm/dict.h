// SPDX-License-Identifier: MIT
// The shared dictionary (ngx.shared.DICT): string keys to booleans, numbers, strings and lists, with expiry and LRU
// eviction, inside one shared memory region addressed by offsets. Any thread, and any process that maps the region: every
// call takes the region's lock. The server owns the handles, which outlive generations of workers; the region dies with
// its last mapping. `now_ms` is the caller's cached wall clock in milliseconds. Keys are 1 to 65535 bytes (not checked).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/str.h"

namespace mw {

struct ShmDict;  ///< one mapping of one dictionary
using ShmDictRef = std::shared_ptr<ShmDict>;

inline constexpr uint64_t kShmDictMinSize = 3 * 4096;

enum class ShmStatus : uint8_t {
  ok,
  not_found,
  exists,
  no_memory,
  not_number,  ///< incr of something else
  not_list,    ///< a list call on something else
  is_list,     ///< get of a list
  too_small,   ///< the caller's buffer does not hold the value; the size it needs is in the result
};

/// Values as lua-nginx-module numbers them.
enum class ShmType : uint8_t { nil = 0, boolean = 1, number = 3, string = 4, list = 5 };

/// A value going in. Borrowed.
struct ShmInput {
  ShmType type = ShmType::nil;
  double num = 0;  ///< number; boolean as 0 or 1
  Str str;
};

/// A value coming out; a string's bytes go to the caller's buffer.
struct ShmOutput {
  ShmType type = ShmType::nil;
  bool stale = false;  ///< only from stale reads: the entry has expired
  uint32_t flags = 0;
  double num = 0;
  uint64_t size = 0;  ///< a string's length, also when it did not fit
};

enum class ShmStore : uint8_t { set = 0, add = 1, replace = 2 };
enum class ShmEnd : uint8_t { left, right };

/// Creates an empty dictionary. Null with `error` (nginx's wording) when the size is below kShmDictMinSize or memory fails.
ShmDictRef shm_dict_create(Str name, uint64_t size, std::string &error);
/// A second mapping of the same dictionary, as another process would make it; null when it has no file or mmap fails.
ShmDictRef shm_dict_attach(int fd);
/// The one of `have` with that name and size, else a new one: what a reload does.
ShmDictRef shm_dict_obtain(const std::vector<ShmDictRef> &have, Str name, uint64_t size, std::string &error);
/// The dictionary's name.
Str shm_dict_name(const ShmDict &dict);
/// The memory file behind the region, -1 when there is none. Owned by the handle.
int shm_dict_fd(const ShmDict &dict);

/// Reads a value. With `stale`, an expired entry is returned too (result.stale), otherwise it is not_found.
ShmStatus shm_dict_get(ShmDict &dict, Str key, bool stale, uint64_t now_ms, char *buf, uint64_t cap, ShmOutput &out);
/// Stores a value; nil (set only) deletes. ttl_ms 0 = for ever. `safe` never evicts entries that are still valid; otherwise
/// least recently used ones make room, which sets `forcible`. Results: ok, exists, not_found, no_memory.
ShmStatus shm_dict_store(ShmDict &dict, ShmStore op, bool safe, Str key, const ShmInput &value, uint64_t ttl_ms,
                         uint32_t flags, uint64_t now_ms, bool &forcible);
/// Adds `step` to a number. A missing key is not_found, or becomes *init + step living init_ttl_ms when init is not null.
ShmStatus shm_dict_incr(ShmDict &dict, Str key, double step, const double *init, uint64_t init_ttl_ms, uint64_t now_ms,
                        double &result, bool &forcible);

/// Pushes a number or a string to a list, creating it; never evicts valid entries. `length` receives the new length.
ShmStatus shm_dict_push(ShmDict &dict, ShmEnd end, Str key, const ShmInput &value, uint64_t now_ms, uint64_t &length);
/// Pops an element; a list that becomes empty is deleted. Nothing is removed when the buffer is too_small.
ShmStatus shm_dict_pop(ShmDict &dict, ShmEnd end, Str key, uint64_t now_ms, char *buf, uint64_t cap, ShmOutput &out);
/// Length of a list, 0 when there is none.
ShmStatus shm_dict_len(ShmDict &dict, Str key, uint64_t now_ms, uint64_t &length);

/// Milliseconds left, 0 when it never expires; not_found when missing or expired.
ShmStatus shm_dict_ttl(ShmDict &dict, Str key, uint64_t now_ms, uint64_t &left_ms);
/// Changes the time left; 0 = for ever. An expired entry that is still stored lives again, as in lua-nginx-module.
ShmStatus shm_dict_expire(ShmDict &dict, Str key, uint64_t ttl_ms, uint64_t now_ms);
/// Marks every entry expired.
void shm_dict_flush_all(ShmDict &dict, uint64_t now_ms);
/// Frees expired entries, at most `max` (0 = all). Returns how many.
uint64_t shm_dict_flush_expired(ShmDict &dict, uint64_t max, uint64_t now_ms);
/// Writes up to `max` valid keys (0 = all), least recently used first, as u32 length + bytes each. Returns the bytes that
/// all of them take: when that exceeds `cap`, only those that fit are written. `count` receives the keys written.
uint64_t shm_dict_keys(ShmDict &dict, uint64_t max, uint64_t now_ms, char *buf, uint64_t cap, uint64_t &count);
/// The size it was created with.
uint64_t shm_dict_capacity(const ShmDict &dict);
/// Bytes in wholly free pages.
uint64_t shm_dict_free_space(ShmDict &dict);

/// Counters since creation.
struct ShmStats {
  uint64_t entries, evicted, expired, recovered, reset;
};
ShmStats shm_dict_stats(ShmDict &dict);
/// Checks the whole structure under the lock; for tests and for recovery.
bool shm_dict_verify(ShmDict &dict);
/// For tests: takes the lock and keeps it, in the middle of a write when `writing`; the caller then dies.
void shm_dict_seize(ShmDict &dict, bool writing);

}  // namespace mw
