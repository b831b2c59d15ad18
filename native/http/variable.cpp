// SPDX-License-Identifier: MIT
// See variable.h. The built-in variables stand in one table, kBuiltins; what `set` declares is in user_variable.cpp, those of smaller
// modules in variable_modules.cpp, of upstreams in upstream_vars.cpp.
#include "http/variable.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "base/urlencode.h"
#include "http/body.h"
#include "http/modules/access.h"
#include "http/modules/echo.h"
#include "http/modules/geo.h"
#include "http/modules/limit.h"
#include "http/modules/limit_rate.h"
#include "http/modules/map.h"
#include "http/modules/realip.h"
#include "http/modules/referer.h"
#include "http/modules/secure_link.h"
#include "http/modules/split_clients.h"
#include "http/modules/static.h"
#include "http/phase.h"
#include "http/upstream.h"
#include "http/user_variable.h"

namespace mw {

// --- text helpers ----------------------------------------------------------------------------------------------------

struct LocalAddress {
  char text[128];
  size_t size = 0;
  uint16_t port = 0;
};

static LocalAddress local_address(const Request *r) {
  LocalAddress out;
  union {
    sockaddr sa;
    sockaddr_in in;
    sockaddr_in6 in6;
    sockaddr_un un;
  } a;
  socklen_t len = sizeof a;
  if (r->conn->fd < 0 || getsockname(r->conn->fd, &a.sa, &len) < 0) return out;
  if (a.sa.sa_family == AF_INET) {
    inet_ntop(AF_INET, &a.in.sin_addr, out.text, sizeof out.text);
    out.port = ntohs(a.in.sin_port);
  } else if (a.sa.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &a.in6.sin6_addr, out.text, sizeof out.text);
    out.port = ntohs(a.in6.sin6_port);
  } else {
    snprintf(out.text, sizeof out.text, "unix:%.100s", a.un.sun_path);
  }
  out.size = strlen(out.text);
  return out;
}

LocalName connection_local_name(const Request *r) {
  LocalName out;
  LocalAddress a = local_address(r);
  if (a.port == 0) return out;
  bool is_ip6 = strchr(a.text, ':') != nullptr;
  snprintf(out.host, sizeof out.host, is_ip6 ? "[%s]" : "%s", a.text);
  if (a.port != 80) snprintf(out.port, sizeof out.port, ":%u", a.port);
  return out;
}

// --- built in --------------------------------------------------------------------------------------------------------

