// SPDX-License-Identifier: MIT
// See dav.h. Checks, their order, statuses and log lines are nginx's.
#include "http/modules/dav.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/http_time.h"
#include "base/urlencode.h"
#include "http/body.h"
#include "http/modules/dav_tree.h"
#include "http/modules/static.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/target.h"

namespace mw {

static constexpr int kInfinity = -1, kInvalid = -2;

/// A line of the error log with one text in it.
static void complain(const Request *r, int err, const char *format, Str text) {
  log_write(r->log(), kLogError, err, &r->log_ctx, format, static_cast<int>(text.size()), text.data());
}

/// The status of a failed call, which is logged. `not_found`: where the path is not there.
static Rc refuse(const Request *r, const DavFailure &failure, int32_t not_found) {
  int32_t status;
  LogLevelId level = kLogError;
  switch (failure.err) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG: status = not_found; break;
    case EACCES:
    case EPERM: status = 403; break;
    case EEXIST: status = 405; break;
    case ENOSPC:
      status = 507;
      level = kLogCrit;
      break;
    default: status = 500; level = kLogCrit;
  }
  log_write(r->log(), level, failure.err, &r->log_ctx, "%s \"%s\" failed", failure.what, failure.path.c_str());
  return status;
}

static bool has_body(const Request *r) { return r->head.chunked || r->head.content_length > 0; }

static int depth_of(const Request *r) {
  Str depth = request_header(r, "depth");
  if (!depth.data() || str_iequal(depth, "infinity")) return kInfinity;
  if (depth == "0" || depth == "1") return depth[0] - '0';
  complain(r, 0, "client sent invalid \"Depth\" header: \"%.*s\"", depth);
  return kInvalid;
}

static std::string path_of(Request *r, Str uri) { return std::string(static_path(r, uri)); }

/// Location of what has been made: its own path.
static void set_location(Request *r) {
  char *to = static_cast<char *>(r->arena.alloc(url_escaped_size(r->uri, ESCAPE_URI)));
  char *end = url_escape(r->uri, ESCAPE_URI, to);
  http_redirect(r, {to, static_cast<size_t>(end - to)}, 201);
}

// --- PUT -------------------------------------------------------------------------------------------------------------

/// The file gets the time that the client's Date header names.
static void take_date(Request *r, const std::string &file) {
  int64_t seconds;
  Str date = request_header(r, "date");
  if (!date.data() || !http_time_parse(date, seconds)) return;
  timespec times[2] = {{0, UTIME_NOW}, {seconds, 0}};
  if (utimensat(AT_FDCWD, file.c_str(), times, 0) < 0)
    log_write(r->log(), kLogCrit, errno, &r->log_ctx, "utimensat() \"%s\" failed", file.c_str());
}

/// The body becomes the file `path`: renamed where the file is the request's own.
static bool store_body(Request *r, const std::string &path, DavFailure &failure) {
  std::string temp(r->body.path);
  mode_t access = static_cast<mode_t>(r->conf->dav_access);
  if (r->body.is_borrowed || r->body.is_file_kept) {
    if (!dav_copy_file(temp, path, failure)) return false;
    temp = path;
  }
  if (chmod(temp.c_str(), access) < 0) {
    failure = {"chmod()", temp, errno};
    return false;
  }
  take_date(r, temp);
  if (temp == path) return true;
  if (!dav_move_file(temp, path, r->conf->create_full_put_path, access, failure)) return false;
  r->body.is_file_kept = true;  // it is the target now
  return true;
}

static Rc put(Request *r) {
  if (r->body.is_borrowed && !r->body.in_file) body_replace(r, {r->body.buf, r->body.size});
  if (!r->body.in_file && body_to_file(r) != kOk) return 500;
  std::string path = path_of(r, r->uri);
  struct stat st;
  bool is_new = stat(path.c_str(), &st) < 0;
  if (!is_new && S_ISDIR(st.st_mode)) {
    complain(r, EISDIR, "\"%.*s\" could not be created", path);
    return 409;
  }
  DavFailure failure;
  if (!store_body(r, path, failure)) {
    log_write(r->log(), kLogCrit, failure.err, &r->log_ctx, "%s \"%s\" failed", failure.what, failure.path.c_str());
    return 500;
  }
  if (is_new) set_location(r);
  r->abi.status = is_new ? 201 : 204;
  if (is_new) r->resp.content_length = 0;
  r->resp.has_content_type = true;
  output_finish(r);
  return kDone;
}

static void put_body_read(Request *r, Rc rc, void *) { http_finalize(r, rc == kOk ? put(r) : rc); }

