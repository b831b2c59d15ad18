// SPDX-License-Identifier: MIT
// See userid.h. The bytes of a cookie are nginx's, so that either server knows the other's clients.
#include "http/modules/userid.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <iterator>

#include "base/base64.h"
#include "base/http_time.h"
#include "http/core.h"

namespace mw {

enum UserIdKind : uint8_t { kOff, kLog, kV1, kOn };

/// What the module knows of a main request. In its arena, found by request_kept().
struct UserIds {
  Str cookie;
  uint32_t got[4] = {}, set[4] = {};  ///< none while the last one is 0
};

static void keep(void *) {}  // names the state; all of it lies in the arena

static constexpr size_t kEncoded = 22;  ///< base64 of 16 bytes; what stands behind it may be the mark, or garbage

static void tell_bad(const Request *r, const char *how, Str cookie) {
  log_write(r->log(), kLogError, 0, &r->log_ctx, "client sent %s userid cookie \"%s=%.*s\"", how,
            r->conf->userid_name.c_str(), static_cast<int>(cookie.size()), cookie.data());
}

static UserIds *ids_of(Request *r) {
  if (auto *ids = static_cast<UserIds *>(request_kept(r, keep))) return ids;
  UserIds *ids = r->arena.make<UserIds>();
  request_on_free(r, keep, ids);
  if (!cookie_value(r, r->conf->userid_name, ids->cookie)) return ids;
  char bytes[base64_decoded_size(kEncoded)];
  if (ids->cookie.size() < kEncoded)
    tell_bad(r, "too short", ids->cookie);
  else if (base64_decode(ids->cookie.substr(0, kEncoded), bytes, Base64::STANDARD) != sizeof ids->got)
    tell_bad(r, "invalid", ids->cookie);
  else
    memcpy(ids->got, bytes, sizeof ids->got);
  return ids;
}

static Str as_text(Request *r, const uint32_t *id) {
  return r->arena.format("%s=%08X%08X%08X%08X", r->conf->userid_name.c_str(), id[0], id[1], id[2], id[3]);
}

// --- a new one -------------------------------------------------------------------------------------------------------

/// userid_service, or the address that the client has reached, of IPv6 its end.
static uint32_t service_of(const Request *r) {
  if (r->conf->userid_service >= 0) return htonl(static_cast<uint32_t>(r->conf->userid_service));
  union {
    sockaddr sa;
    sockaddr_in in;
    sockaddr_in6 in6;
    sockaddr_storage room;
  } a{};
  socklen_t len = sizeof a;
  if (r->conn->fd < 0 || getsockname(r->conn->fd, &a.sa, &len) < 0) return 0;
  uint32_t service = 0;
  if (a.sa.sa_family == AF_INET) service = a.in.sin_addr.s_addr;
  if (a.sa.sa_family == AF_INET6) memcpy(&service, a.in6.sin6_addr.s6_addr + 12, sizeof service);
  return service;
}

/// Of this worker: its start and its id, which no other one that lives has.
static uint32_t start_value(const Request *r) {
  static thread_local uint32_t start = 0;
  if (start) return start;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return start = static_cast<uint32_t>(now.tv_nsec / 20000) << 16 ^ static_cast<uint32_t>(r->core->abi->pid);
}

static constexpr uint32_t kFirst = 0x03030302;

static void make_new(Request *r, uint32_t *id) {
  static thread_local uint32_t next_v1 = 1, next = kFirst;
  uint32_t now = static_cast<uint32_t>(r->core->loop->wall_ms() / 1000);
  if (r->conf->userid[0] == kV1) {
    id[0] = r->conf->userid_service >= 0 ? static_cast<uint32_t>(r->conf->userid_service) : 0;
    id[1] = now;
    id[2] = start_value(r);
    id[3] = next_v1;
    next_v1 += 0x100;
    return;
  }
  id[0] = service_of(r);
  id[1] = htonl(now);
  id[2] = htonl(start_value(r));
  id[3] = htonl(next);
  next += 0x100;
  if (next < kFirst) next = kFirst;
}

/// $uid_reset: whether the client's cookie is to be replaced; "log" has that told.
static bool is_reset(Request *r, const UserIds &ids) {
  Str value = variable_value(r, r->conf->userid[1]);
  if (value.empty() || value == "0") return false;
  if (value == "log") {
    Str text = as_text(r, ids.got);
    log_write(r->log(), kLogNotice, 0, &r->log_ctx, "userid cookie \"%.*s\" was reset", static_cast<int>(text.size()),
              text.data());
  }
  return true;
}

static bool is_marked(const Request *r, Str cookie) {
  char mark = static_cast<char>(r->conf->userid_mark);
  return !mark || (cookie.size() > kEncoded + 1 && cookie[kEncoded] == mark && cookie[kEncoded + 1] == '=');
}

static void choose(Request *r, UserIds &ids) {
  if (ids.set[3]) return;
  if (!ids.got[3] || is_reset(r, ids)) return make_new(r, ids.set);
  if (!is_marked(r, ids.cookie)) memcpy(ids.set, ids.got, sizeof ids.set);
}

// --- the header ------------------------------------------------------------------------------------------------------

static void append_expires(const Request *r, std::string &out) {
  int64_t after = r->conf->userid_expires;
  if (after == 0) return;
  if (after < 0) {
    out += "; expires=Thu, 31-Dec-37 23:55:55 GMT";
    return;
  }
  char text[COOKIE_TIME_SIZE];
  size_t size = http_time_format_cookie(r->core->loop->wall_ms() / 1000 + after, text);
  out.append("; expires=").append(text, size);
}

void userid_filter(Request *r) {
  if (r->parent) return;
  const LocationConf &conf = *r->conf;
  UserIds &ids = *ids_of(r);
  choose(r, ids);
  if (!ids.set[3]) return;
  char encoded[base64_encoded_size(sizeof ids.set)];
  size_t size =
      base64_encode({reinterpret_cast<const char *>(ids.set), sizeof ids.set}, encoded, Base64::STANDARD, true);
  if (conf.userid_mark) encoded[kEncoded] = static_cast<char>(conf.userid_mark);
  std::string cookie = conf.userid_name + "=" + std::string(encoded, size);
  append_expires(r, cookie);
  if (!conf.userid_domain.empty()) cookie += "; domain=" + conf.userid_domain;
  cookie += "; path=" + conf.userid_path;
  static constexpr Str kFlags[] = {"secure", "httponly", "samesite=strict", "samesite=lax", "samesite=none"};
  for (size_t i = 0; i < std::size(kFlags); ++i)
    if (conf.userid_flags & 1U << i) cookie.append("; ").append(kFlags[i]);
  response_add_header(r, "Set-Cookie", cookie);
  if (!conf.userid_p3p.empty()) response_add_header(r, "P3P", conf.userid_p3p);
}

// --- variables -------------------------------------------------------------------------------------------------------

bool userid_var_got(Request *r, const VarDef &, Str &out) {
  if (r->conf->userid[0] == kOff) return false;
  const UserIds *ids = ids_of(r->main);
  return ids->got[3] && (out = as_text(r, ids->got), true);
}

bool userid_var_set(Request *r, const VarDef &, Str &out) {
  if (r->conf->userid[0] < kV1) return false;
  UserIds *ids = ids_of(r->main);
  choose(r->main, *ids);
  return ids->set[3] && (out = as_text(r, ids->set), true);
}

}  // namespace mw
