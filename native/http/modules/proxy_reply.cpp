// SPDX-License-Identifier: MIT
// See proxy.h: the reply's head, what of it the client gets, and the body's framing.
#include <stdio.h>

#include <iterator>

#include "base/http_time.h"
#include "http/modules/charset.h"
#include "http/modules/proxy.h"
#include "http/reply.h"
#include "http/target.h"
#include "http/variable.h"

namespace mw {

static ProxyState *state_of(Upstream *u) { return static_cast<ProxyState *>(u->module_state); }

static Rc invalid(Upstream *u, const char *text, Str what = {}) {
  Request *r = u->r;
  if (what.data())
    log_write(r->log(), kLogError, 0, &r->log_ctx, "%s \"%.*s\"", text, static_cast<int>(what.size()), what.data());
  else
    log_write(r->log(), kLogError, 0, &r->log_ctx, "%s", text);
  return kError;
}

// --- framing by the head ---------------------------------------------------------------------------------------------

/// Is the option in a Connection header's list?
static bool has_option(Str list, Str option) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    Str item = list.substr(0, comma);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (str_iequal(item, option)) return true;
    list = comma == Str::npos ? Str{} : list.substr(comma + 1);
  }
  return false;
}

/// The length of the body by its fields; every way to read it differently is refused.
static Rc read_framing(Upstream *u, const ReplyHead &head) {
  ProxyState *s = state_of(u);
  bool has_length = false, is_last = false, is_kept = head.http_minor > 0;
  s->left = -1;
  s->is_chunked = false;
  s->decoder = ChunkedDecoder();
  for (const HttpHeader &h : head.headers) {
    if (str_iequal(h.name, "content-length")) {
      uint64_t n;
      if (has_length) return invalid(u, "upstream sent duplicate header line:", h.value);
      if (!str_to_u64(h.value, n) || n > INT64_MAX)
        return invalid(u, "upstream sent invalid \"Content-Length\" header:", h.value);
      has_length = true;
      s->left = static_cast<int64_t>(n);
    } else if (str_iequal(h.name, "transfer-encoding")) {
      if (s->is_chunked) return invalid(u, "upstream sent duplicate header line:", h.value);
      if (!str_iequal(h.value, "chunked")) return invalid(u, "upstream sent unknown \"Transfer-Encoding\":", h.value);
      s->is_chunked = true;
    } else if (str_iequal(h.name, "connection")) {
      is_last |= has_option(h.value, "close");
      is_kept |= has_option(h.value, "keep-alive");
    }
  }
  if (s->is_chunked && has_length)
    return invalid(u, "upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time");
  if (s->is_head || head.status == 204 || head.status == 304) {
    s->left = 0;
    s->is_chunked = false;
  }
  u->is_body_done = s->left == 0 && !u->is_upgraded;
  u->may_keep = !u->is_upgraded && !s->is_misframed && is_kept && !is_last && (s->left >= 0 || s->is_chunked);
  return kOk;
}

/// The client asked for another protocol, and so did we.
static bool may_upgrade(const Upstream *u) {
  const Request *r = u->r;
  bool is_asked = static_cast<const ProxyState *>(u->module_state)->asks_upgrade && request_header(r, "upgrade").data();
  return is_asked && !r->parent && !u->stream && !u->is_background && r->abi.http_minor >= 1 && r->abi.http_major == 1;
}

/// Fields of which a reply has one: as in nginx the first counts, others are dropped.
static constexpr Str kSingle[] = {"date",
                                  "etag",
                                  "server",
                                  "status",
                                  "expires",
                                  "refresh",
                                  "location",
                                  "content-type",
                                  "accept-ranges",
                                  "last-modified",
                                  "content-encoding",
                                  "x-accel-charset",
                                  "x-accel-expires",
                                  "x-accel-redirect",
                                  "x-accel-buffering",
                                  "x-accel-limit-rate"};

