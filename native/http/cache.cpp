// SPDX-License-Identifier: MIT
// See cache.h. The order of things, and what the log says, are nginx's; a temporary file always lies beside the one it will
// become, so that putting it in place is one rename.
#include "http/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/crc32.h"
#include "base/digest.h"

namespace mw {

static constexpr uint64_t kWaitMs = 100;       ///< how often one that waits looks whether the lock is free
static constexpr size_t kCollectBelow = 8192;  ///< bytes that do not go into the file at once

static Str id_of(const Cache *c) { return {reinterpret_cast<const char *>(c->id), kCacheKeySize}; }
static uint64_t now_ms(const Cache *c) { return c->r->core->loop->now_ms(); }
static int64_t now_s(const Cache *c) { return c->r->core->loop->wall_ms() / 1000; }
static uint32_t expire_s(const Cache *c) {
  return static_cast<uint32_t>(std::min<uint64_t>(static_cast<uint64_t>(now_s(c)) + c->conf->inactive, UINT32_MAX));
}

static void complain(const Cache *c, LogLevelId level, int err, const char *what, Str path, const char *rest) {
  log_write(c->r->log(), level, err, &c->r->log_ctx, "%s \"%.*s\" %s", what, static_cast<int>(path.size()), path.data(),
            rest);
}

static void set_path(Cache *c) {
  const auto &l = c->conf->levels;
  std::string path = cache_file_path(c->conf->path, {l[0], l[1], l[2]}, c->id);
  c->path = c->r->arena.dup({path.c_str(), path.size() + 1});
  c->path.remove_suffix(1);  // the NUL stays behind it
}

static void on_free(void *arg) {
  Cache *c = static_cast<Cache *>(arg);
  c->is_kept = false;
  cache_free(c);
}

Cache *cache_create(Request *r, int32_t path, Str key) {
  Cache *c = r->arena.make<Cache>();
  c->r = r;
  c->conf = &r->plan->cache_paths[static_cast<size_t>(path)];
  c->zone = r->core->cache_zones[static_cast<size_t>(path)];
  c->key = key;
  digest_md5(key, c->main);
  memcpy(c->id, c->main, sizeof c->id);
  set_path(c);
  request_on_free(r, on_free, c);
  return c;
}

// --- the entry -------------------------------------------------------------------------------------------------------

void cache_unlink(const CachePath &conf, const unsigned char (&id)[kCacheKeySize], const Log &log) {
  const auto &l = conf.levels;
  std::string path = cache_file_path(conf.path, {l[0], l[1], l[2]}, id);
  if (unlink(path.c_str()) < 0 && errno != ENOENT)
    log_write(log, kLogCrit, errno, nullptr, "unlink() \"%s\" failed", path.c_str());
}

static ShmCacheFound enter(Cache *c) {
  ShmCacheEntry e;
  uint32_t now = static_cast<uint32_t>(now_s(c));
  ShmCacheFound found = shm_cache_enter(*c->zone, id_of(c), c->min_uses, c->is_entered, now, expire_s(c), e);
  if (found == ShmCacheFound::no_memory) {
    unsigned char victim[kCacheKeySize];
    bool has_file = false;
    uint32_t wait;
    uint32_t inactive = static_cast<uint32_t>(std::min<uint64_t>(c->conf->inactive, UINT32_MAX));
    if (shm_cache_evict(*c->zone, true, now, inactive, victim, has_file, wait) && has_file)
      cache_unlink(*c->conf, victim, c->r->log());
    found = shm_cache_enter(*c->zone, id_of(c), c->min_uses, c->is_entered, now, expire_s(c), e);
    if (found == ShmCacheFound::no_memory) {
      log_write(c->r->log(), kLogAlert, 0, &c->r->log_ctx, "could not allocate node in cache keys zone \"%s\"",
                c->conf->name.c_str());
      return found;
    }
  }
  c->is_entered = true;
  c->exists = e.exists;
  c->error = e.error;
  return found;
}

bool cache_enter_unasked(Cache *c) {
  c->min_uses = 1;
  ShmCacheFound found = enter(c);
  c->error = 0;
  return found != ShmCacheFound::no_memory;
}

/// Another key from now on: what was entered is left.
static void change_id(Cache *c, const unsigned char (&id)[kCacheKeySize]) {
  ShmCacheLeave how;
  how.was_updating = c->is_updating;
  how.lock_ms = c->lock_ms;
  if (c->is_entered) shm_cache_leave(*c->zone, id_of(c), how);
  c->is_entered = c->is_updating = false;
  memcpy(c->id, id, sizeof c->id);
  set_path(c);
}

// --- the lock --------------------------------------------------------------------------------------------------------

static void on_timer(Timer *t) {
  Cache *c = reinterpret_cast<Cache *>(reinterpret_cast<char *>(t) - offsetof(Cache, timer));
  Loop *loop = c->r->core->loop;
  if (now_ms(c) >= c->wait_until) {
    log_write(c->r->log(), kLogInfo, 0, &c->r->log_ctx, "cache lock timeout");
    c->lock_timeout = 0;
  } else if (shm_cache_is_locked(*c->zone, id_of(c), now_ms(c))) {
    return loop->arm(t, std::min<uint64_t>(c->wait_until - now_ms(c), kWaitMs));
  }
  c->is_waiting = false;
  c->wake(c);
}

/// proxy_cache_lock: one request at a time fills a new entry.
static CacheOpened take_lock(Cache *c) {
  if (!c->has_lock) return CacheOpened::miss;
  c->lock_ms = shm_cache_lock(*c->zone, id_of(c), now_ms(c), std::max<uint64_t>(c->lock_age, 1));
  if (c->lock_ms) {
    c->is_updating = true;
    return CacheOpened::miss;
  }
  if (c->lock_timeout == 0) return CacheOpened::scarce;
  if (!c->wait_until) c->wait_until = now_ms(c) + c->lock_timeout;
  c->is_waiting = true;
  c->timer.fire = on_timer;
  c->r->core->loop->arm(&c->timer, std::min<uint64_t>(c->lock_timeout, kWaitMs));
  return CacheOpened::waiting;
}

// --- reading ---------------------------------------------------------------------------------------------------------

/// Adds a request header's value to the hash of a variant, with blanks and the order of its elements as nginx has them: as
/// they came, without blanks around commas.
static void add_header_value(Request *r, Str name, std::string &to) {
  for (const HttpHeader &h : r->head.headers) {
    if (!str_iequal(h.name, name)) continue;
    Str value = h.value;
    while (!value.empty()) {
      size_t comma = value.find(',');
      Str part = value.substr(0, comma);
      value.remove_prefix(comma == Str::npos ? value.size() : comma + 1);
      while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
      while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
      if (!part.empty()) to.append(part).append(",");
    }
  }
}

static void hash_variant(Cache *c, Str vary, unsigned char (&to)[kCacheKeySize]) {
  std::string text(reinterpret_cast<const char *>(c->main), kCacheKeySize);
  while (!vary.empty()) {
    size_t end = vary.find_first_of(" ,");
    Str name = vary.substr(0, end);
    vary.remove_prefix(end == Str::npos ? vary.size() : end + 1);
    if (name.empty()) continue;
    for (char letter : name) text += static_cast<char>(str_lower(static_cast<unsigned char>(letter)));
    text += ':';
    add_header_value(c->r, name, text);
    text += "\r\n";
  }
  digest_md5(text, to);
}

/// The file is not what this request's headers ask for: the one of its variant.
static CacheOpened open_variant(Cache *c, const unsigned char (&variant)[kCacheKeySize]) {
  cache_close(c);
  if (c->is_secondary) {
    complain(c, kLogCrit, 0, "cache file", c->path, "has incorrect vary hash");
    return CacheOpened::miss;
  }
  change_id(c, variant);
  c->is_secondary = true;
  return cache_open(c);
}

static CacheOpened judge(Cache *c, const struct stat &st) {
  if (shm_cache_totals(*c->zone).is_cold && !c->exists) {
    shm_cache_learn(*c->zone, id_of(c), st.st_ino, static_cast<uint32_t>((st.st_size + kCacheBlock - 1) / kCacheBlock),
                    static_cast<uint16_t>(c->meta.body_start), expire_s(c));
    c->exists = true;
  }
  int64_t now = now_s(c);
  if (c->meta.valid_s >= now) return CacheOpened::hit;
  c->may_be_stale = c->meta.valid_s + c->meta.updating_s >= now;
  c->may_be_stale_for_error = c->meta.valid_s + c->meta.error_s >= now;
  c->lock_ms = shm_cache_lock(*c->zone, id_of(c), now_ms(c), 0);
  c->is_updating = c->lock_ms != 0;
  return c->is_updating ? CacheOpened::stale : CacheOpened::updating;
}

/// Reads the head of the file. kMiss when it is not to be used.
static CacheOpened read_head(Cache *c) {
  struct stat st;
  if (fstat(c->fd, &st) < 0) {
    complain(c, kLogCrit, errno, "fstat()", c->path, "failed");
    return CacheOpened::failed;
  }
  uint64_t size = static_cast<uint64_t>(st.st_size), want = cache_file_prefix(c->key) + c->most_head;
  if (want > size) want = size;
  char *buf = static_cast<char *>(c->r->arena.alloc(want));
  size_t have = 0;
  while (have < want) {
    ssize_t n = pread(c->fd, buf + have, want - have, static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      complain(c, kLogCrit, errno, "pread()", c->path, "failed");
      return CacheOpened::failed;
    }
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  CacheParsed parsed = cache_file_parse({buf, have}, size, c->key, c->most_head, c->meta);
  if (parsed != CacheParsed::good) {
    LogLevelId level = parsed == CacheParsed::wrong_version ? kLogInfo : kLogCrit;
    complain(c, level, 0, "cache file", c->path, cache_file_problem(parsed));
    return CacheOpened::miss;
  }
  if (!c->meta.vary.empty()) {
    unsigned char variant[kCacheKeySize];
    hash_variant(c, c->meta.vary, variant);
    if (memcmp(variant, c->meta.variant, sizeof variant) != 0) return open_variant(c, variant);
  }
  c->head = {buf + c->meta.header_start, c->meta.body_start - c->meta.header_start};
  return judge(c, st);
}

CacheOpened cache_open(Cache *c) {
  c->meta = CacheMeta();
  ShmCacheFound found = enter(c);
  bool must_look = false;
  CacheOpened none = CacheOpened::miss;
  switch (found) {
    case ShmCacheFound::no_memory: return CacheOpened::failed;
    case ShmCacheFound::scarce: return CacheOpened::scarce;
    case ShmCacheFound::known:
      if (c->error) return CacheOpened::error;
      must_look = c->exists;
      break;
    case ShmCacheFound::fresh:
      must_look = shm_cache_totals(*c->zone).is_cold;
      if (c->min_uses > 1) none = CacheOpened::scarce;
      break;
  }
  if (must_look) {
    c->fd = open(c->path.data(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (c->fd < 0 && errno != ENOENT && errno != ENOTDIR) {
      complain(c, kLogCrit, errno, "open()", c->path, "failed");
      return CacheOpened::failed;
    }
    if (c->fd >= 0) {
      CacheOpened opened = read_head(c);
      if (opened != CacheOpened::miss) return opened;
      cache_close(c);
      if (c->is_updating) return opened;  // a variant's lock has been taken
      c->meta = CacheMeta();
    }
  }
  return none == CacheOpened::miss ? take_lock(c) : none;
}

void cache_close(Cache *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

int cache_take_file(Cache *c) {
  int fd = c->fd;
  c->fd = -1;
  return fd;
}

// --- writing ---------------------------------------------------------------------------------------------------------

/// The folders of the levels above the file.
static bool make_folders(Cache *c) {
  std::string path(c->path);
  for (size_t slash = c->conf->path.size(); (slash = path.find('/', slash + 1)) != std::string::npos;) {
    std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), 0700) < 0 && errno != EEXIST) {
      complain(c, kLogCrit, errno, "mkdir()", folder, "failed");
      return false;
    }
  }
  return true;
}

static bool open_temporary(Cache *c) {
  thread_local uint32_t turn = 0;
  for (int tries = 0; tries < 8; ++tries) {
    char name[16];
    uint64_t number =
        (static_cast<uint64_t>(now_ms(c)) * 1000003 + static_cast<uint64_t>(syscall(SYS_gettid)) * 7919 + ++turn);
    snprintf(name, sizeof name, ".%010llu", static_cast<unsigned long long>(number % 10000000000ull));
    std::string path = std::string(c->path) + name;
    c->temp_fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (c->temp_fd < 0 && errno == ENOENT && tries == 0) {
      if (!make_folders(c)) return false;
      continue;
    }
    if (c->temp_fd < 0 && errno == EEXIST) continue;
    c->temp_path = c->r->arena.dup({path.c_str(), path.size() + 1});
    c->temp_path.remove_suffix(1);
    if (c->temp_fd >= 0) return true;
    break;
  }
  complain(c, kLogCrit, errno, "open()", c->temp_path, "failed");
  return false;
}

static void drop_temporary(Cache *c) {
  c->unwritten.clear(c->r->core->net.blocks);
  if (c->temp_fd < 0) return;
  close(c->temp_fd);
  c->temp_fd = -1;
  if (unlink(c->temp_path.data()) < 0) complain(c, kLogCrit, errno, "unlink()", c->temp_path, "failed");
}

static bool write_all(Cache *c, int fd, Str data, uint64_t at, Str path) {
  while (!data.empty()) {
    ssize_t n = pwrite(fd, data.data(), data.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      complain(c, kLogCrit, n < 0 ? errno : ENOSPC, "pwrite()", path, "failed");
      return false;
    }
    data.remove_prefix(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return true;
}

bool cache_write_head(Cache *c, Str head) {
  CacheMeta &m = c->meta;
  unsigned char variant[kCacheKeySize] = {};
  if (!m.vary.empty()) hash_variant(c, m.vary, variant);
  if (c->is_secondary && (m.vary.empty() || memcmp(variant, c->id, sizeof variant) != 0)) {
    // The reply varies by other headers than the file did: it becomes the main one.
    change_id(c, c->main);
    if (enter(c) == ShmCacheFound::no_memory) return false;
    c->error = 0;
  }
  memcpy(m.variant, variant, sizeof variant);
  m.header_start = static_cast<uint32_t>(cache_file_prefix(c->key));
  m.body_start = m.header_start + static_cast<uint32_t>(head.size());
  m.body_bytes = 0;
  m.head_crc = crc32_of(head);
  if (head.size() > c->most_head || !open_temporary(c)) return false;
  c->reply_head = head;
  c->temp_size = m.body_start;
  if (write_all(c, c->temp_fd, head, m.header_start, c->temp_path)) return true;
  drop_temporary(c);
  return false;
}

static bool write_body(Cache *c, Str data) {
  if (!write_all(c, c->temp_fd, data, c->temp_size, c->temp_path)) return false;
  c->temp_size += data.size();
  return true;
}

static bool write_collected(Cache *c) {
  for (Block *b = c->unwritten.first(); b; b = b->next)
    if (!write_body(c, b->view())) return false;
  c->unwritten.clear(c->r->core->net.blocks);
  return true;
}

void cache_write(Cache *c, Str data) {
  if (c->temp_fd < 0) return;
  bool is_large = data.size() >= kCollectBelow;
  if ((is_large || data.size() > c->unwritten.room()) && !write_collected(c)) return drop_temporary(c);
  if (!is_large)
    c->unwritten.append(c->r->core->net.blocks, data);
  else if (!write_body(c, data))
    drop_temporary(c);
}

void cache_store(Cache *c) {
  if (c->temp_fd < 0 || c->is_updated || !write_collected(c)) return cache_free(c);
  c->meta.body_bytes = c->temp_size - c->meta.body_start;
  struct stat st;
  if (!write_all(c, c->temp_fd, cache_file_head(c->meta, c->key), 0, c->temp_path) || fstat(c->temp_fd, &st) < 0)
    return cache_free(c);
  if (rename(c->temp_path.data(), c->path.data()) < 0) {
    log_write(c->r->log(), kLogCrit, errno, &c->r->log_ctx, "rename() \"%s\" to \"%s\" failed", c->temp_path.data(),
              c->path.data());
    return cache_free(c);
  }
  close(c->temp_fd);
  c->temp_fd = -1;
  uint32_t blocks = static_cast<uint32_t>((static_cast<uint64_t>(st.st_size) + kCacheBlock - 1) / kCacheBlock);
  shm_cache_store(*c->zone, id_of(c), st.st_ino, blocks, static_cast<uint16_t>(c->meta.body_start));
  c->is_updated = true;
  c->is_entered = c->is_updating = false;
  cache_free(c);
}

void cache_refresh(Cache *c) {
  int fd = open(c->path.data(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return complain(c, kLogCrit, errno, "open()", c->path, "failed");
  struct stat ours, theirs;
  // Another may have stored a newer reply meanwhile: that one is not ours to touch.
  if (c->fd < 0 || (fstat(fd, &ours) == 0 && fstat(c->fd, &theirs) == 0 && ours.st_ino == theirs.st_ino))
    write_all(c, fd, cache_file_head(c->meta, c->key), 0, c->path);
  close(fd);
}

void cache_free(Cache *c) {
  c->r->core->loop->disarm(&c->timer);
  c->is_waiting = false;
  cache_close(c);
  drop_temporary(c);
  if (!c->is_entered || c->is_kept) return;
  ShmCacheLeave how;
  how.was_updating = c->is_updating;
  how.lock_ms = c->lock_ms;
  if (c->error && c->meta.valid_s > 0) {
    how.error = static_cast<uint16_t>(c->error);
    how.valid_s = static_cast<uint32_t>(c->meta.valid_s);
  }
  how.may_forget = c->min_uses == 1;
  shm_cache_leave(*c->zone, id_of(c), how);
  c->is_entered = c->is_updating = false;
}

}  // namespace mw
