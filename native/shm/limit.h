// SPDX-License-Identifier: MIT
// The zones of limit_req and limit_conn: shared dictionaries whose values are counts by key. Any thread of any process that
// maps the region. Keys are 1 to 65535 bytes (not checked); `now_ms` is the wall clock.
#pragma once
#include "shm/dict.h"

namespace mw {

/// One request of `key` against `rate` (requests per second, in thousandths) with a bucket of `burst` (requests, in
/// thousandths): the leaky bucket of nginx's limit_req. `excess` receives what is in the bucket, in thousandths. With
/// `account` the request is put in. Results: ok; exists: too much; no_memory: no room for the key.
ShmStatus shm_limit_rate(ShmDict &zone, Str key, uint64_t rate, uint64_t burst, bool account, uint64_t now_ms,
                         uint64_t &excess);

/// One more connection of `key`, where `most` are allowed. Results: ok; exists: too many; no_memory.
ShmStatus shm_limit_enter(ShmDict &zone, Str key, uint32_t most, uint64_t now_ms);
/// The end of one that entered.
void shm_limit_leave(ShmDict &zone, Str key, uint64_t now_ms);

}  // namespace mw