/// The field came before and may not come again; logged. `seen`: bits of kSingle.
static bool is_repeated(Upstream *u, const HttpHeader &h, uint32_t &seen) {
  uint32_t bit = 1;
  for (Str name : kSingle) {
    if (str_iequal(name, h.name)) break;
    bit <<= 1;
  }
  if (bit >> std::size(kSingle)) return false;
  if (!(seen & bit)) return seen |= bit, false;
  Str before;
  for (const HttpHeader &other : u->headers)
    if (str_iequal(other.name, h.name)) before = other.value;
  Request *r = u->r;
  log_write(r->log(), kLogWarn, 0, &r->log_ctx,
            "upstream sent duplicate header line: \"%.*s: %.*s\", previous value: \"%.*s: %.*s\", ignored",
            static_cast<int>(h.name.size()), h.name.data(), static_cast<int>(h.value.size()), h.value.data(),
            static_cast<int>(h.name.size()), h.name.data(), static_cast<int>(before.size()), before.data());
  return true;
}

static constexpr uint32_t kMostInterim = 32;  ///< 1xx heads of one reply

Rc proxy_parse_head(Upstream *u) {
  ReplyHead head;
  ProxyState *s = state_of(u);
  for (;;) {
    head.headers.use(u->r->core->head_room, kMaxHeaders);
    ReplyResult result = reply_parse_head(head, u->head, u->head_size);
    if (result.kind == ReplyResult::incomplete) return kAgain;
    if (result.kind == ReplyResult::bad_status) return invalid(u, "upstream sent no valid HTTP/1.0 header");
    if (result.kind == ReplyResult::bad_header) return invalid(u, "upstream sent invalid header:", result.line);
    u->is_upgraded = head.status == 101;
    if (u->is_upgraded && !may_upgrade(u)) return invalid(u, "upstream switched protocols unasked");
    u->head_used = static_cast<uint32_t>(result.consumed);
    if (head.status >= 200 || u->is_upgraded) break;
    if (++s->interim > kMostInterim) return invalid(u, "upstream sent too many interim responses");
    u->head_size -= u->head_used;  // 1xx: the reply proper is still to come
    memmove(u->head, u->head + u->head_used, u->head_size);
    u->head_used = 0;
  }
  Rc rc = read_framing(u, head);
  if (rc != kOk) return rc;
  u->status = head.status;
  u->status_line = head.status_line;
  uint32_t seen = 0;
  for (const HttpHeader &h : head.headers)
    if (!is_repeated(u, h, seen)) *u->headers.push(u->r->arena) = h;
  return kOk;
}

// --- the client's head -----------------------------------------------------------------------------------------------

static constexpr Str kHidden[] = {"date",
                                  "server",
                                  "x-pad",
                                  "x-accel-expires",
                                  "x-accel-redirect",
                                  "x-accel-limit-rate",
                                  "x-accel-buffering",
                                  "x-accel-charset"};
/// Of the hop between upstream and us: never passed on.
static constexpr Str kHop[] = {"connection",       "keep-alive", "transfer-encoding",
                               "content-length",   "status",     "upgrade",
                               "proxy-connection", "te",         "trailer"};

static bool is_listed(const std::vector<std::string> &list, Str name) {
  for (const std::string &s : list)
    if (str_iequal(s, name)) return true;
  return false;
}

static bool is_hidden(const UpstreamConf &conf, Str name) {
  for (Str s : kHop)
    if (str_iequal(s, name)) return true;
  if (is_listed(conf.hide_headers, name)) return true;
  for (Str s : kHidden)
    if (str_iequal(s, name)) return !is_listed(conf.pass_headers, name);
  return false;
}

static Str reply_header(const Upstream *u, Str name) {
  for (const HttpHeader &h : u->headers)
    if (str_iequal(h.name, name)) return h.value;
  return {};
}

