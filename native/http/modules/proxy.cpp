// SPDX-License-Identifier: MIT
// See proxy.h: where a request goes, and its bytes as they are sent there.
#include "http/modules/proxy.h"

#include <stdio.h>

#include "base/urlencode.h"
#include "http/body.h"
#include "http/upstream_cache.h"
#include "http/variable.h"

namespace mw {

// --- target ----------------------------------------------------------------------------------------------------------

struct UrlParts {
  Str authority;  ///< "host[:port]" or "unix:/path"
  Str uri;        ///< from '/' or '?' on
};

static UrlParts split(Str rest) {
  if (rest.starts_with("unix:")) {
    size_t colon = rest.find(':', 5);
    return {rest.substr(0, colon), colon == Str::npos ? Str{} : rest.substr(colon + 1)};
  }
  size_t end = rest.find_first_of("/?");
  return {rest.substr(0, end), end == Str::npos ? Str{} : rest.substr(end)};
}

static Rc complain(Upstream *u, Rc status, const char *what, Str text) {
  log_write(u->r->log(), kLogError, 0, &u->r->log_ctx, "%s \"%.*s\"", what, static_cast<int>(text.size()), text.data());
  return status;
}

static bool has_port(Str authority) {
  size_t bracket = authority.rfind(']');
  return authority.find(':', bracket == Str::npos ? 0 : bracket) != Str::npos;
}

static Rc target(Upstream *u) {
  ProxyState *state = u->r->arena.make<ProxyState>();
  u->module_state = state;
  Str url = complex_value(u->r, u->conf->pass);
  if (!str_istarts(url, "http://")) {
    bool is_https = str_istarts(url, "https://");
    return complain(u, 500, is_https ? "https protocol requires SSL support in" : "invalid URL prefix in", url);
  }
  u->schema = "http://";
  UrlParts parts = split(url.substr(7));
  state->uri = parts.uri;
  state->authority = parts.authority;
  if (!parts.uri.empty() && parts.uri[0] == '?') {
    char *with_slash = static_cast<char *>(u->r->arena.alloc(parts.uri.size() + 1));
    *with_slash = '/';
    state->uri = {with_slash, static_cast<size_t>(str_put(with_slash + 1, parts.uri) - with_slash)};
  }
  bool is_unix = parts.authority.starts_with("unix:");
  u->host = is_unix ? Str("localhost") : parts.authority;
  u->port = is_unix ? Str("") : Str("80");
  if (!is_unix && has_port(parts.authority)) {
    u->port = parts.authority.substr(parts.authority.rfind(':') + 1);
    if (u->port == "80") u->host = parts.authority.substr(0, parts.authority.rfind(':'));
  }
  return upstream_find_target(u, parts.authority, 80);
}

// --- request line ----------------------------------------------------------------------------------------------------

/// The client's own target may be passed on as it came: nothing has changed the uri or the arguments.
static bool is_untouched(const Request *r) {
  return !r->parent && !r->abi.is_internal && r->uri.data() == r->raw_uri && r->args.data() == r->raw_args;
}

static Str join(Request *r, Str a, Str b, Str args) {
  char *to = static_cast<char *>(r->arena.alloc(a.size() + b.size() + args.size() + 1)),
       *at = str_put(str_put(to, a), b);
  if (!args.empty()) {
    *at++ = '?';
    at = str_put(at, args);
  }
  return {to, static_cast<size_t>(at - to)};
}

/// `of` is the client's request: that of which an update in the background is one, else `r`.
static Str escaped(Request *r, const Request *of, Str s) {
  bool is_quoted = of->abi.is_internal || of->is_uri_plain || of->parent || of->unparsed_uri.find('%') != Str::npos;
  if (!is_quoted) return s;
  size_t size = url_escaped_size(s, ESCAPE_URI);
  if (size == s.size()) return s;
  char *to = static_cast<char *>(r->arena.alloc(size));
  url_escape(s, ESCAPE_URI, to);
  return {to, size};
}

/// nginx's rules: a uri with variables is used as it is, the client's own where proxy_pass has none, else the matched prefix
/// of the location is replaced.
static Str request_target(Upstream *u) {
  Request *r = u->r;
  const Request *of = u->background_of ? u->background_of->r : r;
  Str uri = static_cast<ProxyState *>(u->module_state)->uri;
  if (!u->conf->pass.is_constant() && !uri.empty()) return uri;
  if (uri.empty() && is_untouched(of)) {
    Str origin = r->head.origin.empty() ? Str("/") : r->head.origin;
    return origin[0] == '/' || origin[0] == '*' ? origin : join(r, "/", origin, {});
  }
  const Location *l = r->location;
  bool is_located = l && l->match != Location::named && r->uri.data() == r->located_uri && r->uri.starts_with(l->name);
  size_t cut = is_located && !uri.empty() ? l->name.size() : 0;
  return join(r, is_located ? uri : Str{}, escaped(r, of, r->uri.substr(cut)), r->args);
}

// --- headers and body ------------------------------------------------------------------------------------------------

/// What nginx sends where proxy_set_header says nothing; an empty value sends nothing.
static constexpr Str kDefaultNames[] = {"Host", "Connection", "Content-Length", "Transfer-Encoding",
                                        "TE",   "Keep-Alive", "Expect",         "Upgrade"};

/// What a reply is to be that will be stored: whole, whatever part or condition the client has named.
static constexpr Str kCacheNames[] = {"If-Modified-Since", "If-Unmodified-Since", "If-None-Match", "If-Match", "Range",
                                      "If-Range"};

struct RequestWriter {
  Chain &to;
  BlockPool &pool;
  Arena &arena;  ///< for values that have to be encoded
  void put(Str s) { to.append(pool, s); }
  void field(Str name, Str value) {
    put(name);
    put(": ");
    put(header_value_safe(arena, value));
    put("\r\n");
  }
};

static const NamedValue *find_set(const UpstreamConf &conf, Str name) {
  for (const NamedValue &h : conf.set_headers)
    if (str_iequal(h.name, name)) return &h;
  return nullptr;
}

static bool is_replaced(const Upstream *u, Str name) {
  for (Str other : kDefaultNames)
    if (str_iequal(other, name)) return true;
  if (u->is_cacheable)
    for (Str other : kCacheNames)
      if (str_iequal(other, name)) return true;
  return find_set(*u->conf, name) != nullptr;
}

static Str number_text(Request *r, uint64_t n) {
  char text[24];
  return r->arena.dup(
      {text, static_cast<size_t>(snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(n)))});
}