static bool get_args(Request *r, const VarDef &, Str &out) { return out = r->args, out.data() != nullptr; }
static bool set_args(Request *r, const VarDef &, Str v) {
  r->args = v.data() && v.empty() ? Str("") : r->arena.dup(v);
  return true;
}
static bool get_is_args(Request *r, const VarDef &, Str &out) {
  return out = r->args.empty() ? Str("") : Str("?"), true;
}
static bool get_uri(Request *r, const VarDef &, Str &out) { return out = r->uri, true; }
static bool get_request_uri(Request *r, const VarDef &, Str &out) { return out = r->unparsed_uri, true; }
static bool get_method(Request *r, const VarDef &, Str &out) { return out = r->main->method, !out.empty(); }
static bool get_request_line(Request *r, const VarDef &, Str &out) { return out = r->request_line, true; }
static bool get_scheme(Request *, const VarDef &, Str &out) { return out = "http", true; }
static bool get_https(Request *, const VarDef &, Str &out) { return out = "", true; }
static bool get_server_name(Request *r, const VarDef &, Str &out) { return out = r->server->primary_name, true; }
static bool get_host(Request *r, const VarDef &, Str &out) {
  return out = r->host.empty() ? Str(r->server->primary_name) : r->host, true;
}
static bool get_hostname(Request *r, const VarDef &, Str &out) {
  char name[256];
  if (gethostname(name, sizeof name) < 0) return false;
  return out = r->arena.dup(name), true;
}
static bool get_protocol(Request *r, const VarDef &, Str &out) {
  if (r->abi.http_major == 0) return out = "HTTP/0.9", true;
  return out = r->abi.http_minor ? Str("HTTP/1.1") : Str("HTTP/1.0"), true;
}
static bool get_remote_addr(Request *r, const VarDef &, Str &out) {
  char text[64];
  return out = r->arena.dup({text, client_address_text(*r->main->client, text)}), true;
}
static bool get_remote_port(Request *r, const VarDef &, Str &out) {
  uint16_t port = client_address_port(*r->main->client);
  return out = port ? r->arena.format("%u", port) : Str(""), true;
}
static bool get_binary_remote_addr(Request *r, const VarDef &, Str &out) {
  const ClientAddress &a = *r->main->client;
  if (a.len && a.sa.sa_family == AF_INET)
    out = r->arena.dup({reinterpret_cast<const char *>(&a.in.sin_addr), 4});
  else if (a.len)
    out = r->arena.dup({reinterpret_cast<const char *>(&a.in6.sin6_addr), 16});
  else
    out = "unix:";
  return true;
}
static bool get_server_addr(Request *r, const VarDef &, Str &out) {
  LocalAddress a = local_address(r);
  return out = r->arena.dup({a.text, a.size}), true;
}
static bool get_server_port(Request *r, const VarDef &, Str &out) {
  uint16_t port = local_address(r).port;
  return out = port ? r->arena.format("%u", port) : Str(""), true;
}
static bool get_connection(Request *r, const VarDef &, Str &out) {
  return out = r->arena.format("%llu", static_cast<unsigned long long>(r->conn->number)), true;
}
static bool get_connection_requests(Request *r, const VarDef &, Str &out) {
  return out = r->arena.format("%u", r->conn->requests), true;
}
static bool get_document_root(Request *r, const VarDef &, Str &out) {
  return out = complex_value(r, r->conf->root), true;
}
static bool get_realpath_root(Request *r, const VarDef &, Str &out) {
  std::string root(complex_value(r, r->conf->root));
  char real[PATH_MAX];
  if (!realpath(root.c_str(), real)) return false;
  return out = r->arena.dup(real), true;
}
static bool get_request_filename(Request *r, const VarDef &, Str &out) { return out = static_path(r, r->uri), true; }
static bool get_status(Request *r, const VarDef &, Str &out) {
  int32_t status = r->err_status ? r->err_status : r->abi.status;
  return out = r->arena.format("%03d", status), true;
}
static bool get_body_bytes_sent(Request *r, const VarDef &, Str &out) {
  return out = r->arena.format("%llu", static_cast<unsigned long long>(r->out.body_bytes)), true;
}
static bool get_bytes_sent(Request *r, const VarDef &, Str &out) {
  uint64_t sent = r->out.is_serialized ? r->conn->bytes_sent + r->conn->out.bytes() - r->out.sent_mark : 0;
  return out = r->arena.format("%llu", static_cast<unsigned long long>(sent)), true;
}
static bool get_request_time(Request *r, const VarDef &, Str &out) {
  uint64_t ms = r->core->loop->now_ms() - r->start_mono;
  return out = r->arena.format("%llu.%03llu", static_cast<unsigned long long>(ms / 1000),
                               static_cast<unsigned long long>(ms % 1000)),
         true;
}
static bool get_request_length(Request *r, const VarDef &, Str &out) {
  return out = r->arena.format("%llu", static_cast<unsigned long long>(r->raw_head.size() + r->body.total)), true;
}
static bool get_request_completion(Request *r, const VarDef &, Str &out) {
  return out = r->out.is_last_framed ? Str("OK") : Str(""), true;
}
/// An empty body that the client sent is empty, none at all is nothing: nginx's difference.
static bool get_request_body(Request *r, const VarDef &, Str &out) {
  const BodyState &b = r->body;
  if (body_in_memory(r, out)) return true;
  if (!r->abi.body_read || b.state != BodyState::complete || b.in_file || b.is_replaced) return false;
  return out = "", b.is_chunked || request_header(r, "content-length").data();
}
static bool get_request_body_file(Request *r, const VarDef &, Str &out) {
  return out = r->body.path, r->body.in_file && !r->body.path.empty();
}
static bool get_request_id(Request *r, const VarDef &, Str &out) {
  // 16 bytes, stable over the request: the connection, its request count, the start and the address of this object.
  uint64_t a = r->conn->number * 0x9e3779b97f4a7c15ull ^ static_cast<uint64_t>(r->start_ms) << 20 ^ r->conn->requests;
  uint64_t b = (a ^ (a >> 29)) * 0xbf58476d1ce4e5b9ull ^ reinterpret_cast<uintptr_t>(r->core);
  return out = r->arena.format("%016llx%016llx", static_cast<unsigned long long>(a),
                               static_cast<unsigned long long>(b ^ (b >> 32))),
         true;
}
static bool get_content_length(Request *r, const VarDef &, Str &out) {
  if ((out = request_header(r, "content-length")).data()) return true;
  const BodyState &b = r->body;  // of a chunked one it is known once it has been read
  if (!b.is_chunked || b.state != BodyState::complete) return false;
  return out = r->arena.format("%llu", static_cast<unsigned long long>(b.total)), true;
}
static bool get_content_type(Request *r, const VarDef &, Str &out) {
  return out = forwarded_list(r, "content-type"), out.data();
}
static bool get_nginx_version(Request *, const VarDef &, Str &out) { return out = "1.29.2", true; }
static bool get_pid(Request *r, const VarDef &, Str &out) {
  return out = r->arena.format("%d", r->core->abi->pid), true;
}
static bool get_msec(Request *r, const VarDef &, Str &out) {
  long long ms = r->core->loop->wall_ms();
  return out = r->arena.format("%lld.%03lld", ms / 1000, ms % 1000), true;
}
static bool get_time_local(Request *r, const VarDef &, Str &out) { return out = r->core->log_time, true; }
static bool get_time_iso8601(Request *r, const VarDef &, Str &out) { return out = r->core->log_time_iso, true; }
static bool get_remote_user(Request *r, const VarDef &, Str &out) {
  Str password;
  return auth_basic_credentials(r, out, password);
}