static Str join(Request *r, Str a, Str b, Str c = {}) {
  char *to = static_cast<char *>(r->arena.alloc(a.size() + b.size() + c.size()));
  return {to, static_cast<size_t>(str_put(str_put(str_put(to, a), b), c) - to)};
}

/// proxy_redirect over a Location (or the URL of a Refresh). False when none applies.
static bool rewrite_redirect(Upstream *u, Str value, size_t at, Str &out) {
  Request *r = u->r;
  Str before = value.substr(0, at), url = value.substr(at);
  for (const Replacement &p : u->conf->redirects) {
    Str to;
    if (!proxy_replace(r, p, false, url, to)) continue;
    out = join(r, before, to);
    return true;
  }
  const Location *l = r->location;
  if (!u->conf->default_redirect || !u->conf->pass.is_constant() || !l) return false;
  bool has_uri = !state_of(u)->uri.empty();
  bool is_regex = l->match == Location::regex || l->match == Location::regex_icase;
  Str to = is_regex || !has_uri ? Str("/") : Str(l->name);  // without a URI: the whole server, wherever the location is
  Str from = u->conf->pass.constant();
  if (!has_uri) from = join(r, from, "/");
  if (!url.starts_with(from)) return false;
  out = join(r, before, to, url.substr(from.size()));
  return true;
}

static void pass_location(Upstream *u, Str value) {
  Str to;
  bool is_rewritten = rewrite_redirect(u, value, 0, to);
  response_set_header(u->r, "Location", is_rewritten ? to : value);
  u->r->resp.is_location_verbatim = !is_rewritten;
}

static void pass_refresh(Upstream *u, Str value) {
  size_t at = 0;
  for (size_t i = 0; i + 4 <= value.size(); ++i)
    if (str_istarts(value.substr(i), "url=")) at = i + 4;
  Str to;
  response_add_header(u->r, "Refresh", at && rewrite_redirect(u, value, at, to) ? to : value);
}

static void pass_header(Upstream *u, const HttpHeader &h) {
  if (u->is_cached || u->is_cacheable ||
      u->conf->force_ranges) {  // conditions and ranges of the client are answered here
    if (str_iequal(h.name, "last-modified") && http_time_parse(h.value, u->r->resp.last_modified)) return;
    if (str_iequal(h.name, "accept-ranges")) {
      u->r->resp.allow_ranges = true;
      u->r->resp.allows_one_range = !u->is_cached;
      return;
    }
  }
  if (str_iequal(h.name, "location")) return pass_location(u, h.value);
  if (str_iequal(h.name, "refresh")) return pass_refresh(u, h.value);
  if (str_iequal(h.name, "set-cookie")) return response_add_header(u->r, h.name, proxy_cookie(u->r, *u->conf, h.value));
  response_add_header(u->r, h.name, h.value);
}

static Rc accel_redirect(Upstream *u, Str to) {
  Request *r = u->r;
  TargetParts parts;
  parts.path = to;
  if (to[0] != '@' && !target_parse_unsafe(to, static_cast<char *>(r->arena.alloc(to.size())), parts)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "unsafe URI \"%.*s\" was detected",
              static_cast<int>(parts.path.size()), parts.path.data());
    return 404;
  }
  static constexpr Str kKept[] = {"content-type",  "set-cookie", "content-disposition",
                                  "cache-control", "expires",    "accept-ranges"};
  for (const HttpHeader &h : u->headers)
    for (Str name : kKept)
      if (str_iequal(h.name, name)) response_add_header(r, h.name, h.value);
  u->redirect_uri = parts.path;
  u->redirect_args = parts.args;
  if (r->method_id != kMethodHead) {
    r->method_id = kMethodGet;
    r->method = "GET";
  }
  return kDone;
}

static void accel_charset(Upstream *u) {
  Str charset = reply_header(u, "x-accel-charset");
  if (!charset.empty() && !(u->conf->ignore_headers & kIgnoreCharset)) charset_override(u->r, charset);
}

