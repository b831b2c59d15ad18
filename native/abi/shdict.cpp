// SPDX-License-Identifier: MIT
// ngx.shared.DICT for the Lua half: a thin door to shm/dict.h that adds the worker's cached clock and maps statuses.
// Worker threads only. A mw_shdict_t is a ShmDict that the server owns; it outlives every VM that knows it.
#include "abi/abi.h"
#include "shm/dict.h"

using namespace mw;

namespace {

ShmDict &dict_of(mw_shdict_t *dict) { return *reinterpret_cast<ShmDict *>(dict); }
uint64_t now_ms() { return abi_worker ? static_cast<uint64_t>(abi_worker->now_ms) : 0; }
uint64_t at_most(int64_t max) { return max > 0 ? static_cast<uint64_t>(max) : 0; }

/// Anything that is no sensible time (negative, NaN, endless) means "for ever", as the cast to long does in OpenResty.
uint64_t ttl_of(double ms) { return ms >= 1 && ms < 9e15 ? static_cast<uint64_t>(ms) : 0; }

int32_t status_of(ShmStatus status) {
  switch (status) {
    case ShmStatus::ok: return MW_OK;
    case ShmStatus::not_found: return MW_NOT_FOUND;
    case ShmStatus::exists: return MW_EXISTS;
    case ShmStatus::no_memory: return MW_NO_MEMORY;
    case ShmStatus::not_number: return MW_SHDICT_NOT_NUMBER;
    case ShmStatus::not_list: return MW_SHDICT_NOT_LIST;
    case ShmStatus::is_list: return MW_SHDICT_IS_LIST;
    case ShmStatus::too_small: return MW_TOO_SMALL;
  }
  return MW_ERROR;
}

int32_t give(ShmStatus status, const ShmOutput &from, mw_shdict_value_t *out) {
  out->num = from.num;
  out->size = static_cast<uint32_t>(from.size);
  out->flags = from.flags;
  out->type = static_cast<uint8_t>(from.type);
  out->stale = from.stale;
  return status_of(status);
}

ShmInput input_of(int32_t type, const char *str, size_t str_len, double num) {
  return {static_cast<ShmType>(type), num, Str(str, str_len)};
}

}  // namespace

extern "C" {

MW_EXPORT
int32_t mw_shdict_get(mw_shdict_t *dict, const char *key, size_t key_len, int32_t stale, char *buf, size_t cap,
                      mw_shdict_value_t *out) {
  ShmOutput value;
  ShmStatus status = shm_dict_get(dict_of(dict), Str(key, key_len), stale != 0, now_ms(), buf, cap, value);
  return give(status, value, out);
}

MW_EXPORT
int32_t mw_shdict_store(mw_shdict_t *dict, int32_t op, const char *key, size_t key_len, int32_t type, const char *str,
                        size_t str_len, double num, double ttl_ms, uint32_t flags, mw_shdict_value_t *out) {
  bool forcible = false;
  auto kind = static_cast<ShmStore>(op & (MW_SHDICT_ADD | MW_SHDICT_REPLACE));
  ShmStatus status = shm_dict_store(dict_of(dict), kind, (op & MW_SHDICT_SAFE) != 0, Str(key, key_len),
                                    input_of(type, str, str_len, num), ttl_of(ttl_ms), flags, now_ms(), forcible);
  out->forcible = forcible;
  return status_of(status);
}

MW_EXPORT
int32_t mw_shdict_incr(mw_shdict_t *dict, const char *key, size_t key_len, double step, int32_t has_init, double init,
                       double init_ttl_ms, mw_shdict_value_t *out) {
  bool forcible = false;
  ShmStatus status = shm_dict_incr(dict_of(dict), Str(key, key_len), step, has_init ? &init : nullptr,
                                   ttl_of(init_ttl_ms), now_ms(), out->num, forcible);
  out->forcible = forcible;
  return status_of(status);
}

MW_EXPORT
int32_t mw_shdict_push(mw_shdict_t *dict, int32_t right, const char *key, size_t key_len, int32_t type, const char *str,
                       size_t str_len, double num, mw_shdict_value_t *out) {
  uint64_t length = 0;
  ShmStatus status = shm_dict_push(dict_of(dict), right ? ShmEnd::right : ShmEnd::left, Str(key, key_len),
                                   input_of(type, str, str_len, num), now_ms(), length);
  out->num = static_cast<double>(length);
  return status_of(status);
}

MW_EXPORT
int32_t mw_shdict_pop(mw_shdict_t *dict, int32_t right, const char *key, size_t key_len, char *buf, size_t cap,
                      mw_shdict_value_t *out) {
  ShmOutput value;
  ShmStatus status =
      shm_dict_pop(dict_of(dict), right ? ShmEnd::right : ShmEnd::left, Str(key, key_len), now_ms(), buf, cap, value);
  return give(status, value, out);
}

MW_EXPORT
int32_t mw_shdict_len(mw_shdict_t *dict, const char *key, size_t key_len, mw_shdict_value_t *out) {
  uint64_t length = 0;
  ShmStatus status = shm_dict_len(dict_of(dict), Str(key, key_len), now_ms(), length);
  out->num = static_cast<double>(length);
  return status_of(status);
}

MW_EXPORT
int32_t mw_shdict_ttl(mw_shdict_t *dict, const char *key, size_t key_len, mw_shdict_value_t *out) {
  uint64_t left = 0;
  ShmStatus status = shm_dict_ttl(dict_of(dict), Str(key, key_len), now_ms(), left);
  out->num = static_cast<double>(left);
  return status_of(status);
}

MW_EXPORT
int32_t mw_shdict_expire(mw_shdict_t *dict, const char *key, size_t key_len, double ttl_ms) {
  return status_of(shm_dict_expire(dict_of(dict), Str(key, key_len), ttl_of(ttl_ms), now_ms()));
}

MW_EXPORT
int32_t mw_shdict_flush_all(mw_shdict_t *dict) {
  shm_dict_flush_all(dict_of(dict), now_ms());
  return MW_OK;
}

MW_EXPORT
int64_t mw_shdict_flush_expired(mw_shdict_t *dict, int64_t max) {
  return static_cast<int64_t>(shm_dict_flush_expired(dict_of(dict), at_most(max), now_ms()));
}

MW_EXPORT
int64_t mw_shdict_keys(mw_shdict_t *dict, int64_t max, char *buf, size_t cap, mw_shdict_value_t *out) {
  uint64_t count = 0;
  uint64_t bytes = shm_dict_keys(dict_of(dict), at_most(max), now_ms(), buf, cap, count);
  out->num = static_cast<double>(count);
  return static_cast<int64_t>(bytes);
}

MW_EXPORT
int64_t mw_shdict_capacity(mw_shdict_t *dict) { return static_cast<int64_t>(shm_dict_capacity(dict_of(dict))); }

MW_EXPORT
int64_t mw_shdict_free_space(mw_shdict_t *dict) { return static_cast<int64_t>(shm_dict_free_space(dict_of(dict))); }

MW_EXPORT
int64_t mw_shdict_entries(mw_shdict_t *dict) { return static_cast<int64_t>(shm_dict_stats(dict_of(dict)).entries); }

}  // extern "C"
