// SPDX-License-Identifier: MIT
// See upstream_cache.h.
#include "http/upstream_cache.h"

#include <algorithm>

#include "base/http_time.h"
#include "http/phase.h"
#include "http/subrequest.h"
#include "http/variable.h"

namespace mw {

/// Bits of proxy_ignore_headers.
enum IgnoreCacheHeader : uint32_t {
  kIgnoreAccelExpires = 0x4,
  kIgnoreExpires = 0x8,
  kIgnoreCacheControl = 0x10,
  kIgnoreSetCookie = 0x20,
  kIgnoreVary = 0x800
};

/// What a cached file's head and key need in nginx's proxy_buffer_size beside the key.
static constexpr size_t kHeadRoom = 256;

static int64_t now_s(const Upstream *u) { return u->r->core->loop->wall_ms() / 1000; }

// --- the request -----------------------------------------------------------------------------------------------------

/// The zone of proxy_cache; -1: none ("off"), -2: no such zone, logged.
static int32_t find_path(Upstream *u) {
  if (u->conf->cache_path >= 0) return u->conf->cache_path;
  Str name = complex_value(u->r, u->conf->cache);
  if (name.empty() || name == "off") return -1;
  const std::vector<CachePath> &paths = u->r->plan->cache_paths;
  for (size_t i = 0; i < paths.size(); ++i)
    if (paths[i].name == name) return static_cast<int32_t>(i);
  log_write(u->r->log(), kLogError, 0, &u->r->log_ctx, "cache \"%.*s\" not found", static_cast<int>(name.size()),
            name.data());
  return -2;
}

/// proxy_cache_bypass, proxy_no_cache: some text is neither empty nor "0".
static bool is_any_set(Request *r, const std::vector<ComplexValue> &values) {
  for (const ComplexValue &v : values)
    if (Str text = complex_value(r, v); !text.empty() && text != "0") return true;
  return false;
}

/// kOk with u->cache, or kDeclined without, or kError.
static Rc create(Upstream *u) {
  Request *r = u->r;
  if (!(r->method_id & u->conf->cache_methods)) return kDeclined;
  int32_t path = find_path(u);
  if (path < 0) return path == -1 ? static_cast<Rc>(kDeclined) : static_cast<Rc>(kError);
  if (r->method_id == kMethodHead && u->conf->cache_convert_head) u->is_head_as_get = true;
  Str key = u->conf->has_cache_key ? complex_value(r, u->conf->cache_key) : u->module->cache_key(u);
  size_t prefix = cache_file_prefix(key);
  if (key.size() + kHeadRoom > u->conf->buffer_size) {
    log_write(r->log(), kLogError, 0, &r->log_ctx,
              "proxy_buffer_size %zu is not enough for cache key, it should be increased to at least %zu",
              static_cast<size_t>(u->conf->buffer_size), (prefix + kHeadRoom + 1023) / 1024 * 1024);
    return kDeclined;
  }
  Cache *c = u->cache = cache_create(r, path, r->arena.dup(key));
  c->min_uses = u->conf->cache_min_uses;
  c->most_head = u->conf->buffer_size;
  c->has_lock = u->conf->cache_lock;
  c->lock_timeout = u->conf->cache_lock_timeout;
  c->lock_age = u->conf->cache_lock_age;
  c->owner = u;
  u->is_cacheable = true;
  u->cache_status = CacheStatus::miss;
  return kOk;
}

/// proxy_cache_max_range_offset: a range that begins beyond it goes to the server, and its reply is not kept.
static bool is_range_too_far(const Upstream *u) {
  int64_t limit = u->conf->cache_max_range_offset;
  Str range = request_header(u->r, "range");
  if (limit < 0 || !range.data()) return false;
  if (limit == 0) return true;
  if (range.size() < 7 || !str_istarts(range, "bytes=")) return false;
  range.remove_prefix(6);
  while (!range.empty() && range[0] == ' ') range.remove_prefix(1);
  if (!range.empty() && range[0] == '-') return true;
  size_t digits = 0;
  while (digits < range.size() && range[digits] >= '0' && range[digits] <= '9') ++digits;
  uint64_t first;
  if (!str_to_u64(range.substr(0, digits), first)) return digits > 0;
  return first >= static_cast<uint64_t>(limit);
}

/// A file that has expired will be replaced: what its head said of times is over.
static Rc fetch_expired(Upstream *u) {
  Cache *c = u->cache;
  c->meta.valid_s = c->meta.updating_s = c->meta.error_s = 0;
  u->cache_status = CacheStatus::expired;
  return kDeclined;
}

static bool may_use_while_updating(const Upstream *u) {
  return (u->conf->cache_use_stale & kFailUpdating) || u->cache->may_be_stale;
}

/// In the background: the update that the main request has begun is this one's from here.
static void take_over(Upstream *u) {
  Cache *c = u->cache, *from = u->background_of ? u->background_of->cache : nullptr;
  if (!from || !from->is_updating || memcmp(from->id, c->id, sizeof c->id) != 0) return;
  c->is_updating = true;
  c->lock_ms = from->lock_ms;
  from->is_updating = false;
}

static Rc opened(Upstream *u, CacheOpened how) {
  Cache *c = u->cache;
  switch (how) {
    case CacheOpened::hit: u->cache_status = CacheStatus::hit; return kOk;
    case CacheOpened::stale:
      if (!u->is_background && u->conf->cache_background_update && may_use_while_updating(u)) {
        if (!upstream_cache_update_in_background(u)) return kError;
        u->cache_status = CacheStatus::stale;
        return kOk;
      }
      return fetch_expired(u);
    case CacheOpened::updating:
      take_over(u);
      if (!u->is_background && may_use_while_updating(u)) {
        u->cache_status = CacheStatus::updating;
        return kOk;
      }
      return fetch_expired(u);
    case CacheOpened::miss: return kDeclined;
    case CacheOpened::scarce: u->is_cacheable = false; return kDeclined;
    case CacheOpened::waiting: return kAgain;
    case CacheOpened::error: u->cache_status = CacheStatus::hit; return c->error;
    case CacheOpened::failed: return kError;
  }
  return kError;
}

Rc upstream_cache_look(Upstream *u, void (*wake)(Cache *c)) {
  if (!u->cache) {
    Rc rc = create(u);
    if (rc != kOk) return rc;
    u->cache->wake = wake;
    if (is_any_set(u->r, u->conf->cache_bypass)) {
      u->cache_status = CacheStatus::bypass;
      if (is_range_too_far(u)) u->is_cacheable = false;
      return kDeclined;
    }
  }
  Rc rc = opened(u, cache_open(u->cache));
  if (rc == kDeclined && is_range_too_far(u)) u->is_cacheable = false;
  return rc;
}

// --- the reply -------------------------------------------------------------------------------------------------------

/// The number behind `name=` in a Cache-Control. -1: not there, -2: no number.
static int64_t directive(Str text, Str name) {
  for (size_t at = 0; at + name.size() < text.size(); ++at) {
    if (!str_istarts(text.substr(at), name) || text[at + name.size()] != '=') continue;
    int64_t n = 0;
    for (size_t i = at + name.size() + 1; i < text.size(); ++i) {
      char c = text[i];
      if (c == ',' || c == ';' || c == ' ') break;
      if (c < '0' || c > '9') return -2;
      n = std::min<int64_t>(n * 10 + (c - '0'), INT32_MAX);
    }
    return n;
  }
  return -1;
}

static bool contains(Str text, Str word) {
  for (size_t at = 0; at + word.size() <= text.size(); ++at)
    if (str_istarts(text.substr(at), word)) return true;
  return false;
}

/// What the headers say of how long the reply is good. valid_s 0: nothing; -1: it is not to be kept.
struct Lifetime {
  int64_t valid_s = 0, updating_s = 0, error_s = 0;
};

static void read_cache_control(const Upstream *u, Str text, Lifetime &to) {
  if (contains(text, "no-cache") || contains(text, "no-store") || contains(text, "private")) {
    to.valid_s = -1;
    return;
  }
  int64_t age = directive(text, "s-maxage");
  if (age == -1) age = directive(text, "max-age");
  if (age == -2 || age == 0) {
    to.valid_s = -1;
    return;
  }
  if (age > 0) to.valid_s = now_s(u) + age;
  if (int64_t n = directive(text, "stale-while-revalidate"); n >= 0) to.updating_s = to.error_s = n;
  if (int64_t n = directive(text, "stale-if-error"); n >= 0) to.error_s = n;
}

/// X-Accel-Expires: seconds, or "@" and a time. False when it says nothing.
static bool read_accel_expires(const Upstream *u, Str text, int64_t &valid_s) {
  uint64_t n;
  bool is_time = !text.empty() && text[0] == '@';
  if (!str_to_u64(is_time ? text.substr(1) : text, n) || n > INT32_MAX) return false;
  valid_s = is_time ? static_cast<int64_t>(n) : n == 0 ? -1 : now_s(u) + static_cast<int64_t>(n);
  return true;
}

static Lifetime lifetime_of(const Upstream *u) {
  uint32_t ignored = u->conf->ignore_headers;
  Lifetime by_control, by_expires;
  int64_t accel = 0;
  bool has_accel = false;
  for (const HttpHeader &h : u->headers) {
    if (str_iequal(h.name, "x-accel-expires") && !(ignored & kIgnoreAccelExpires)) {
      has_accel = read_accel_expires(u, h.value, accel) || has_accel;
    } else if (str_iequal(h.name, "cache-control") && !(ignored & kIgnoreCacheControl)) {
      if (by_control.valid_s >= 0) read_cache_control(u, h.value, by_control);
    } else if (str_iequal(h.name, "expires") && !(ignored & kIgnoreExpires) && by_expires.valid_s == 0) {
      int64_t when;
      by_expires.valid_s = http_time_parse(h.value, when) && when >= now_s(u) ? when : -1;
    }
  }
  Lifetime l = by_control;
  if (has_accel)
    l.valid_s = accel;
  else if (l.valid_s == 0)
    l.valid_s = by_expires.valid_s;
  return l;
}

static Str vary_of(Upstream *u) {
  if (u->conf->ignore_headers & kIgnoreVary) return {};
  std::string all;
  for (const HttpHeader &h : u->headers)
    if (str_iequal(h.name, "vary")) all.append(all.empty() ? "" : ", ").append(h.value);
  return u->r->arena.dup(all);
}

void upstream_cache_judge(Upstream *u) {
  Cache *c = u->cache;
  if (!c) return;
  Lifetime l = lifetime_of(u);
  c->meta.valid_s = l.valid_s > 0 ? l.valid_s : 0;
  c->meta.updating_s = l.updating_s;
  c->meta.error_s = l.error_s;
  if (u->is_cached) return;
  Str vary = vary_of(u);
  if (l.valid_s < 0 || vary.size() > kCacheMostVary || vary == "*") u->is_cacheable = false;
  if (u->status != 304) c->meta.vary = vary;
  if (u->conf->ignore_headers & kIgnoreSetCookie) return;
  for (const HttpHeader &h : u->headers)
    if (str_iequal(h.name, "set-cookie")) u->is_cacheable = false;
}

/// proxy_cache_valid for this status, in seconds; 0: none.
static int64_t valid_for(const Upstream *u, int32_t status) {
  for (const CacheValid &v : u->conf->cache_valid)
    if (v.status == 0 || v.status == status) return static_cast<int64_t>(v.seconds);
  return 0;
}

bool upstream_cache_may_be_stale(const Upstream *u, uint32_t failure) {
  if (!u->cache || u->cache_status != CacheStatus::expired || u->is_background || u->cache->fd < 0) return false;
  uint32_t allowed = u->conf->cache_use_stale;
  if (allowed & kFailError) allowed |= kFailNoLive;
  return (allowed & failure) != 0;
}

bool upstream_cache_is_confirmed(const Upstream *u) {
  return u->cache && u->status == 304 && u->cache_status == CacheStatus::expired && u->conf->cache_revalidate &&
         u->cache->fd >= 0;
}

void upstream_cache_confirm(Upstream *u, const CacheMeta &said) {
  CacheMeta &m = u->cache->meta;  // it holds what the file's own head says now
  if (said.valid_s) {
    m.valid_s = said.valid_s;
    m.updating_s = said.updating_s;
    m.error_s = said.error_s;
  }
  if (!m.valid_s) {
    int64_t seconds = valid_for(u, u->status);
    if (seconds) m.valid_s = now_s(u) + seconds;
  }
  if (!m.valid_s) return;
  m.date = now_s(u);
  cache_refresh(u->cache);
}

static Str reply_header(const Upstream *u, Str name) {
  for (const HttpHeader &h : u->headers)
    if (str_iequal(h.name, name)) return h.value;
  return {};
}

/// Begins to store. False when the reply is not to be stored, or cannot be.
static bool begin_to_store(Upstream *u) {
  Cache *c = u->cache;
  if (!u->is_cacheable || (!u->is_buffered && !u->is_background) || is_any_set(u->r, u->conf->no_cache)) return false;
  if (!c->meta.valid_s) {
    int64_t seconds = valid_for(u, u->status);
    if (!seconds) return false;
    c->meta.valid_s = now_s(u) + seconds;
  }
  if (u->cache_status == CacheStatus::bypass && !cache_enter_unasked(c)) return false;
  c->meta.date = now_s(u);
  c->meta.last_modified = -1;
  c->meta.etag = {};
  if (u->status == 200 || u->status == 206) {
    int64_t when;
    if (http_time_parse(reply_header(u, "last-modified"), when)) c->meta.last_modified = when;
    c->meta.etag = reply_header(u, "etag");
  }
  return cache_write_head(c, {u->head, u->head_used});
}

void upstream_cache_keep(Upstream *u) {
  if (!u->cache) return;
  cache_close(u->cache);
  if (begin_to_store(u)) return;
  u->is_cacheable = false;
  u->cache->meta.valid_s = 0;
  u->cache->error = 0;
  cache_free(u->cache);
}

/// A status that is kept without a file.
static void keep_error(Upstream *u, int32_t status, int64_t valid_s) {
  if (!u->is_cacheable || !u->cache->is_entered || valid_s == 0) return;
  u->cache->error = status;
  u->cache->meta.valid_s = valid_s;
}

void upstream_cache_intercepted(Upstream *u) {
  if (!u->cache) return;
  int64_t valid_s = u->cache->meta.valid_s, seconds = valid_for(u, u->status);
  u->cache->meta.valid_s = 0;
  keep_error(u, u->status, valid_s ? valid_s : seconds ? now_s(u) + seconds : 0);
  cache_free(u->cache);
  u->is_cacheable = false;
}

void upstream_cache_end(Upstream *u, Rc rc) {
  Cache *c = u->cache;
  if (!c) return;
  if (rc == kOk && u->is_cacheable && !u->is_cached) {
    u->is_cacheable = false;
    return cache_store(c);
  }
  if (!u->is_cached) c->meta.valid_s = 0;
  int64_t seconds = (rc == 502 || rc == 504) && !u->is_head_done ? valid_for(u, rc) : 0;
  if (seconds && c->error == 0) keep_error(u, rc, now_s(u) + seconds);
  if (u->is_cached) c->error = 0;
  u->is_cacheable = false;
  cache_free(c);
}

static bool may_revalidate(const Upstream *u) {
  return u->conf->cache_revalidate && u->cache && u->cache_status == CacheStatus::expired && u->cache->fd >= 0;
}

Str upstream_cache_last_modified(const Upstream *u) {
  if (!may_revalidate(u) || u->cache->meta.last_modified < 0) return {};
  char text[HTTP_TIME_SIZE];
  http_time_format(u->cache->meta.last_modified, text);
  return u->r->arena.dup({text, sizeof text});
}

Str upstream_cache_etag(const Upstream *u) { return may_revalidate(u) ? u->cache->meta.etag : Str{}; }

// --- in the background -----------------------------------------------------------------------------------------------

static void on_background_end(Request *sub, void *) {
  Request *main = sub->main;
  subrequest_free(sub);
  --main->background;
  if (main->background == 0 && main->is_awaiting_background) request_finish(main);
}

bool upstream_cache_update_in_background(Upstream *u) {
  Request *r = u->r;
  Request *sub = subrequest_create(r, r->uri, r->args, Sink::memory);
  if (!sub) return false;
  sub->method = r->method;
  sub->method_id = r->method_id;
  sub->conf = r->conf;
  sub->location = r->location;
  sub->located_uri = sub->uri.data();
  sub->step = kStepContent;
  sub->background = 1;
  sub->captures = r->captures;
  sub->captures_n = r->captures_n;
  sub->capture_subject = r->capture_subject;
  subrequest_share_vars(sub);
  subrequest_set_body(sub, SubBody::forward);
  sub->sub_done = on_background_end;
  u->cache->is_kept = true;
  ++r->main->background;
  upstream_run_background(sub, u);
  return true;
}

}  // namespace mw