static void accel_limit_rate(Upstream *u) {
  uint64_t rate;
  if ((u->conf->ignore_headers & kIgnoreLimitRate) || !str_to_u64(reply_header(u, "x-accel-limit-rate"), rate)) return;
  u->r->main->limit_rate = rate;
  u->r->main->has_limit_rate = true;
}

/// Where the upstream's own Date and Server are passed on, it may have none, and neither has the client then.
static void pass_absence(Upstream *u) {
  if (!is_hidden(*u->conf, "date")) u->r->resp.has_date = true;
  if (!is_hidden(*u->conf, "server")) u->r->resp.has_server = true;
}

Rc proxy_process_head(Upstream *u) {
  Request *r = u->r;
  const UpstreamConf &conf = *u->conf;
  accel_limit_rate(u);
  Str redirect = reply_header(u, "x-accel-redirect");
  if (!redirect.empty() && !(conf.ignore_headers & kIgnoreRedirect)) return accel_redirect(u, redirect);
  Str buffering = reply_header(u, "x-accel-buffering");
  if (buffering.data() && !(conf.ignore_headers & kIgnoreBuffering)) {
    if (str_iequal(buffering, "no")) u->is_buffered = false;
    if (str_iequal(buffering, "yes")) u->is_buffered = true;
  }
  r->abi.status = r->err_status ? r->err_status : u->status;
  r->resp.status_line = r->err_status ? Str{} : u->status_line;
  r->err_status = 0;
  r->resp.content_length = -1;
  uint64_t n;
  if (Str length = reply_header(u, "content-length"); str_to_u64(length, n) && u->status != 204)
    r->resp.content_length = static_cast<int64_t>(n);
  r->resp.has_content_type = true;  // none but the upstream's own
  r->resp.bypasses_conditions = !u->is_cacheable && !u->is_cached;
  for (const HttpHeader &h : u->headers)
    if (!is_hidden(conf, h.name) || (u->is_upgraded && str_iequal(h.name, "upgrade"))) pass_header(u, h);
  if (conf.force_ranges) {
    r->resp.allow_ranges = true;
    r->resp.allows_one_range = !u->is_cached;
  }
  if (!conf.pass_headers.empty()) pass_absence(u);
  accel_charset(u);
  return kOk;
}

// --- body ------------------------------------------------------------------------------------------------------------

static Rc chunked_body(Upstream *u, Str in) {
  ProxyState *s = state_of(u);
  while (!in.empty()) {
    ChunkedResult step = s->decoder.feed(in);
    in.remove_prefix(step.consumed);
    if (step.kind == ChunkedResult::span) upstream_emit(u, step.data);
    if (step.kind == ChunkedResult::done) {
      if (!in.empty()) u->may_keep = false;
      return kDone;
    }
    if (step.kind == ChunkedResult::error) return invalid(u, "upstream sent invalid chunked response");
  }
  return kOk;
}

Rc proxy_body(Upstream *u, Str in) {
  ProxyState *s = state_of(u);
  if (s->is_chunked) return chunked_body(u, in);
  if (s->left < 0) {
    upstream_emit(u, in);
    return kOk;
  }
  size_t n = in.size() < static_cast<uint64_t>(s->left) ? in.size() : static_cast<size_t>(s->left);
  upstream_emit(u, in.substr(0, n));
  s->left -= static_cast<int64_t>(n);
  if (n < in.size()) {
    u->may_keep = false;
    log_write(u->r->log(), kLogWarn, 0, &u->r->log_ctx,
              "upstream sent more data than specified in \"Content-Length\" header");
  }
  return s->left == 0 ? kDone : kOk;
}

Rc proxy_end_of_stream(Upstream *u) {
  const ProxyState *s = state_of(u);
  return !s->is_chunked && s->left < 0 ? kDone : kError;
}

}  // namespace mw
