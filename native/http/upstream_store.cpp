// SPDX-License-Identifier: MIT
// See upstream_steps.h: proxy_store, which makes files of whole replies. As in nginx they are those with status 200 that are
// buffered; they are written to a temporary file that takes the place of the target at once. Files block the worker.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/http_time.h"
#include "http/modules/dav_tree.h"
#include "http/modules/static.h"
#include "http/upstream_steps.h"
#include "http/variable.h"

namespace mw {

/// In the request's arena.
struct UpstreamStore {
  int fd = -1;
  char *temp = nullptr;  ///< its path, and that of the target; NUL-terminated
  Str target;
  uint64_t bytes = 0;
};

static void complain(const Upstream *u, const char *what, Str path) {
  log_write(u->r->log(), kLogCrit, errno, &u->r->log_ctx, "%s \"%.*s\" failed", what, static_cast<int>(path.size()),
            path.data());
}

static Str reply_header(const Upstream *u, Str name) {
  for (const HttpHeader &h : u->headers)
    if (str_iequal(h.name, name)) return h.value;
  return {};
}

static void drop(Upstream *u) {
  UpstreamStore *s = u->store;
  u->store = nullptr;
  close(s->fd);
  unlink(s->temp);
}

void upstream_store_begin(Upstream *u) {
  Request *r = u->r;
  const UpstreamConf &conf = *u->conf;
  bool has_body = u->status == 200 && r->method_id != kMethodHead;
  if (conf.store == UpstreamConf::store_off || !has_body || !u->is_buffered || u->is_background) return;
  Str target = conf.store == UpstreamConf::store_at_root ? static_path(r, r->uri) : complex_value(r, conf.store_path);
  if (target.empty() || target.back() == '/' || target.find('\0') != Str::npos) return;
  Str folder = r->conf->client_body_temp_path, name = "/store-XXXXXX";
  UpstreamStore *s = r->arena.make<UpstreamStore>();
  s->temp = static_cast<char *>(r->arena.alloc(folder.size() + name.size() + 1));
  *str_put(str_put(s->temp, folder), name) = 0;
  s->target = r->arena.dup(target);
  s->fd = mkostemp(s->temp, O_CLOEXEC);
  if (s->fd < 0) return complain(u, "mkostemp()", s->temp);
  u->store = s;
}

void upstream_store_write(Upstream *u, Str data) {
  UpstreamStore *s = u->store;
  s->bytes += data.size();
  while (!data.empty()) {
    ssize_t n = write(s->fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      complain(u, "write()", s->temp);
      return drop(u);
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
}

/// The file has the time that the reply's Last-Modified says, and its rights. False, logged, when it cannot have them.
static bool finish_file(Upstream *u) {
  UpstreamStore *s = u->store;
  if (fchmod(s->fd, static_cast<mode_t>(u->conf->store_access)) < 0) {
    complain(u, "chmod()", s->temp);
    return false;
  }
  int64_t when;
  if (!http_time_parse(reply_header(u, "last-modified"), when)) return true;
  timespec times[2] = {{0, UTIME_NOW}, {static_cast<time_t>(when), 0}};
  if (futimens(s->fd, times) < 0) complain(u, "futimens()", s->temp);
  return true;
}

/// All that the head promised has come.
static bool has_all(const Upstream *u) {
  uint64_t length;
  Str text = reply_header(u, "content-length");
  return !text.data() || !str_to_u64(text, length) || length == u->store->bytes;
}

void upstream_store_end(Upstream *u, bool is_whole) {
  if (!u->store) return;
  if (!is_whole || !has_all(u) || !finish_file(u)) return drop(u);
  UpstreamStore *s = u->store;
  u->store = nullptr;
  DavFailure failure;
  std::string target(s->target);
  bool is_good = close(s->fd) == 0;
  if (!is_good)
    failure = {"close()", s->temp, errno};
  else
    is_good = dav_move_file(s->temp, target, true, static_cast<mode_t>(u->conf->store_access), failure);
  if (is_good) return;
  errno = failure.err;
  complain(u, failure.what, failure.path);
  unlink(s->temp);
}

}  // namespace mw