static bool get_echo_client_headers(Request *r, const VarDef &, Str &out) {
  out = r->main->raw_head;
  while (!out.empty() && (out[0] == '\r' || out[0] == '\n')) out.remove_prefix(1);  // RFC 9112, section 2.2
  return true;
}
static bool get_echo_client_method(Request *r, const VarDef &, Str &out) { return out = r->main->head.method, true; }
static bool get_echo_method(Request *r, const VarDef &, Str &out) { return out = r->method, true; }
static bool get_echo_request_body(Request *r, const VarDef &, Str &out) {
  return r->body.state != BodyState::complete || body_in_memory(r, out);  // none of one in a file
}
static bool get_echo_uri(Request *r, const VarDef &, Str &out) {
  char *to = static_cast<char *>(r->arena.alloc(url_escaped_size(r->uri, ESCAPE_URI) + r->args.size() + 1));
  char *at = url_escape(r->uri, ESCAPE_URI, to);
  if (!r->args.empty()) at = str_put(str_put(at, "?"), r->args);
  return out = {to, static_cast<size_t>(at - to)}, true;
}
static bool get_echo_response_status(Request *r, const VarDef &, Str &out) {
  if (r->abi.status == 0 || !r->abi.header_sent) return false;
  return out = r->arena.format("%d", r->abi.status), true;
}
static bool get_echo_incr(Request *r, const VarDef &, Str &out) {
  return out = r->arena.format("%u", ++r->main->echo_incr), true;
}

static constexpr NamedVar kBuiltins[] = {
    {"args", get_args, set_args},
    {"query_string", get_args, nullptr},
    {"is_args", get_is_args, nullptr},
    {"uri", get_uri, nullptr},
    {"document_uri", get_uri, nullptr},
    {"request_uri", get_request_uri, nullptr},
    {"request_method", get_method, nullptr},
    {"request", get_request_line, nullptr},
    {"scheme", get_scheme, nullptr},
    {"https", get_https, nullptr},
    {"server_name", get_server_name, nullptr},
    {"host", get_host, nullptr},
    {"hostname", get_hostname, nullptr},
    {"server_protocol", get_protocol, nullptr},
    {"remote_addr", get_remote_addr, nullptr},
    {"remote_port", get_remote_port, nullptr},
    {"echo_it", echo_var_it, nullptr},
    {"echo_timer_elapsed", echo_var_timer_elapsed, nullptr},
    {"echo_client_request_headers", get_echo_client_headers, nullptr},
    {"echo_client_request_method", get_echo_client_method, nullptr},
    {"echo_request_method", get_echo_method, nullptr},
    {"echo_request_uri", get_echo_uri, nullptr},
    {"echo_cacheable_request_uri", get_echo_uri, nullptr},
    {"echo_request_body", get_echo_request_body, nullptr},
    {"echo_response_status", get_echo_response_status, nullptr},
    {"echo_incr", get_echo_incr, nullptr},
    {"binary_remote_addr", get_binary_remote_addr, nullptr},
    {"realip_remote_addr", realip_var_addr, nullptr},
    {"realip_remote_port", realip_var_port, nullptr},
    {"invalid_referer", referer_var_invalid, nullptr},
    {"limit_req_status", limit_var_req_status, nullptr},
    {"limit_conn_status", limit_var_conn_status, nullptr},
    {"server_addr", get_server_addr, nullptr},
    {"server_port", get_server_port, nullptr},
    {"connection", get_connection, nullptr},
    {"connection_requests", get_connection_requests, nullptr},
    {"document_root", get_document_root, nullptr},
    {"realpath_root", get_realpath_root, nullptr},
    {"request_filename", get_request_filename, nullptr},
    {"status", get_status, nullptr},
    {"body_bytes_sent", get_body_bytes_sent, nullptr},
    {"bytes_sent", get_bytes_sent, nullptr},
    {"request_time", get_request_time, nullptr},
    {"request_length", get_request_length, nullptr},
    {"request_completion", get_request_completion, nullptr},
    {"request_body", get_request_body, nullptr},
    {"request_body_file", get_request_body_file, nullptr},
    {"request_id", get_request_id, nullptr},
    {"content_length", get_content_length, nullptr},
    {"content_type", get_content_type, nullptr},
    {"secure_link", secure_link_var, nullptr},
    {"secure_link_expires", secure_link_var_expires, nullptr},
    {"limit_rate", limit_rate_var, limit_rate_var_set},
    {"remote_user", get_remote_user, nullptr},
    {"nginx_version", get_nginx_version, nullptr},
    {"pid", get_pid, nullptr},
    {"msec", get_msec, nullptr},
    {"time_local", get_time_local, nullptr},
    {"time_iso8601", get_time_iso8601, nullptr},
};

