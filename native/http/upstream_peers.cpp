// SPDX-License-Identifier: MIT
// See upstream_peers.h.
#include "http/upstream_peers.h"

#include <deque>

#include "http/upstream_balance.h"
#include "net/idle_pool.h"

namespace mw {

struct GroupState {
  std::shared_ptr<GroupTurns> turns;
  bool is_shared = false;
  IdlePool idle;
  /// Keeps other workers out, where there are any to keep out.
  std::unique_lock<std::mutex> hold() const {
    return is_shared ? std::unique_lock(turns->lock) : std::unique_lock<std::mutex>();
  }
};

struct PeerState {
  std::deque<GroupState> groups;  ///< connections point to their pool
};

// --- the table -------------------------------------------------------------------------------------------------------

/// Beyond it a ring would take gigabytes.
static constexpr uint64_t kMostRingWeight = 100000;

static void add_server(PeerGroup &group, const UpstreamServer &server, Problems &problems) {
  PeerAddress literal;
  std::vector<PeerAddress> found;
  if (address_parse(server.address, 80, literal)) {
    found.push_back(literal);
  } else {
    size_t colon = server.address.rfind(':');
    std::string host = server.address.substr(0, colon);
    uint64_t port = 80;
    bool is_good = colon == std::string::npos || str_to_u64(Str(server.address).substr(colon + 1), port);
    if (!is_good || port == 0 || port > 65535)
      return problems.add("invalid port in upstream \"" + server.address + "\"", server.pos);
    if (host.starts_with("unix:") || host.starts_with("[") ||
        !address_resolve(host, static_cast<uint16_t>(port), found))
      return problems.add("host not found in upstream \"" + server.address + "\"", server.pos);
  }
  uint32_t first = static_cast<uint32_t>(group.peers.size());
  for (const GroupPeer &peer : group.peers)
    if (peer.server->backup == server.backup && peer.server->address == server.address)
      first = std::min(first, peer.first_of_name);
  for (const PeerAddress &a : found) {
    char text[kAddressText];
    group.peers.push_back({a, std::string(text, address_text(a, text)), &server, first});
    (server.backup ? group.backup_weight : group.weight) += server.weight;
    if (!server.down) ++group.live;
  }
}

static void add_regex(PeerTable &table, const void *key, Replacement::Kind kind, const ComplexValue &pattern,
                      const SourcePos &pos, Problems &problems) {
  if (kind == Replacement::text) return;
  char text[512];
  uint32_t flags = kind == Replacement::regex_icase ? REGEX_CASELESS : 0u;
  Regex *re = regex_compile(pattern.constant(), flags, text, sizeof text);
  if (!re) return problems.add(text, pos);
  table.regexes[key].reset(re);
}

static void add_regexes(PeerTable &table, const UpstreamConf &conf, Problems &problems) {
  for (const std::vector<Replacement> *list : {&conf.redirects, &conf.cookie_domains, &conf.cookie_paths})
    for (const Replacement &p : *list) add_regex(table, &p, p.kind, p.from, p.pos, problems);
  for (const CookieFlags &f : conf.cookie_flags) add_regex(table, &f, f.kind, f.name, f.pos, problems);
}

static std::shared_ptr<GroupTurns> make_turns(const PeerGroup &group) {
  auto turns = std::make_shared<GroupTurns>();
  turns->peers.resize(group.peers.size());
  for (size_t i = 0; i < group.peers.size(); ++i) {
    turns->peers[i].effective = group.peers[i].server->weight;
    turns->peers[i].is_down = group.peers[i].server->down;
  }
  return turns;
}

std::shared_ptr<const PeerTable> peers_build(const Plan &plan, Problems &problems) {
  auto table = std::make_shared<PeerTable>();
  for (const UpstreamConf &conf : plan.upstream_confs) add_regexes(*table, conf, problems);
  for (const UpstreamGroup &conf : plan.upstreams) {
    PeerGroup &group = table->groups.emplace_back();
    group.conf = &conf;
    for (bool backup : {false, true}) {
      for (const UpstreamServer &s : conf.servers)
        if (s.backup == backup) add_server(group, s, problems);
      if (!backup) group.primaries = static_cast<uint32_t>(group.peers.size());
    }
    if (conf.has_zone) group.zone = make_turns(group);
    if (conf.method != BalanceMethod::consistent_hash) continue;
    if (group.weight > kMostRingWeight)
      problems.add("the weights of upstream \"" + conf.name + "\" are too large for a consistent hash", conf.pos);
    else
      balance_build_ring(group);
  }
  return table;
}

std::shared_ptr<PeerState> peers_create_state(const PeerTable &table) {
  auto state = std::make_shared<PeerState>();
  for (const PeerGroup &group : table.groups) {
    GroupState &g = state->groups.emplace_back();
    g.is_shared = group.zone != nullptr;
    g.turns = g.is_shared ? group.zone : make_turns(group);
  }
  return state;
}

// --- the turn --------------------------------------------------------------------------------------------------------

static GroupState &group_of(PeerState *state, const PeerChoice &c) {
  return state->groups[static_cast<size_t>(c.group_index)];
}

bool peers_choose(PeerState *state, PeerChoice &c, uint64_t now_s) {
  c.is_cached = false;
  if (!c.group && c.resolved) {
    if (c.resolved_next == c.resolved_n) return false;
    const ResolvedPeer &peer = c.resolved[c.resolved_next++];
    c.address = peer.address;
    c.name = peer.name;
    return true;
  }
  if (!c.group) return c.address.len != 0;
  GroupState &g = group_of(state, c);
  {
    auto held = g.hold();
    c.index = balance_choose(*g.turns, c, now_s);
    if (c.index < 0) return false;
    ++g.turns->peers[static_cast<size_t>(c.index)].conns;
  }
  c.is_counted = true;
  const GroupPeer &peer = c.group->peers[static_cast<size_t>(c.index)];
  c.address = peer.address;
  c.name = peer.name;
  return true;
}

/// The attempt is no longer under way.
static void uncount(PeerChoice &c, PeerTurn &t) {
  if (c.is_counted) --t.conns;
  c.is_counted = false;
}

bool peers_report(PeerState *state, PeerChoice &c, bool failed, uint64_t now_s) {
  if (c.tries > 0) --c.tries;
  if (!c.group || c.index < 0) return false;
  GroupState &g = group_of(state, c);
  auto held = g.hold();
  PeerTurn &t = g.turns->peers[static_cast<size_t>(c.index)];
  uncount(c, t);
  if (c.group->peers.size() == 1) {  // as in nginx a lone server is never given up, nor asked twice
    c.tries = 0;
    return false;
  }
  const UpstreamServer &s = *c.group->peers[static_cast<size_t>(c.index)].server;
  if (!failed) {
    if (t.accessed_s < t.checked_s) t.fails = 0;
    return false;
  }
  ++t.fails;
  t.accessed_s = t.checked_s = now_s;
  if (s.max_fails == 0) return false;
  t.effective -= s.weight / s.max_fails;
  if (t.effective < 0) t.effective = 0;
  return t.fails >= s.max_fails;
}

void peers_release(PeerState *state, PeerChoice &c) {
  if (!c.is_counted) return;
  GroupState &g = group_of(state, c);
  auto held = g.hold();
  uncount(c, g.turns->peers[static_cast<size_t>(c.index)]);
}

// --- what Lua sees and says -------------------------------------------------------------------------------------------

PeerTurn peers_turn(PeerState *state, size_t group, size_t peer) {
  GroupState &g = state->groups[group];
  auto held = g.hold();
  return g.turns->peers[peer];
}

void peers_set_down(PeerState *state, size_t group, size_t peer, bool is_down) {
  GroupState &g = state->groups[group];
  auto held = g.hold();
  g.turns->peers[peer].is_down = is_down;
}

// --- idle connections ------------------------------------------------------------------------------------------------

Outgoing *peers_take_idle(PeerState *state, PeerChoice &c) {
  if (!c.group || !c.keep.size) return nullptr;
  Outgoing *o = group_of(state, c).idle.take(c.address);
  c.is_cached = o != nullptr;
  return o;
}

bool peers_keep(PeerState *state, const PeerChoice &c, Outgoing *o) {
  if (!c.group || !c.keep.size || o->peer_closed || o->is_closed) return false;
  if (o->may_read && !outgoing_is_clean(o)) return false;  // what is unread would answer the next request
  uint64_t age = o->net->loop->now_ms() - o->opened_ms;
  if (++o->uses >= c.keep.requests || age >= c.keep.life_ms) return false;
  group_of(state, c).idle.put(o, c.keep.size, c.keep.idle_ms);
  return true;
}

}  // namespace mw