struct SentBody {
  Str text;
  bool in_file = false;
  bool has_length = false;
  uint64_t size = 0;
};

static SentBody body_of(Upstream *u) {
  Request *r = u->r;
  SentBody b;
  if (u->conf->has_body) {
    b.text = complex_value(r, u->conf->body);
    b.size = b.text.size();
    b.has_length = true;
    return b;
  }
  const BodyState &state = r->body;
  if (u->stream) {
    b.has_length = !r->head.chunked;
    b.size = b.has_length ? upstream_body_length(u) : 0;
    return b;
  }
  b.has_length = r->head.has_content_length || r->head.chunked;
  if (state.state != BodyState::complete || !u->conf->pass_request_body) return b;
  if (state.in_file) {
    b.in_file = true;
    b.size = state.total;
  } else if (body_in_memory(r, b.text)) {
    b.size = b.text.size();
  }
  b.has_length |= b.size > 0;
  return b;
}

static Str default_value(Upstream *u, Str name, const SentBody &body) {
  if (name == "Host") return u->host;
  if (name == "Connection") return "close";
  if (name == "Content-Length" && body.has_length) return number_text(u->r, body.size);
  if (name == "Transfer-Encoding" && u->stream && !body.has_length) return "chunked";
  return {};
}

/// proxy_cache_revalidate: is the file that has expired still good?
static void put_conditions(Upstream *u, RequestWriter &w) {
  Str since = upstream_cache_last_modified(u), etag = upstream_cache_etag(u);
  if (!since.empty() && !find_set(*u->conf, "If-Modified-Since")) w.field("If-Modified-Since", since);
  if (!etag.empty() && !find_set(*u->conf, "If-None-Match")) w.field("If-None-Match", etag);
}