// --- families --------------------------------------------------------------------------------------------------------

/// Compares a header's name with a variable's: '-' stands for '_'.
static bool is_header(Str header, Str name) {
  if (header.size() != name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    unsigned char c = str_lower(static_cast<unsigned char>(header[i]));
    if (c == '-') c = '_';
    if (c != str_lower(static_cast<unsigned char>(name[i]))) return false;
  }
  return true;
}

/// Values of one name are joined: ", " for most, "; " for Cookie.
static void join(Request *r, Str &out, Str value, Str separator) {
  if (!out.data()) {
    out = value.data() ? value : Str("");
    return;
  }
  char *to = static_cast<char *>(r->arena.alloc(out.size() + separator.size() + value.size()));
  str_put(str_put(str_put(to, out), separator), value);
  out = {to, out.size() + separator.size() + value.size()};
}

static bool get_http(Request *r, const VarDef &def, Str &out) {
  out = {};
  for (const HttpHeader &h : r->head.headers)
    if (is_header(h.name, def.name)) join(r, out, h.value, def.name == "cookie" ? "; " : ", ");
  return out.data() != nullptr;
}

static bool get_sent_http(Request *r, const VarDef &def, Str &out) {
  std::string name(def.name);
  for (char &c : name) c = c == '_' ? '-' : c;
  out = {};
  Str value;
  for (uint32_t i = 0; response_header_at(r, name, i, value); ++i) join(r, out, value, ", ");
  if (out.data()) return true;
  if (name == "transfer-encoding" && r->out.is_chunked) return out = "chunked", true;
  if (name == "connection" && r->out.is_serialized)
    return out = r->abi.status == 101 ? "upgrade" : r->keepalive ? "keep-alive" : "close", true;
  if (name == "content-length" && r->out.is_last_framed && !r->out.is_chunked)
    return out = r->arena.format("%llu", static_cast<unsigned long long>(r->out.body_bytes)), true;
  return false;
}

static bool get_arg(Request *r, const VarDef &def, Str &out) {
  if (def.name.empty()) return false;
  Str rest = r->args;
  while (!rest.empty()) {
    size_t amp = rest.find('&');
    Str pair = rest.substr(0, amp);
    rest = amp == Str::npos ? Str{} : rest.substr(amp + 1);
    size_t eq = pair.find('=');
    if (eq == Str::npos || !str_iequal(pair.substr(0, eq), def.name)) continue;
    out = pair.substr(eq + 1);
    return true;
  }
  return false;
}

bool cookie_value(const Request *r, Str name, Str &out) {
  for (const HttpHeader &h : r->head.headers) {
    if (!str_iequal(h.name, "cookie")) continue;
    Str rest = h.value;
    while (!rest.empty()) {
      size_t end = rest.find(';');
      Str pair = rest.substr(0, end);
      rest = end == Str::npos ? Str{} : rest.substr(end + 1);
      while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
      size_t eq = pair.find('=');
      if (eq != Str::npos && str_iequal(pair.substr(0, eq), name)) return out = pair.substr(eq + 1), true;
    }
  }
  return false;
}
static bool get_cookie(Request *r, const VarDef &def, Str &out) { return cookie_value(r, def.name, out); }

static constexpr NamedVar kFamilies[] = {
    {"sent_http_", get_sent_http}, {"http_", get_http}, {"arg_", get_arg}, {"cookie_", get_cookie}};

