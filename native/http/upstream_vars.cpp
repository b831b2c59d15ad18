// SPDX-License-Identifier: MIT
// Variables that upstream modules have: what the request met on its way ($upstream_addr ...), and the proxy's own.
#include <stdio.h>

#include "http/upstream_cache.h"
#include "http/variable.h"

namespace mw {

/// One value for each attempt: ", " between servers, " : " where an internal redirect led to another upstream.
template <class Put>
static bool each_attempt(Request *r, Str &out, Put put) {
  if (!r->upstream || r->upstream->attempts.size == 0) return false;
  std::string text;
  for (const UpstreamAttempt &a : r->upstream->attempts) {
    if (!text.empty()) text += a.is_redirected ? " : " : ", ";
    put(a, text);
  }
  out = r->arena.dup(text);
  return true;
}

static void put_time(std::string &to, int64_t ms) {
  char text[32];
  if (ms < 0) {
    to += '-';
    return;
  }
  snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ms / 1000), static_cast<long long>(ms % 1000));
  to += text;
}

static bool get_addr(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) { to += a.peer; });
}
static bool get_status(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) {
    to += a.status ? std::to_string(a.status) : std::string("-");
  });
}
static bool get_response_time(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) { put_time(to, a.total_ms); });
}
static bool get_connect_time(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) { put_time(to, a.connect_ms); });
}
static bool get_header_time(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) { put_time(to, a.header_ms); });
}
static bool get_response_length(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) { to += std::to_string(a.body_bytes); });
}
static bool get_bytes_received(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) { to += std::to_string(a.bytes_in); });
}
static bool get_bytes_sent(Request *r, const VarDef &, Str &out) {
  return each_attempt(r, out, [](const UpstreamAttempt &a, std::string &to) { to += std::to_string(a.bytes_out); });
}
static constexpr Str kCacheStatusNames[] = {"", "MISS", "BYPASS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "HIT"};
static bool get_cache_status(Request *r, const VarDef &, Str &out) {
  if (!r->upstream || r->upstream->cache_status == CacheStatus::none) return false;
  out = kCacheStatusNames[static_cast<size_t>(r->upstream->cache_status)];
  return true;
}
static bool get_cache_last_modified(Request *r, const VarDef &, Str &out) {
  return r->upstream && !(out = upstream_cache_last_modified(r->upstream)).empty();
}
static bool get_cache_etag(Request *r, const VarDef &, Str &out) {
  return r->upstream && !(out = upstream_cache_etag(r->upstream)).empty();
}

static bool get_proxy_host(Request *r, const VarDef &, Str &out) {
  return r->upstream ? (out = r->upstream->host, out.data() != nullptr) : false;
}
static bool get_proxy_port(Request *r, const VarDef &, Str &out) {
  return r->upstream ? (out = r->upstream->port, out.data() != nullptr) : false;
}
static bool get_body_length(Request *r, const VarDef &, Str &out) {
  if (!r->upstream) return false;
  out = r->arena.dup(std::to_string(r->upstream->request_length));
  return true;
}
static bool get_forwarded_for(Request *r, const VarDef &, Str &out) {
  std::string text;
  for (const HttpHeader &h : r->head.headers)
    if (str_iequal(h.name, "x-forwarded-for")) text.append(text.empty() ? "" : ", ").append(h.value);
  char addr[64];
  text.append(text.empty() ? "" : ", ").append(addr, client_address_text(*r->main->client, addr));
  out = r->arena.dup(text);
  return true;
}

/// A reply's header by name, '-' standing for '_'.
static bool get_upstream_http(Request *r, const VarDef &def, Str &out) {
  if (!r->upstream) return false;
  std::string all;
  bool is_found = false;
  for (const HttpHeader &h : r->upstream->headers) {
    if (h.name.size() != def.name.size()) continue;
    bool same = true;
    for (size_t i = 0; same && i < h.name.size(); ++i) {
      unsigned char c = str_lower(static_cast<unsigned char>(h.name[i]));
      same = (c == '-' ? '_' : c) == static_cast<unsigned char>(def.name[i]);
    }
    if (!same) continue;
    all.append(is_found ? ", " : "").append(h.value);
    is_found = true;
  }
  if (is_found) out = all.empty() ? Str("") : r->arena.dup(all);
  return is_found;
}

static Str without_blanks(Str s) {
  while (s.starts_with(" ")) s.remove_prefix(1);
  return s;
}

static bool get_upstream_cookie(Request *r, const VarDef &def, Str &out) {
  if (!r->upstream) return false;
  for (const HttpHeader &h : r->upstream->headers) {
    if (!str_iequal(h.name, "set-cookie")) continue;
    Str pair = h.value.substr(0, h.value.find(';'));
    if (!str_istarts(pair, def.name)) continue;
    pair = without_blanks(pair.substr(def.name.size()));
    if (pair.starts_with("=")) return out = without_blanks(pair.substr(1)), true;
  }
  return false;
}

static constexpr NamedVar kNames[] = {
    {"upstream_addr", get_addr},
    {"upstream_status", get_status},
    {"upstream_response_time", get_response_time},
    {"upstream_connect_time", get_connect_time},
    {"upstream_header_time", get_header_time},
    {"upstream_response_length", get_response_length},
    {"upstream_bytes_received", get_bytes_received},
    {"upstream_bytes_sent", get_bytes_sent},
    {"upstream_cache_status", get_cache_status},
    {"upstream_cache_last_modified", get_cache_last_modified},
    {"upstream_cache_etag", get_cache_etag},
    {"proxy_host", get_proxy_host},
    {"proxy_port", get_proxy_port},
    {"proxy_add_x_forwarded_for", get_forwarded_for},
    {"proxy_internal_body_length", get_body_length},
};
static constexpr NamedVar kPrefixes[] = {{"upstream_http_", get_upstream_http},
                                         {"upstream_cookie_", get_upstream_cookie}};

bool upstream_variable_resolve(Str name, VarDef &def) { return variable_find(kNames, kPrefixes, name, def); }

void upstream_log_tail(const Request *r, std::string &out) {
  const Upstream *u = r->upstream;
  if (!u || u->peer.name.empty()) return;
  out.append(", upstream: \"").append(u->schema).append(u->peer.name);
  if (u->peer.name.starts_with("unix:") && !u->uri.empty()) out += ':';
  out.append(u->uri).append("\"");
}

}  // namespace mw