static Rc run_put(Request *r) {
  if (r->uri.ends_with('/')) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "cannot PUT to a collection");
    return 409;
  }
  if (request_header(r, "content-range").data()) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "PUT with range is unsupported");
    return 501;
  }
  Rc rc = body_read(r, put_body_read, nullptr);
  return rc == kOk ? put(r) : rc;
}

// --- DELETE, MKCOL ---------------------------------------------------------------------------------------------------

static bool is_deep_enough(const Request *r) {
  uint32_t depth = 0;
  if (r->conf->min_delete_depth == 0) return true;
  for (size_t i = 0; i < r->uri.size(); ++i)
    if (r->uri[i] == '/' && ++depth >= r->conf->min_delete_depth && i + 1 < r->uri.size()) return true;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "insufficient URI depth:%u to DELETE", depth);
  return false;
}

static Rc run_delete(Request *r) {
  if (has_body(r)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "DELETE with body is unsupported");
    return 415;
  }
  int depth = depth_of(r);
  if (!is_deep_enough(r)) return 409;
  std::string path = path_of(r, r->uri);
  struct stat st;
  if (lstat(path.c_str(), &st) < 0) return refuse(r, {"lstat()", path, errno}, errno == ENOTDIR ? 409 : 404);
  bool is_dir = S_ISDIR(st.st_mode);
  if (is_dir) {
    if (!r->uri.ends_with('/')) {
      complain(r, EISDIR, "DELETE \"%.*s\" failed", path);
      return 409;
    }
    if (depth != kInfinity) {
      log_write(r->log(), kLogError, 0, &r->log_ctx, "\"Depth\" header must be infinity");
      return 400;
    }
    path.pop_back();
  } else if (depth != 0 && depth != kInfinity) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "\"Depth\" header must be 0 or infinity");
    return 400;
  }
  DavFailure failure;
  return dav_remove(path, is_dir, failure) ? static_cast<Rc>(204) : refuse(r, failure, 404);
}

static Rc run_mkcol(Request *r) {
  if (has_body(r)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "MKCOL with body is unsupported");
    return 415;
  }
  if (!r->uri.ends_with('/')) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "MKCOL can create a collection only");
    return 409;
  }
  std::string path = path_of(r, r->uri);
  path.pop_back();
  if (mkdir(path.c_str(), dav_dir_access(static_cast<mode_t>(r->conf->dav_access))) < 0)
    return refuse(r, {"mkdir()", path, errno}, 409);
  set_location(r);
  r->abi.status = 0;
  return 201;
}

// --- COPY, MOVE ------------------------------------------------------------------------------------------------------

/// With an alias only what lies in the location has a path: the name that the alias replaces would be cut off anything else.
static bool is_in_location(const Request *r, Str uri) {
  size_t alias = r->conf->alias;
  return alias == 0 || alias == kAliasWhole || (r->uri.size() >= alias && uri.starts_with(r->uri.substr(0, alias)));
}

/// The path of a Destination header: an absolute path, or a URL of this host. Null data, logged, where it is neither.
static Str destination(Request *r, Str header) {
  Str target = header;
  if (!target.starts_with('/')) {
    Str host = request_header(r, "host");
    if (host.empty()) {
      log_write(r->log(), kLogError, 0, &r->log_ctx, "client sent no \"Host\" header");
      return {};
    }
    size_t slash = target.find('/', 7);
    bool is_ours =
        target.starts_with("http://") && slash != Str::npos && str_iequal(target.substr(7, r->host.size()), r->host);
    target = is_ours ? target.substr(slash) : Str{};
  }
  TargetParts parts;
  bool is_unsafe = false;
  for (Str rest = target.substr(0, target.find('?')); !rest.empty();) {
    size_t end = rest.find('/');
    is_unsafe |= rest.substr(0, end) == "..";
    rest = end == Str::npos ? Str{} : rest.substr(end + 1);
  }
  char *room = static_cast<char *>(r->arena.alloc(target.size() + 1));
  bool is_good = !target.empty() && !is_unsafe && target_normalize(target, false, room, parts);
  if (is_good && is_in_location(r, parts.path)) return r->arena.dup(parts.path);
  complain(r, 0, "client sent invalid \"Destination\" header: \"%.*s\"", header);
  return {};
}

/// What a COPY or MOVE works on.
struct Transfer {
  bool is_move = false;
  bool may_overwrite = true;
  Str header;  ///< Destination as sent
  std::string from, to;
  bool has_slash = false;  ///< the destination is a collection
  struct stat source {};
  bool is_there = false, is_there_dir = false;  ///< the destination
};

/// kDeclined to go on.
static Rc check_depth(const Request *r, const Transfer &t) {
  int depth = depth_of(r);
  if (depth == kInfinity || (!t.is_move && depth == 0)) return kDeclined;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "\"Depth\" header must be %sinfinity", t.is_move ? "" : "0 or ");
  return 400;
}

