// SPDX-License-Identifier: MIT
// See static.h.
#include "http/modules/static.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/http_time.h"
#include "base/urlencode.h"
#include "http/body.h"
#include "http/modules/autoindex.h"
#include "http/modules/file_body.h"
#include "http/modules/gzip.h"
#include "http/modules/random_index.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/variable.h"

namespace mw {

/// Request::try_files_done where the name that try_files has found stands behind a regex location's alias.
static constexpr int32_t kAddedToAlias = 2;

static Str concat(Request *r, Str a, Str b) {
  char *to = static_cast<char *>(r->arena.alloc(a.size() + b.size() + 1));
  char *end = str_put(str_put(to, a), b);
  *end = 0;
  return {to, static_cast<size_t>(end - to)};
}

Str static_path(Request *r, Str uri) {
  Str root = complex_value(r, r->conf->root);
  size_t alias = r->conf->alias;
  if (alias == 0) {
    while (!root.empty() && root.back() == '/') root.remove_suffix(1);
    return concat(r, root, uri);
  }
  if (alias == kAliasWhole) return concat(r, root, r->try_files_done == kAddedToAlias ? uri : Str{});
  return concat(r, root, uri.size() >= alias ? uri.substr(alias) : Str{});
}

/// Opens for reading. -1 with the status to answer.
static int open_file(Request *r, Str path, struct stat &st, int32_t &status) {
  if (path.find('\0') != Str::npos) return status = 404, -1;
  int fd = open(path.data(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    int err = errno;
    bool missing = err == ENOENT || err == ENOTDIR || err == ENAMETOOLONG;
    status = missing ? 404 : err == EACCES ? 403 : 500;
    if (!missing || r->conf->log_not_found)
      log_write(r->log(), missing || err == EACCES ? kLogError : kLogCrit, err, &r->log_ctx, "open() \"%s\" failed",
                path.data());
    return -1;
  }
  if (fstat(fd, &st) < 0) {
    close(fd);
    status = 500;
    return -1;
  }
  return fd;
}

static Rc send_opened(Request *r, int fd, const struct stat &st, bool allows_ranges);

/// gzip_static: the file's compressed form beside it, where there is one and the client takes it.
static Rc serve_gzip(Request *r, Str path) {
  bool is_always = r->conf->gzip_static == 2;
  bool is_wanted = is_always || (!r->parent && gzip_is_client_fit(r));
  if (!is_wanted && !r->conf->gzip_vary) return kDeclined;
  Str packed = concat(r, path, ".gz");
  struct stat st;
  if (stat(packed.data(), &st) < 0 || !S_ISREG(st.st_mode)) return kDeclined;
  if (!is_always && r->conf->gzip_vary) response_add_header(r, "Vary", "Accept-Encoding");
  if (!is_wanted) return kDeclined;
  int32_t status;
  int fd = open_file(r, packed, st, status);
  if (fd < 0) return status;
  response_add_header(r, "Content-Encoding", "gzip");
  return send_opened(r, fd, st, false);
}

static Rc serve(Request *r, Str path) {
  if (r->conf->gzip_static && r->method_id != kMethodPost) {
    Rc rc = serve_gzip(r, path);
    if (rc != kDeclined) return rc;
  }
  struct stat st;
  int32_t status;
  int fd = open_file(r, path, st, status);
  if (fd < 0) return status;
  if (S_ISDIR(st.st_mode)) {
    close(fd);
    char *escaped = static_cast<char *>(r->arena.alloc(url_escaped_size(r->uri, ESCAPE_NGINX_URI)));
    Str uri{escaped, static_cast<size_t>(url_escape(r->uri, ESCAPE_NGINX_URI, escaped) - escaped)};
    http_redirect(r, concat(r, uri, r->args.empty() ? Str("/") : concat(r, "/?", r->args)), 301);
    http_special_response(r, 301);
    return kDone;
  }
  if (!S_ISREG(st.st_mode)) {
    close(fd);
    return 404;
  }
  if (r->method_id == kMethodPost) {
    close(fd);
    return 405;
  }
  return send_opened(r, fd, st, true);
}

/// An opened file as the answer. Takes the descriptor.
static Rc send_opened(Request *r, int fd, const struct stat &st, bool allows_ranges) {
  if (Rc rc = body_discard_first(r); rc != kOk) {
    close(fd);
    return rc;
  }
  char etag[40];
  int n = snprintf(etag, sizeof etag, "\"%lx-%lx\"", static_cast<unsigned long>(st.st_mtime),
                   static_cast<unsigned long>(st.st_size));
  Str tag{etag, static_cast<size_t>(n)};
  r->resp.last_modified = st.st_mtime;
  if (r->conf->etag) response_set_header(r, "ETag", tag);
  r->resp.content_length = st.st_size;
  r->resp.allow_ranges = allows_ranges;
  Rc rc = output_send_header(r);
  if (rc == kAgain) r->resp.allow_ranges = false;  // a Lua filter waits, and the content is queued for it now
  if (r->out.is_last_queued || (rc != kAgain && r->out.is_bodiless))
    close(fd);  // a filter answered in its place, or nobody wants the content
  else if (file_body_send(r, fd, 0, static_cast<uint64_t>(st.st_size), output_finish) == kAgain)
    return kAgain;
  output_finish(r);
  return kDone;
}

/// The index step for a path that ends with '/': an internal redirect to the first index file that exists.
static Rc run_index(Request *r) {
  if (r->conf->random_index) {
    Rc rc = random_index_run(r);
    if (rc != kDeclined) return rc;
  }
  Str first;  // what a missing directory is told by, as in nginx
  for (const ComplexValue &value : r->conf->index) {
    Str name = complex_value(r, value);
    if (!name.empty() && name[0] == '/') {
      http_internal_redirect(r, name, r->args);
      return kDone;
    }
    Str uri = concat(r, r->uri, name);
    Str path = r->conf->alias == kAliasWhole ? concat(r, static_path(r, r->uri), name) : static_path(r, uri);
    struct stat st;
    if (!first.data()) first = path;
    if (stat(path.data(), &st) < 0) continue;
    http_internal_redirect(r, uri, r->args);
    return kDone;
  }
  Str dir = static_path(r, r->uri);
  struct stat st;
  if (stat(dir.data(), &st) < 0) {
    if (r->conf->log_not_found)
      log_write(r->log(), kLogError, errno, &r->log_ctx, "\"%s\" is not found", (first.data() ? first : dir).data());
    return 404;
  }
  if (r->conf->autoindex && (r->method_id & (kMethodGet | kMethodHead))) return autoindex_run(r);
  log_write(r->log(), kLogError, 0, &r->log_ctx, "directory index of \"%s\" is forbidden", dir.data());
  return 403;
}

/// OPTIONS * asks about the server as a whole (RFC 9110 section 9.3.7).
static Rc answer_server_options(Request *r) {
  response_set_header(r, "Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
  r->resp.has_content_type = true;
  r->abi.status = 200;
  output_finish(r);
  return kDone;
}

Rc static_run(Request *r) {
  if (r->uri == "*") return answer_server_options(r);
  if (!(r->method_id & (kMethodGet | kMethodHead | kMethodPost))) return 405;
  if (r->uri.empty() || (r->uri[0] != '/' && r->try_files_done != kAddedToAlias)) return 404;
  if (r->uri.ends_with('/')) return run_index(r);
  return serve(r, static_path(r, r->uri));
}

/// A value of try_files asks for a folder when it is written with a '/' at its end; what its variables hold does not count.
static bool is_dir_form(const ComplexValue &value) {
  if (value.parts.empty()) return false;
  const ComplexValue::Part &last = value.parts.back();
  return last.var < 0 && last.capture < 0 && last.literal.ends_with('/');
}

/// What `uri`, that a value of try_files is, adds to the alias: without what the alias replaces, where it begins with that
/// and was made of variables.
static Str behind_alias(const Request *r, const ComplexValue &value, Str uri) {
  size_t alias = r->conf->alias;
  bool is_whole = alias == kAliasWhole || value.is_constant() || uri.size() < alias ||
                  uri.substr(0, alias) != r->uri.substr(0, alias);
  return is_whole ? uri : uri.substr(alias);
}

/// `uri`, that `value` is, is there: it becomes the request's.
static void take_found(Request *r, const ComplexValue &value, Str uri, bool is_dir) {
  size_t alias = r->conf->alias;
  if (alias == 0) {
    r->uri = r->arena.dup(uri);
  } else if (alias != kAliasWhole) {
    r->uri = concat(r, r->uri.substr(0, alias), behind_alias(r, value, uri));
  } else if (!is_dir) {
    r->uri = r->arena.dup(uri);
    r->try_files_done = kAddedToAlias;
  }
}

Rc try_files_run(Request *r) {
  if (!r->conf->has_try_files || r->try_files_done) return kDeclined;
  r->try_files_done = 1;
  const TryFiles &t = r->conf->try_files;
  for (const ComplexValue &value : t.paths) {
    Str uri = complex_value(r, value);
    bool wants_dir = uri.size() > 1 && is_dir_form(value);
    if (wants_dir) uri.remove_suffix(1);  // as in nginx the uri loses it too: "/dir" is then redirected to "/dir/"
    Str path =
        r->conf->alias ? concat(r, complex_value(r, r->conf->root), behind_alias(r, value, uri)) : static_path(r, uri);
    struct stat st;
    if (stat(path.data(), &st) < 0 || S_ISDIR(st.st_mode) != wants_dir) continue;
    take_found(r, value, uri, wants_dir);
    return kDeclined;
  }
  if (t.fallback_status) return t.fallback_status;
  Str uri = complex_value(r, t.fallback);
  if (!uri.empty() && uri[0] == '@') {
    http_named_location(r, uri);
    return kDone;
  }
  size_t mark = uri.find('?');
  http_internal_redirect(r, uri.substr(0, mark), mark == Str::npos ? Str{} : uri.substr(mark + 1));
  return kDone;
}

}  // namespace mw
