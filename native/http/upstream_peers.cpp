// SPDX-License-Identifier: MIT
// See upstream_peers.h.
#include "http/upstream_peers.h"

#include <deque>

#include "net/idle_pool.h"

namespace mw {

struct PeerTurn {
  int64_t current = 0, effective = 0;
  uint32_t fails = 0;
  uint64_t accessed_s = 0, checked_s = 0;
};

struct GroupState {
  std::vector<PeerTurn> turns;
  IdlePool idle;
};

struct PeerState {
  std::deque<GroupState> groups;  ///< connections point to their pool
};

// --- the table -------------------------------------------------------------------------------------------------------

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
  for (const PeerAddress &a : found) {
    char text[kAddressText];
    group.peers.push_back({a, std::string(text, address_text(a, text)), &server});
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
  }
  return table;
}

std::shared_ptr<PeerState> peers_create_state(const PeerTable &table) {
  auto state = std::make_shared<PeerState>();
  for (const PeerGroup &group : table.groups) {
    GroupState &g = state->groups.emplace_back();
    g.turns.resize(group.peers.size());
    for (size_t i = 0; i < group.peers.size(); ++i) g.turns[i].effective = group.peers[i].server->weight;
  }
  return state;
}

// --- the turn --------------------------------------------------------------------------------------------------------

static bool was_tried(const PeerChoice &c, uint32_t i) {
  return i < 64 ? (c.tried_bits >> i) & 1 : c.tried && c.tried[i];
}
static void mark_tried(PeerChoice &c, uint32_t i) {
  if (i < 64)
    c.tried_bits |= uint64_t{1} << i;
  else if (c.tried)
    c.tried[i] = 1;
}

/// The best of peers [from, to) that may be asked now, or -1.
static int32_t choose_among(GroupState &g, PeerChoice &c, uint32_t from, uint32_t to, uint64_t now_s) {
  int32_t best = -1;
  int64_t total = 0;
  for (uint32_t i = from; i < to; ++i) {
    const UpstreamServer &s = *c.group->peers[i].server;
    PeerTurn &t = g.turns[i];
    if (was_tried(c, i) || s.down) continue;
    if (s.max_fails && t.fails >= s.max_fails && now_s - t.checked_s <= s.fail_timeout / 1000) continue;
    t.current += t.effective;
    total += t.effective;
    if (t.effective < s.weight) ++t.effective;
    if (best < 0 || t.current > g.turns[static_cast<size_t>(best)].current) best = static_cast<int32_t>(i);
  }
  if (best < 0) return best;
  PeerTurn &t = g.turns[static_cast<size_t>(best)];
  t.current -= total;
  if (now_s - t.checked_s > c.group->peers[static_cast<size_t>(best)].server->fail_timeout / 1000) t.checked_s = now_s;
  return best;
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
  uint32_t n = static_cast<uint32_t>(c.group->peers.size());
  if (n == 1) {
    c.index = c.group->peers[0].server->down ? -1 : 0;
  } else {
    GroupState &g = state->groups[static_cast<size_t>(c.group_index)];
    c.index = choose_among(g, c, 0, c.group->primaries, now_s);
    if (c.index < 0) c.index = choose_among(g, c, c.group->primaries, n, now_s);
    if (c.index >= 0) mark_tried(c, static_cast<uint32_t>(c.index));
  }
  if (c.index < 0) return false;
  const GroupPeer &peer = c.group->peers[static_cast<size_t>(c.index)];
  c.address = peer.address;
  c.name = peer.name;
  return true;
}

bool peers_report(PeerState *state, PeerChoice &c, bool failed, uint64_t now_s) {
  if (c.tries > 0) --c.tries;
  if (!c.group || c.index < 0) return false;
  if (c.group->peers.size() == 1) {  // as in nginx a lone server is never given up, nor asked twice
    c.tries = 0;
    return false;
  }
  const UpstreamServer &s = *c.group->peers[static_cast<size_t>(c.index)].server;
  PeerTurn &t = state->groups[static_cast<size_t>(c.group_index)].turns[static_cast<size_t>(c.index)];
  if (!failed) {
    if (t.accessed_s < t.checked_s) t.fails = 0;
    return false;
  }
  ++t.fails;
  t.accessed_s = t.checked_s = now_s;
  if (s.max_fails == 0) return false;
  t.effective -= s.weight / s.max_fails;
  if (t.effective < 0) t.effective = 0;
  return t.fails == s.max_fails;
}

// --- idle connections ------------------------------------------------------------------------------------------------

Outgoing *peers_take_idle(PeerState *state, PeerChoice &c) {
  if (!c.group || !c.keep.size) return nullptr;
  Outgoing *o = state->groups[static_cast<size_t>(c.group_index)].idle.take(c.address);
  c.is_cached = o != nullptr;
  return o;
}

bool peers_keep(PeerState *state, const PeerChoice &c, Outgoing *o) {
  if (!c.group || !c.keep.size || o->peer_closed || o->is_closed) return false;
  if (o->may_read && !outgoing_is_clean(o)) return false;  // what is unread would answer the next request
  uint64_t age = o->net->loop->now_ms() - o->opened_ms;
  if (++o->uses >= c.keep.requests || age >= c.keep.life_ms) return false;
  state->groups[static_cast<size_t>(c.group_index)].idle.put(o, c.keep.size, c.keep.idle_ms);
  return true;
}

}  // namespace mw