static Rc check_overwrite(const Request *r, Transfer &t) {
  Str over = request_header(r, "overwrite");
  if (!over.data() || str_iequal(over, "T")) return kDeclined;
  t.may_overwrite = false;
  if (str_iequal(over, "F")) return kDeclined;
  complain(r, 0, "client sent invalid \"Overwrite\" header: \"%.*s\"", over);
  return 400;
}

/// What the request says, into `t`.
static Rc read_transfer(Request *r, Transfer &t) {
  t.is_move = r->method_id == kMethodMove;
  if (has_body(r)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "COPY and MOVE with body are unsupported");
    return 415;
  }
  t.header = request_header(r, "destination");
  if (!t.header.data()) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "client sent no \"Destination\" header");
    return 400;
  }
  Str to = destination(r, t.header);
  if (!to.data()) return 400;
  t.has_slash = to.ends_with('/');
  if (r->uri.ends_with('/') != t.has_slash) {
    log_write(r->log(), kLogError, 0, &r->log_ctx,
              "both URI \"%.*s\" and \"Destination\" URI \"%.*s\" should be either collections or non-collections",
              static_cast<int>(r->uri.size()), r->uri.data(), static_cast<int>(to.size()), to.data());
    return 409;
  }
  if (Rc rc = check_depth(r, t); rc != kDeclined) return rc;
  if (Rc rc = check_overwrite(r, t); rc != kDeclined) return rc;
  t.from = path_of(r, r->uri);
  t.to = path_of(r, to);
  if (t.to.ends_with('/')) t.to.pop_back();
  return kDeclined;
}

/// What is at the destination.
static Rc check_destination(Request *r, Transfer &t) {
  struct stat st;
  if (lstat(t.to.c_str(), &st) < 0)
    return errno == ENOENT ? static_cast<Rc>(kDeclined) : refuse(r, {"lstat()", t.to, errno}, 404);
  t.is_there = true;
  t.is_there_dir = S_ISDIR(st.st_mode);
  if (t.is_there_dir && !t.has_slash) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "\"%.*s\" could not be %.*sed to collection \"%.*s\"",
              static_cast<int>(r->uri.size()), r->uri.data(), static_cast<int>(r->method.size()), r->method.data(),
              static_cast<int>(t.header.size()), t.header.data());
    return 409;
  }
  if (t.may_overwrite) return kDeclined;
  complain(r, EEXIST, "\"%.*s\" could not be created", t.to);
  return 412;
}

static Rc transfer_dir(Request *r, Transfer &t) {
  DavFailure failure;
  if (!r->uri.ends_with('/')) {
    complain(r, 0, "\"%.*s\" is collection", r->uri);
    return 400;
  }
  if (t.is_there && !dav_remove(t.to, t.is_there_dir, failure)) return refuse(r, failure, 404);
  t.from.pop_back();
  if (t.is_move && rename(t.from.c_str(), t.to.c_str()) == 0) return 201;
  if (!dav_copy_tree(t.from, t.to, failure)) return refuse(r, failure, 404);
  if (t.is_move && !dav_remove(t.from, true, failure)) return refuse(r, failure, 404);
  return 201;
}

static Rc run_transfer(Request *r) {
  Transfer t;
  if (Rc rc = read_transfer(r, t); rc != kDeclined) return rc;
  if (Rc rc = check_destination(r, t); rc != kDeclined) return rc;
  if (lstat(t.from.c_str(), &t.source) < 0) return refuse(r, {"lstat()", t.from, errno}, 404);
  if (dav_overlaps(t.from, t.to)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "\"%s\" and \"%s\" are the same or one holds the other",
              t.from.c_str(), t.to.c_str());
    return 403;
  }
  if (S_ISDIR(t.source.st_mode)) return transfer_dir(r, t);
  DavFailure failure;
  mode_t access = static_cast<mode_t>(r->conf->dav_access);
  bool is_good = t.is_move ? dav_move_file(t.from, t.to, true, access, failure) : dav_copy_file(t.from, t.to, failure);
  if (is_good) return 204;
  log_write(r->log(), kLogCrit, failure.err, &r->log_ctx, "%s \"%s\" failed", failure.what, failure.path.c_str());
  return 500;
}

Rc dav_run(Request *r) {
  if (!(r->method_id & r->conf->dav_methods)) return kDeclined;
  if (r->uri.empty() || r->uri[0] != '/' || r->uri.find('\0') != Str::npos) return 404;
  switch (r->method_id) {
    case kMethodPut: return run_put(r);
    case kMethodDelete: return run_delete(r);
    case kMethodMkcol: return run_mkcol(r);
    default: return run_transfer(r);
  }
}

}  // namespace mw