// --- tables ----------------------------------------------------------------------------------------------------------

bool variable_find(std::span<const NamedVar> names, std::span<const NamedVar> families, Str name, VarDef &def) {
  for (const NamedVar &n : names)
    if (n.name == name) {
      def = {std::string(name), -1, n.get, n.set};
      return true;
    }
  for (const NamedVar &f : families)
    if (name.starts_with(f.name)) {
      def = {std::string(name.substr(f.name.size())), -1, f.get, f.set};
      return true;
    }
  return false;
}

bool variable_resolve(const Plan &plan, Str name, VarDef &def) {
  for (int32_t slot : plan.user_variables)
    if (plan.variables[static_cast<size_t>(slot)] == name) {
      const std::vector<int32_t> &unset = plan.unset_variables;
      bool is_unset = std::find(unset.begin(), unset.end(), slot) != unset.end();
      def = {std::string(name), slot, is_unset ? user_variable_get_unset : user_variable_get, user_variable_set,
             map_of_variable(plan, name)};
      if (def.table >= 0) return def.get = map_get, true;
      if ((def.table = geo_of_variable(plan, name)) >= 0) return def.get = geo_get, true;
      if ((def.table = split_of_variable(plan, name)) >= 0) return def.get = split_get, true;
      if (variable_find(kBuiltins, {}, name, def)) return true;  // `set $args ...` changes the built-in one
      VarDef family;
      if (!is_unset && (variable_find({}, kFamilies, name, family) || upstream_variable_resolve(name, family)))
        def.name = family.name, def.unset = family.get, def.get = user_variable_get_weak;
      return true;
    }
  return variable_find(kBuiltins, kFamilies, name, def) || upstream_variable_resolve(name, def) ||
         module_variable_resolve(name, def);
}

std::shared_ptr<const VarTable> variable_build(const Plan &plan, Problems &problems) {
  auto table = std::make_shared<VarTable>();
  for (const std::string &name : plan.variables) {
    VarDef def;
    if (!variable_resolve(plan, name, def)) problems.add("unknown \"" + name + "\" variable");
    table->defs.push_back(std::move(def));
  }
  table->maps = map_build(plan);
  table->regexes.resize(plan.regexes.size());
  for (size_t i = 0; i < plan.regexes.size(); ++i) {
    const RegexSource &source = plan.regexes[i];
    conf_regex_compile(plan, source.pattern, source.is_icase, source.pos, table->regexes[i], problems);
  }
  return table;
}

Str variable_value(Request *r, int32_t index) {
  const VarDef &def = r->core->vars->defs[static_cast<size_t>(index)];
  Str out;
  return def.get(r, def, out) ? out : Str{};
}

void variable_set(Request *r, int32_t index, Str value) {
  const VarDef &def = r->core->vars->defs[static_cast<size_t>(index)];
  if (def.set) def.set(r, def, value);
}

Str variable_capture(const Request *r, int32_t n) {
  uint32_t i = static_cast<uint32_t>(n);
  if (i >= r->captures_n || r->captures[2 * i] == SIZE_MAX) return {};
  return r->capture_subject.substr(r->captures[2 * i], r->captures[2 * i + 1] - r->captures[2 * i]);
}

static Str escaped_capture(Request *r, int32_t n) {
  Str value = variable_capture(r, n);
  size_t size = url_escaped_size(value, ESCAPE_ARGS);
  if (size == value.size()) return value;
  char *to = static_cast<char *>(r->arena.alloc(size));
  url_escape(value, ESCAPE_ARGS, to);
  return {to, size};
}

Str complex_value(Request *r, const ComplexValue &value, bool escape_captures) {
  if (value.is_constant()) return value.constant();
  constexpr size_t kInline = 32;
  Str inline_parts[kInline];
  size_t n = value.parts.size();
  Str *parts = n <= kInline ? inline_parts : r->arena.make_array<Str>(n);
  size_t size = 0;
  for (size_t i = 0; i < n; ++i) {
    const ComplexValue::Part &p = value.parts[i];
    parts[i] = p.var >= 0        ? variable_value(r, p.var)
               : p.capture < 0   ? Str(p.literal)
               : escape_captures ? escaped_capture(r, p.capture)
                                 : variable_capture(r, p.capture);
    size += parts[i].size();
  }
  char *to = static_cast<char *>(r->arena.alloc(size + 1)), *at = to;
  for (size_t i = 0; i < n; ++i) at = str_put(at, parts[i]);
  *at = 0;
  return {to, size};
}

}  // namespace mw
