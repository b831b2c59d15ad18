// SPDX-License-Identifier: MIT
// See request.h: pooling, and the response's headers.
#include "http/request.h"

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <type_traits>

#include "base/http_time.h"
#include "http/body.h"
#include "http/lua_hook.h"
#include "http/modules/access_log.h"
#include "http/output.h"
#include "http/subrequest.h"

namespace mw {

constinit thread_local const LuaHook *lua_hook = nullptr;

const Log &core_log(const HttpCore *core, const LocationConf *conf) {
  if (!conf || conf->error_logs.empty()) return *core->log;
  auto own = core->files->own.find(conf);
  return own == core->files->own.end() ? *core->log : own->second;
}

const Log &Request::log() const { return core_log(core, conf); }

// --- life ------------------------------------------------------------------------------------------------------------

Request *request_create(HttpCore *core, Connection *conn) {
  void *space;
  if (core->free_requests) {
    space = core->free_requests;
    core->free_requests = core->free_requests->next_free;
  } else {
    space = malloc(sizeof(Request));
    if (!space) abort();
  }
  static_assert(std::is_aggregate_v<Request>);  // else Request() clears nothing at once
  Request *r = new (space) Request();
  r->arena.use(&core->arenas);
  r->core = core;
  r->conn = conn;
  if (conn) r->client = &conn->peer;
  r->plan = core->p;
  r->main = r;
  r->vars_owner = r->out_root = r;
  r->list_next = core->requests;
  if (core->requests) core->requests->list_prev = r;
  core->requests = r;
  ++core->requests_total;
  ++core->requests_active;
  return r;
}

void request_on_free(Request *r, void (*run)(void *), void *arg) {
  Cleanup *c = r->arena.make<Cleanup>();
  *c = {r->cleanups, run, arg};
  r->cleanups = c;
}

void *request_kept(const Request *r, void (*run)(void *)) {
  for (const Cleanup *c = r->cleanups; c; c = c->next)
    if (c->run == run) return c->arg;
  return nullptr;
}

void request_free(Request *r) {
  HttpCore *core = r->core;
  if (core->is_debug && r == r->main) log_write(r->log(), kLogDebug, 0, &r->log_ctx, "http close request");
  if (r->subs) subrequest_free_all(r);
  for (Cleanup *c = r->cleanups; c; c = c->next) c->run(c->arg);
  if (lua_hook) lua_hook->release(r, LuaRelease::all);
  body_release(r);
  r->out.body.clear(core->net.blocks);
  r->out.ready.clear(core->net.blocks);
  if (r->pump_task.is_queued) core->loop->unpost(&r->pump_task);
  if (r->list_prev)
    r->list_prev->list_next = r->list_next;
  else
    core->requests = r->list_next;
  if (r->list_next) r->list_next->list_prev = r->list_prev;
  if (r->main == r) --core->requests_active;
  for (Postponed *p = r->postponed; p; p = p->next) p->data.clear(core->net.blocks);
  r->~Request();
  r->next_free = core->free_requests;
  core->free_requests = r;
}

HttpCore::~HttpCore() {
  while (Request *r = free_requests) {
    free_requests = r->next_free;
    free(r);
  }
}

Str request_header(const Request *r, Str name) {
  for (const HttpHeader &h : r->head.headers)
    if (str_iequal(h.name, name)) return h.value.data() ? h.value : Str("");
  return {};
}

/// What nginx reads anew from a header that a handler sets.
static void take_known_header(Request *r, Str name, Str value) {
  if (str_iequal(name, "host")) {
    bool is_literal = !value.empty() && value[0] == '[';
    Str host = value.substr(0, is_literal ? value.find(']') + 1 : value.find(':'));
    char *low = static_cast<char *>(r->arena.alloc(host.size()));
    for (size_t i = 0; i < host.size(); ++i) low[i] = static_cast<char>(str_lower(static_cast<unsigned char>(host[i])));
    r->host = {low, host.size()};
    return;
  }
  uint64_t length;
  bool is_length = str_iequal(name, "content-length") && r->body.state == BodyState::unread && !r->body.is_chunked;
  if (!is_length || !str_to_u64(value, length)) return;
  r->body.remaining = length;
  r->keepalive = false;  // where the body ends for the client, and the next request begins, cannot be told any more
}

void request_set_header(Request *r, Str name, Str value, bool append) {
  HeaderList &list = r->head.headers;
  Str key = r->arena.dup(name), text = r->arena.dup(value);
  if (r->abi.http_major == 0) return;  // HTTP/0.9 has none
  if (!append) take_known_header(r, key, text);
  if (!append)
    for (uint32_t i = 0; i < list.size(); ++i)
      if (str_iequal(list[i].name, key)) {
        list[i].value = text;
        for (uint32_t j = i + 1; j < list.size();) {
          if (str_iequal(list[j].name, key))
            list.erase(j);
          else
            ++j;
        }
        return;
      }
  if (list.push(key, text)) return;
  uint32_t capacity = list.capacity() * 2 + 8;
  list.move_to(static_cast<HttpHeader *>(r->arena.alloc(sizeof(HttpHeader) * capacity)), capacity);
  list.push(key, text);
}

// --- response headers ------------------------------------------------------------------------------------------------

enum class Text : uint8_t { name, value, target, plain };

/// A byte that may stand in no `text`, or would end it.
static constexpr bool is_bad(unsigned char c, Text text) {
  if (text == Text::plain) return c == '\r' || c == '\n' || c == 0;
  if (c < 0x20) return c != '\t' || text != Text::value;
  if (c == 0x7f) return true;
  return text == Text::name ? c == ' ' || c == ':' || c >= 0x80 : text == Text::target && c == ' ';
}

/// is_bad() of every byte, a bit for each Text: most texts have none, and are only looked through.
static constexpr std::array<uint8_t, 256> kBad = [] {
  std::array<uint8_t, 256> bad{};
  for (size_t c = 0; c < bad.size(); ++c)
    for (Text text : {Text::name, Text::value, Text::target, Text::plain})
      if (is_bad(static_cast<unsigned char>(c), text)) bad[c] |= 1 << static_cast<uint8_t>(text);
  return bad;
}();

static size_t count_bad(Str s, Text text) {
  size_t bad = 0;
  for (char c : s) bad += kBad[static_cast<unsigned char>(c)] >> static_cast<uint8_t>(text) & 1;
  return bad;
}

/// A copy in which the `bad` bytes of that kind are percent-encoded (as lua-nginx-module does).
static Str safe_copy(Arena &arena, Str s, Text text, size_t bad) {
  if (bad == 0 && !s.empty()) return arena.dup(s);
  char *to = static_cast<char *>(arena.alloc(s.size() + 2 * bad));
  char *at = to;
  for (char c : s) {
    unsigned char u = static_cast<unsigned char>(c);
    if (!is_bad(u, text)) {
      *at++ = c;
      continue;
    }
    *at++ = '%';
    *at++ = "0123456789ABCDEF"[u >> 4];
    *at++ = "0123456789ABCDEF"[u & 15];
  }
  return {to, static_cast<size_t>(at - to)};
}

static Str safe_copy(Arena &arena, Str s, Text text) { return safe_copy(arena, s, text, count_bad(s, text)); }

static Str safe(Arena &arena, Str s, Text text) {
  size_t bad = count_bad(s, text);
  return bad ? safe_copy(arena, s, text, bad) : s;
}

Str header_value_copy(Arena &arena, Str value) { return safe_copy(arena, value, Text::value); }
Str header_value_plain(Arena &arena, Str value) { return safe_copy(arena, value, Text::plain); }
Str header_value_safe(Arena &arena, Str value) { return safe(arena, value, Text::value); }
Str request_target_safe(Arena &arena, Str target) { return safe(arena, target, Text::target); }

enum Special : uint8_t { kNone, kContentType, kContentLength, kLocation, kLastModified, kServer, kDate, kConnection };

static Special special_of(Str name) {
  switch (name.size()) {
    case 4: return str_iequal(name, "date") ? kDate : kNone;
    case 6: return str_iequal(name, "server") ? kServer : kNone;
    case 8: return str_iequal(name, "location") ? kLocation : kNone;
    case 10: return str_iequal(name, "connection") ? kConnection : kNone;
    case 12: return str_iequal(name, "content-type") ? kContentType : kNone;
    case 13: return str_iequal(name, "last-modified") ? kLastModified : kNone;
    case 14: return str_iequal(name, "content-length") ? kContentLength : kNone;
    default: return kNone;
  }
}

/// Sets a field that Response holds apart. True when `name` is one (the list is left alone then).
static bool set_special(Request *r, Special which, Str value) {
  Response &resp = r->resp;
  uint64_t n;
  switch (which) {
    case kContentType:
      resp.content_type = safe_copy(r->arena, value, Text::value);
      resp.has_content_type = true;
      return true;
    case kContentLength:
      resp.content_length = str_to_u64(value, n) && n <= INT64_MAX ? static_cast<int64_t>(n) : -1;
      return true;
    case kLocation:
      resp.is_location_verbatim = true;
      resp.location = value.empty() ? Str("") : safe_copy(r->arena, value, Text::value);
      return true;
    case kLastModified: resp.last_modified = -1; return http_time_parse(value, resp.last_modified);
    case kServer: resp.has_server = true; return false;
    case kDate: resp.has_date = true; return false;
    case kConnection:
      resp.has_connection = true;
      if (str_iequal(value, "close")) r->keepalive = false;
      return false;
    case kNone: return false;
  }
  return false;
}

static void clear_special(Request *r, Special which) {
  Response &resp = r->resp;
  switch (which) {
    case kContentType:
      resp.content_type = {};
      resp.has_content_type = true;
      break;
    case kContentLength: resp.content_length = -1; break;
    case kLocation: resp.location = {}; break;
    case kLastModified: resp.last_modified = -1; break;
    case kServer: resp.has_server = true; break;
    case kDate: resp.has_date = true; break;
    case kConnection: resp.has_connection = false; break;
    case kNone: break;
  }
}

static void erase_listed(Request *r, Str name, uint32_t from) {
  ArenaVec<RespHeader> &list = r->resp.headers;
  for (uint32_t i = from; i < list.size;) {
    if (str_iequal(list.data[i].name, name))
      list.erase(i);
    else
      ++i;
  }
}

/// Framing is the output chain's: a second word on it would let the client read the message differently.
static bool is_framing(Str name) { return str_iequal(name, "transfer-encoding"); }

void response_set_header(Request *r, Str name, Str value) {
  if (is_framing(name)) return;
  if (set_special(r, special_of(name), value)) return;
  ArenaVec<RespHeader> &list = r->resp.headers;
  for (uint32_t i = 0; i < list.size; ++i)
    if (str_iequal(list.data[i].name, name)) {
      list.data[i].value = safe_copy(r->arena, value, Text::value);
      return erase_listed(r, name, i + 1);
    }
  response_add_header(r, name, value);
}

static void add_header(Request *r, Str name, Str value, Text text) {
  if (is_framing(name)) return;
  if (set_special(r, special_of(name), value)) return;
  RespHeader *h = r->resp.headers.push(r->arena);
  h->name = safe_copy(r->arena, name, Text::name);
  h->value = safe_copy(r->arena, value, text);
}

void response_add_header(Request *r, Str name, Str value) { add_header(r, name, value, Text::value); }
void response_add_header_plain(Request *r, Str name, Str value) { add_header(r, name, value, Text::plain); }

void response_clear_header(Request *r, Str name) {
  clear_special(r, special_of(name));
  erase_listed(r, name, 0);
}

static Str number_text(Request *r, int64_t v) {
  char text[24];
  int n = snprintf(text, sizeof text, "%lld", static_cast<long long>(v));
  return r->arena.dup({text, static_cast<size_t>(n)});
}

bool response_header_at(Request *r, Str name, uint32_t i, Str &value) {
  Response &resp = r->resp;
  switch (special_of(name)) {
    case kContentType:
      if (i > 0) return false;
      value = resp.content_type;
      return !value.empty();
    case kContentLength:
      if (i > 0 || resp.content_length < 0) return false;
      value = number_text(r, resp.content_length);
      return true;
    case kLocation: value = resp.location; return i == 0 && resp.location.data();
    case kLastModified:
      if (resp.last_modified < 0) break;
      if (i > 0) return false;
      {
        char text[HTTP_TIME_SIZE];
        http_time_format(resp.last_modified, text);
        value = r->arena.dup({text, sizeof text});
      }
      return true;
    default: break;
  }
  for (const RespHeader &h : resp.headers)
    if (str_iequal(h.name, name) && i-- == 0) {
      value = h.value;
      return true;
    }
  return false;
}

Str response_header(Request *r, Str name) {
  Str value;
  return response_header_at(r, name, 0, value) ? value : Str{};
}

/// The extension of the path, lower case, or empty.
static Str extension(const Request *r, char *buf, size_t room) {
  size_t after = r->uri.size();
  while (after > 0 && r->uri[after - 1] != '/' && r->uri[after - 1] != '.') --after;
  if (after == 0 || r->uri[after - 1] == '/') return {};
  Str ext = r->uri.substr(after);
  if (ext.size() > room) return {};
  for (size_t i = 0; i < ext.size(); ++i) buf[i] = static_cast<char>(str_lower(static_cast<unsigned char>(ext[i])));
  return {buf, ext.size()};
}

void response_default_type(Request *r) {
  Response &resp = r->resp;
  if (resp.has_content_type) return;
  resp.has_content_type = true;
  resp.content_type = r->conf->default_type;
  char buf[32];
  Str ext = extension(r, buf, sizeof buf);
  if (ext.empty() || r->conf->types < 0) return;
  const auto &types = r->plan->types[static_cast<size_t>(r->conf->types)];
  auto found = types.find(std::string(ext));
  if (found != types.end()) resp.content_type = found->second;
}

}  // namespace mw
