// SPDX-License-Identifier: MIT
// Owners, log lines and error texts of cosockets of every kind, see cosocket.h.
#include "abi/cosocket.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <unordered_map>

namespace mw {

// --- ownership -------------------------------------------------------------------------------------------------------

void cosocket_leave(Cosocket *s) {
  if (!s->owner) return;
  (s->prev ? s->prev->next : *s->owner) = s->next;
  if (s->next) s->next->prev = s->prev;
  s->next = s->prev = nullptr;
  s->owner = nullptr;
  s->r = nullptr;
  s->run = nullptr;
}

static void close_all(Cosocket **list) {
  while (Cosocket *s = *list) {
    s->drop(s);
    cosocket_leave(s);
  }
}
static void on_run_end(Run *run) { close_all(reinterpret_cast<Cosocket **>(&run->sockets)); }

static void own(Cosocket *s, Request *r);

/// What a subrequest leaves open goes to its main request, which goes last: others of that one do not get at it meanwhile.
static void on_request_end(void *arg) {
  Request *r = static_cast<Request *>(arg), *main = r->main;
  Cosocket **list = reinterpret_cast<Cosocket **>(&r->sockets);
  if (r == main) return close_all(list);
  while (Cosocket *s = *list) {
    cosocket_leave(s);
    own(s, main);
  }
}

static void put_on(Cosocket **list, Cosocket *s) {
  s->owner = list;
  s->next = *list;
  if (s->next) s->next->prev = s;
  *list = s;
}

static void own(Cosocket *s, Request *r) {
  Cosocket **list = reinterpret_cast<Cosocket **>(&r->sockets);
  if (!r->has_sockets) request_on_free(r, on_request_end, r);
  r->has_sockets = true;
  s->r = r;
  put_on(list, s);
}

const LocationConf &cosocket_conf() {
  const Run *run = vm_current->current->run;
  return run->r ? *run->r->conf : *run->conf;
}

bool cosocket_may_own() {
  constexpr int kMost = 16;
  const LightThread *t = vm_current->current;
  if (!t || !t->run->r) return false;
  int n = 0;
  for (const Cosocket *s = static_cast<const Cosocket *>(t->run->r->sockets); s && n < kMost; s = s->next) ++n;
  return n < kMost;
}

void cosocket_join(Cosocket *s) {
  Run *run = vm_current->current->run;
  s->conf = &cosocket_conf();
  if (s->r && s->r == run->r) return;
  cosocket_leave(s);
  if (s->is_shared) return;
  if (run->r) return own(s, run->r);
  s->run = run;
  run->on_end = on_run_end;
  put_on(reinterpret_cast<Cosocket **>(&run->sockets), s);
}

bool cosocket_is_owner(const Cosocket *s) {
  if (s->is_shared) return true;
  const LightThread *t = vm_current->current;
  return t && (t->run->r ? t->run->r == s->r : t->run == s->run);
}

// --- log lines -------------------------------------------------------------------------------------------------------

static const Log &log_of(const Cosocket *s, const LogContext **ctx) {
  const LightThread *t = vm_current->current;
  if (s->run) return run_log(s->run, ctx);
  if (!s->r && t) return run_log(t->run, ctx);
  if (!s->r) return *ctx = nullptr, *vm_current->core->log;
  *ctx = &s->r->log_ctx;
  return s->r->log();
}

/// What nginx writes behind the text of a line about a connection to a named peer: the peer, then what its owner says.
struct PeerContext : LogContext {
  const LogContext *inner;
  const Cosocket *s;
  const PeerAddress *peer;
};

static void write_peer_tail(const LogContext *ctx, std::string &out) {
  const PeerContext *c = static_cast<const PeerContext *>(ctx);
  out.append(", upstream: ").append(c->s->host);
  if (c->s->port >= 0) out.append(":").append(std::to_string(c->s->port));
  char address[kAddressText];
  Str text{address, address_text(*c->peer, address)};
  if (c->s->port >= 0) text = text.substr(0, text.rfind(':'));  // the port is there already
  out.append("(").append(text).append(")");
  if (c->inner && c->inner->tail) c->inner->tail(c->inner, out);
}

void cosocket_log(const Cosocket *s, LogLevelId level, int err, const PeerAddress *peer, const char *text) {
  const LocationConf *conf = s->owner || !vm_current->current ? s->conf : &cosocket_conf();
  if (s->is_shared || (conf && !conf->lua_socket_log_errors)) return;
  const LogContext *ctx;
  const Log &log = log_of(s, &ctx);
  PeerContext with_peer{{ctx ? ctx->connection : 0, write_peer_tail}, ctx, s, peer};
  bool is_named = peer && s->r;  // without a request, lua-nginx-module's lines end with the phase alone
  log_write(log, level, err, is_named ? &with_peer : ctx, "%s", text);
}

void cosocket_debug(const Cosocket *s, const char *format, ...) {
  if (!vm_is_debug(vm_current)) return;
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const LogContext *ctx;
  const Log &log = log_of(s, &ctx);
  log_write(log, kLogDebug, 0, ctx, "%s", text);
}

// --- error texts -----------------------------------------------------------------------------------------------------

static constexpr size_t kShownHost = 255;  ///< bytes of a host name that an error text shows

const char *cosocket_errno(int err) {
  if (err == ETIMEDOUT) return "timeout";
  // Not the socket's own: a light thread that was woken with it reads it later, when another may have failed on the socket.
  thread_local std::unordered_map<int, std::string> texts;
  std::string &known = texts[err];
  if (known.empty()) {
    char text[128];
    known = strerror_r(err, text, sizeof text);
    for (char &letter : known) letter = static_cast<char>(tolower(static_cast<unsigned char>(letter)));
  }
  return known.c_str();
}

const char *cosocket_not_resolved(Cosocket *s, const char *error) {
  s->error_text = s->host.substr(0, kShownHost) + " could not be resolved " + error;
  return s->error_text.c_str();
}

const char *cosocket_no_resolver(Cosocket *s) {
  if (!s->conf->resolver.servers.empty() || !vm_current->abi->is_strict_phases) return nullptr;
  s->error_text = "no resolver defined to resolve \"" + s->host.substr(0, kShownHost) + "\"";
  return s->error_text.c_str();
}

PeerAddress cosocket_pick(const std::vector<PeerAddress> &addresses, int32_t port) {
  thread_local uint32_t turn = 0;
  // Those of the family that comes first: IPv4 where there is any, since IPv6 may lead nowhere.
  const auto is_other = [&](const PeerAddress &a) { return a.sa.sa_family != addresses.front().sa.sa_family; };
  auto count = std::find_if(addresses.begin(), addresses.end(), is_other) - addresses.begin();
  PeerAddress a = addresses[turn++ % static_cast<size_t>(count)];
  address_set_port(a, static_cast<uint16_t>(port));
  return a;
}

}  // namespace mw
