// SPDX-License-Identifier: MIT
// See upstream.h: whom a request goes to. A group, a literal address, or a name that is looked up now, all of whose addresses
// are then asked in turn. Worker's thread.
#include <stddef.h>

#include "http/upstream.h"
#include "http/variable.h"
#include "net/resolver.h"

namespace mw {

/// The group of that name: an upstream block's, or one that a constant address made.
static bool find_group(Upstream *u, Str authority) {
  const PeerTable &table = *u->r->core->peers;
  for (size_t i = 0; i < table.groups.size(); ++i) {
    if (!str_iequal(table.groups[i].conf->name, authority)) continue;
    u->peer.group = &table.groups[i];
    u->peer.group_index = static_cast<int32_t>(i);
    return true;
  }
  return false;
}

Rc upstream_find_target(Upstream *u, Str authority, uint16_t default_port) {
  Request *r = u->r;
  if (u->conf->group >= 0) {
    u->peer.group_index = u->conf->group;
    u->peer.group = &r->core->peers->groups[static_cast<size_t>(u->conf->group)];
    return kOk;
  }
  if (find_group(u, authority)) return kOk;
  if (address_parse(authority, default_port, u->peer.address)) {
    char text[kAddressText];
    u->peer.name = r->arena.dup({text, address_text(u->peer.address, text)});
    return kOk;
  }
  size_t colon = authority.rfind(':');
  Str host = authority.substr(0, colon);
  uint64_t port = default_port;
  if (colon != Str::npos && (!str_to_u64(authority.substr(colon + 1), port) || port == 0 || port > 65535)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "invalid port in upstream \"%.*s\"",
              static_cast<int>(authority.size()), authority.data());
    return 500;
  }
  if (host.empty() || authority.starts_with("unix:")) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "no host in upstream \"%.*s\"", static_cast<int>(authority.size()),
              authority.data());
    return 500;
  }
  if (r->conf->resolver.servers.empty()) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "no resolver defined to resolve %.*s", static_cast<int>(host.size()),
              host.data());
    return 502;
  }
  u->resolve_host = r->arena.dup(host);
  u->resolve_port = static_cast<uint16_t>(port);
  return kOk;
}

// --- groups ----------------------------------------------------------------------------------------------------------

/// The bytes of the client's address that ip_hash looks at: of IPv4 the network alone.
static Str address_key(const Request *r) {
  const ClientAddress &a = *r->main->client;
  if (a.len && a.sa.sa_family == AF_INET) return {reinterpret_cast<const char *>(&a.in.sin_addr), 3};
  if (a.len && a.sa.sa_family == AF_INET6) return {reinterpret_cast<const char *>(&a.in6.sin6_addr), 16};
  return {"\0\0\0", 3};
}

/// What its method needs of the request. An empty key leaves it to the turn.
static void begin_walk(Upstream *u, const UpstreamGroup &conf) {
  Request *r = u->r;
  PeerWalk walk;
  switch (conf.method) {
    case BalanceMethod::round_robin:
    case BalanceMethod::least_conn: return;
    case BalanceMethod::hash:
    case BalanceMethod::consistent_hash:
      walk.key = complex_value(r, conf.hash_key);
      if (walk.key.empty()) return;
      break;
    case BalanceMethod::ip_hash:
      walk.key = address_key(r);
      walk.hash = 89;
      break;
    case BalanceMethod::random:
    case BalanceMethod::random_two: break;
  }
  u->peer.walk = r->arena.make<PeerWalk>();
  *u->peer.walk = walk;
}

void upstream_enter_group(Upstream *u) {
  const PeerGroup &group = *u->peer.group;
  const UpstreamGroup &conf = *group.conf;
  u->peer.keep = {conf.keepalive, conf.keepalive_requests, conf.keepalive_timeout, conf.keepalive_time};
  if (conf.balancer_script >= 0) u->balancer = u->r->arena.make<UpstreamBalancer>();
  if (group.peers.size() > 64) u->peer.tried = u->r->arena.make_array<uint8_t>(group.peers.size());
  begin_walk(u, conf);
}

// --- names -----------------------------------------------------------------------------------------------------------

/// Someone waits for the addresses of a name; in the request's arena.
struct UpstreamLookup {
  Lookup lookup;
  Upstream *u = nullptr;
  void (*found)(Upstream *u, Rc rc) = nullptr;
};

static Resolver &resolver_of(const Upstream *u) { return u->r->core->resolvers->of(u->r->conf->resolver); }

/// All of them, beginning with another one each time, as nginx's peers of a resolved name do.
static void take_addresses(Upstream *u, const std::vector<PeerAddress> &addresses) {
  thread_local uint32_t turn = 0;
  Arena &arena = u->r->arena;
  uint32_t n = static_cast<uint32_t>(addresses.size()), first = turn++;
  ResolvedPeer *peers = arena.make_array<ResolvedPeer>(n);
  for (uint32_t i = 0; i < n; ++i) {
    PeerAddress &a = peers[i].address = addresses[(first + i) % n];
    address_set_port(a, u->resolve_port);
    char text[kAddressText];
    peers[i].name = arena.dup({text, address_text(a, text)});
  }
  u->peer.resolved = peers;
  u->peer.resolved_n = n;
}

static void on_resolved(Lookup *l, const char *error, const std::vector<PeerAddress> *addresses) {
  UpstreamLookup *w =
      reinterpret_cast<UpstreamLookup *>(reinterpret_cast<char *>(l) - offsetof(UpstreamLookup, lookup));
  Upstream *u = w->u;
  if (error) {
    log_write(u->r->log(), kLogError, 0, &u->r->log_ctx, "%.*s could not be resolved %s",
              static_cast<int>(u->resolve_host.size()), u->resolve_host.data(), error);
    return w->found(u, 502);
  }
  take_addresses(u, *addresses);
  w->found(u, kOk);
}

Rc upstream_resolve(Upstream *u, void (*found)(Upstream *u, Rc rc)) {
  UpstreamLookup *w = u->lookup = u->r->arena.make<UpstreamLookup>();
  w->u = u;
  w->found = found;
  w->lookup.done = on_resolved;
  const std::vector<PeerAddress> *known =
      resolver_of(u).find(u->resolve_host, &w->lookup, u->r->conf->resolver_timeout);
  if (!known) return kAgain;
  take_addresses(u, *known);
  return kOk;
}

void upstream_resolve_cancel(Upstream *u) {
  if (u->lookup && u->lookup->lookup.name) resolver_of(u).cancel(&u->lookup->lookup);
}

// --- the local address -----------------------------------------------------------------------------------------------

Rc upstream_set_local(Upstream *u) {
  if (u->conf->bind.parts.empty()) return kOk;
  Str text = complex_value(u->r, u->conf->bind);
  if (text.empty()) return kOk;
  if (address_parse(text, 0, u->local)) {
    u->has_local = true;
    return kOk;
  }
  log_write(u->r->log(), kLogError, 0, &u->r->log_ctx, "invalid local address \"%.*s\"", static_cast<int>(text.size()),
            text.data());
  return kOk;
}

}  // namespace mw