/// Does proxy_set_header tell another length than what follows the head has?
static bool is_misframed(Str name, Str value, const SentBody &body) {
  if (str_iequal(name, "transfer-encoding")) return !value.empty();
  if (!str_iequal(name, "content-length")) return false;
  uint64_t length = 0;
  return (!value.empty() && !str_to_u64(value, length)) || length != body.size;
}

static void put_headers(Upstream *u, RequestWriter &w, const SentBody &body) {
  Request *r = u->r;
  const UpstreamConf &conf = *u->conf;
  ProxyState *state = static_cast<ProxyState *>(u->module_state);
  state->asks_upgrade = state->is_misframed = false;
  for (const NamedValue &h : conf.set_headers) {
    Str value = complex_value(r, h.value);
    state->is_misframed |= is_misframed(h.name, value, body);
    if (value.empty()) continue;
    w.field(h.name, value);
    state->asks_upgrade |= str_iequal(h.name, "upgrade");
  }
  for (Str name : kDefaultNames) {
    if (find_set(conf, name)) continue;
    if (Str value = default_value(u, name, body); !value.empty()) w.field(name, value);
  }
  if (u->is_cacheable) put_conditions(u, w);
  if (!conf.pass_request_headers) return;
  for (const HttpHeader &h : r->head.headers)
    if (!is_replaced(u, h.name)) w.field(h.name, h.value);
}

static Rc create_request(Upstream *u) {
  Request *r = u->r;
  RequestWriter w{u->request, r->core->net.blocks, r->arena};
  Str method = complex_value(r, u->conf->method);
  u->uri = request_target_safe(r->arena, request_target(u));
  if (u->is_head_as_get)
    method = "GET";
  else if (method.empty())
    method = r->method;
  ProxyState *state = static_cast<ProxyState *>(u->module_state);
  state->is_head = str_iequal(method, "HEAD");
  state->interim = 0;
  w.put(request_target_safe(r->arena, method));
  w.put(" ");
  w.put(u->uri);
  w.put(u->conf->http_minor ? Str(" HTTP/1.1\r\n") : Str(" HTTP/1.0\r\n"));
  SentBody body = body_of(u);
  u->request_length = body.size;
  put_headers(u, w, body);
  w.put("\r\n");
  if (body.in_file && body.size)
    u->request.append_file(w.pool, r->body.fd, false, 0, body.size);
  else
    w.put(body.text);  // a stream's comes behind it
  return kOk;
}

/// As nginx's without proxy_cache_key: where the request goes.
static Str cache_key(Upstream *u) {
  Str server = join(u->r, u->schema, static_cast<ProxyState *>(u->module_state)->authority, {});
  return join(u->r, server, request_target(u), {});
}

/// The framing is to be ours: what proxy_set_header says of it must not stand beside a body that is still on its way.
static bool may_stream(Upstream *u) {
  const UpstreamConf &conf = *u->conf;
  if (conf.has_body || !conf.pass_request_body || (u->r->head.chunked && !conf.http_minor)) return false;
  return !find_set(conf, "Content-Length") && !find_set(conf, "Transfer-Encoding");
}

static const UpstreamModule kModule = {target,     create_request,      proxy_parse_head, proxy_process_head,
                                       proxy_body, proxy_end_of_stream, cache_key,        may_stream};

Rc proxy_run(Request *r) {
  return upstream_run(r, &kModule, &r->plan->upstream_confs[static_cast<size_t>(r->conf->upstream)]);
}

}  // namespace mw
