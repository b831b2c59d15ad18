// SPDX-License-Identifier: MIT
// See upstream_balance.h. Keys and addresses go to the servers that nginx sends them to.
#include "http/upstream_balance.h"

#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <random>

#include "base/crc32.h"

namespace mw {
namespace {

constexpr uint32_t kMostSteps = 20;        ///< of a hash or of chance; then the turn decides
constexpr uint32_t kPointsOfWeight = 160;  ///< on the ring

/// One choice.
struct Choosing {
  GroupTurns &turns;
  PeerChoice &c;
  const PeerGroup &group;
  uint64_t now_s;

  uint32_t from() const { return c.is_backup ? group.primaries : 0; }
  uint32_t to() const { return c.is_backup ? static_cast<uint32_t>(group.peers.size()) : group.primaries; }
  uint32_t count() const { return to() - from(); }
  const UpstreamServer &server(uint32_t i) const { return *group.peers[i].server; }
  PeerTurn &turn(uint32_t i) const { return turns.peers[i]; }
};

bool was_tried(const PeerChoice &c, uint32_t i) { return i < 64 ? (c.tried_bits >> i) & 1 : c.tried && c.tried[i]; }

void mark_tried(PeerChoice &c, uint32_t i) {
  if (i < 64)
    c.tried_bits |= uint64_t{1} << i;
  else if (c.tried)
    c.tried[i] = 1;
}

bool is_full(const UpstreamServer &s, const PeerTurn &t) { return s.max_conns && t.conns >= s.max_conns; }

/// Seconds since it was checked: perhaps by another worker, whose clock may be ahead of this one's.
uint64_t age_of(const Choosing &b, const PeerTurn &t) { return b.now_s > t.checked_s ? b.now_s - t.checked_s : 0; }

/// The server may be asked now.
bool is_open(const Choosing &b, uint32_t i) {
  const UpstreamServer &s = b.server(i);
  const PeerTurn &t = b.turn(i);
  if (was_tried(b.c, i) || t.is_down) return false;
  if (s.max_fails && t.fails >= s.max_fails && age_of(b, t) <= s.fail_timeout / 1000) return false;
  return !is_full(s, t);
}

int32_t chosen(const Choosing &b, uint32_t i) {
  PeerTurn &t = b.turn(i);
  if (age_of(b, t) > b.server(i).fail_timeout / 1000) t.checked_s = b.now_s;
  mark_tried(b.c, i);
  return static_cast<int32_t>(i);
}

/// No server of those in turn is left: the backups, if they have not been asked.
bool to_backups(const Choosing &b) {
  if (b.c.is_backup || b.group.primaries == b.group.peers.size()) return false;
  return b.c.is_backup = true;
}

// --- the turn --------------------------------------------------------------------------------------------------------

/// The weighted turn among some servers, which are offered one by one.
struct Turn {
  int32_t best = -1;
  int64_t total = 0;

  void offer(const Choosing &b, uint32_t i) {
    PeerTurn &t = b.turn(i);
    t.current += t.effective;
    total += t.effective;
    if (t.effective < b.server(i).weight) ++t.effective;
    if (best < 0 || t.current > b.turn(static_cast<uint32_t>(best)).current) best = static_cast<int32_t>(i);
  }
  int32_t end(const Choosing &b) const {
    if (best < 0) return -1;
    b.turn(static_cast<uint32_t>(best)).current -= total;
    return chosen(b, static_cast<uint32_t>(best));
  }
};

int32_t choose_in_turn(const Choosing &b) {
  for (;;) {
    Turn turn;
    for (uint32_t i = b.from(); i < b.to(); ++i)
      if (is_open(b, i)) turn.offer(b, i);
    if (turn.best >= 0 || !to_backups(b)) return turn.end(b);
  }
}

// --- least_conn ------------------------------------------------------------------------------------------------------

/// Below 0: `i` has fewer connections than `j`, by their weights.
int64_t compare_load(const Choosing &b, uint32_t i, uint32_t j) {
  return static_cast<int64_t>(b.turn(i).conns) * b.server(j).weight -
         static_cast<int64_t>(b.turn(j).conns) * b.server(i).weight;
}

int32_t choose_least_loaded(const Choosing &b) {
  for (;;) {
    if (b.count() < 2) return choose_in_turn(b);
    int32_t least = -1;
    for (uint32_t i = b.from(); i < b.to(); ++i)
      if (is_open(b, i) && (least < 0 || compare_load(b, i, static_cast<uint32_t>(least)) < 0))
        least = static_cast<int32_t>(i);
    if (least < 0) {
      if (!to_backups(b)) return -1;
      continue;
    }
    // Among equals the turn decides; a server alone has it without that its turn is counted.
    uint32_t first = static_cast<uint32_t>(least), equals = 0;
    for (uint32_t i = first; i < b.to(); ++i) equals += is_open(b, i) && compare_load(b, i, first) == 0;
    if (equals == 1) return chosen(b, first);
    Turn turn;
    for (uint32_t i = first; i < b.to(); ++i)
      if (is_open(b, i) && compare_load(b, i, first) == 0) turn.offer(b, i);
    return turn.end(b);
  }
}

// --- hashes and chance -----------------------------------------------------------------------------------------------

/// The server in whose part of all weights `at` lies. Those that are down have theirs.
uint32_t at_weight(const Choosing &b, uint64_t at) {
  uint32_t i = b.from();
  for (at %= b.c.is_backup ? b.group.backup_weight : b.group.weight; at >= b.server(i).weight; ++i)
    at -= b.server(i).weight;
  return i;
}

/// The hash of Cache::Memcached: of each further step with its number before the key, on top of those before.
uint32_t next_by_key(const Choosing &b) {
  PeerWalk &w = *b.c.walk;
  char number[16];
  size_t n = w.steps ? static_cast<size_t>(snprintf(number, sizeof number, "%u", w.steps)) : 0;
  ++w.steps;
  w.hash += crc32_of(w.key, crc32_of({number, n})) >> 16 & 0x7fff;
  return at_weight(b, w.hash);
}

uint32_t next_by_address(const Choosing &b) {
  PeerWalk &w = *b.c.walk;
  for (char byte : w.key) w.hash = (w.hash * 113 + static_cast<unsigned char>(byte)) % 6271;
  return at_weight(b, w.hash);
}

/// Not for secrets. Every worker has a sequence of its own.
uint32_t next_by_chance(const Choosing &b) {
  thread_local std::minstd_rand numbers{std::random_device{}()};
  return at_weight(b, numbers());
}

/// Steps from server to server until one may be asked.
int32_t choose_by_steps(const Choosing &b, uint32_t (*next)(const Choosing &b)) {
  PeerWalk &w = *b.c.walk;
  while (w.tries <= kMostSteps) {
    uint32_t i = next(b);
    if (is_open(b, i)) return chosen(b, i);
    ++w.tries;
  }
  return choose_in_turn(b);
}

/// The less loaded one of two.
int32_t choose_of_two(const Choosing &b) {
  PeerWalk &w = *b.c.walk;
  int32_t before = -1;
  for (; w.tries <= kMostSteps; ++w.tries) {
    uint32_t i = next_by_chance(b);
    if (static_cast<int32_t>(i) == before || !is_open(b, i)) continue;
    if (before >= 0)
      return chosen(b, compare_load(b, i, static_cast<uint32_t>(before)) > 0 ? static_cast<uint32_t>(before) : i);
    before = static_cast<int32_t>(i);
  }
  return choose_in_turn(b);
}

// --- the ring --------------------------------------------------------------------------------------------------------

/// What of an address is hashed: host and port, or a unix socket's path.
uint32_t hash_of_address(Str address) {
  Str host = address, port;
  size_t colon = address.find_last_not_of("0123456789");
  if (str_iequal(address.substr(0, 5), "unix:")) {
    host.remove_prefix(5);
  } else if (colon != Str::npos && address[colon] == ':') {
    host = address.substr(0, colon);
    port = address.substr(colon + 1);
  }
  return crc32_of(port, crc32_of({"\0", 1}, crc32_of(host)));
}

int32_t choose_on_ring(const Choosing &b) {
  PeerWalk &w = *b.c.walk;
  const std::vector<RingPoint> &ring = b.group.ring;
  if (ring.empty()) return choose_in_turn(b);
  if (w.steps == 0) {
    w.hash = static_cast<uint32_t>(
        std::lower_bound(ring.begin(), ring.end(), crc32_of(w.key),
                         [](const RingPoint &point, uint32_t hash) { return point.hash < hash; }) -
        ring.begin());
    w.steps = 1;
  }
  for (; w.tries <= kMostSteps; ++w.tries, ++w.hash) {
    uint32_t first = ring[w.hash % ring.size()].peer;
    Turn turn;  // a name may have many addresses
    for (uint32_t i = std::max(first, b.from()); i < b.to(); ++i)
      if (b.group.peers[i].first_of_name == first && is_open(b, i)) turn.offer(b, i);
    if (turn.best >= 0) return turn.end(b);
  }
  return choose_in_turn(b);
}

}  // namespace

void balance_build_ring(PeerGroup &group) {
  group.ring.reserve(static_cast<size_t>(group.weight) * kPointsOfWeight);
  for (uint32_t i = 0; i < group.primaries; ++i) {
    const GroupPeer &peer = group.peers[i];
    uint32_t base = hash_of_address(peer.server->address), hash = 0;
    for (uint64_t n = static_cast<uint64_t>(peer.server->weight) * kPointsOfWeight; n > 0; --n) {
      char before[4];
      memcpy(before, &hash, 4);  // little endian on every target
      hash = crc32_of({before, 4}, base);
      group.ring.push_back({hash, peer.first_of_name});  // alike for all addresses of a name
    }
  }
  std::stable_sort(group.ring.begin(), group.ring.end(),
                   [](const RingPoint &a, const RingPoint &b) { return a.hash < b.hash; });
  auto same = [](const RingPoint &a, const RingPoint &b) { return a.hash == b.hash; };
  group.ring.erase(std::unique(group.ring.begin(), group.ring.end(), same), group.ring.end());
}

int32_t balance_choose(GroupTurns &turns, PeerChoice &c, uint64_t now_s) {
  const PeerGroup &group = *c.group;
  if (group.peers.size() == 1) {  // as in nginx a lone server is asked whatever its failures
    const UpstreamServer &s = *group.peers[0].server;
    return turns.peers[0].is_down || is_full(s, turns.peers[0]) ? -1 : 0;
  }
  Choosing b{turns, c, group, now_s};
  if (group.conf->method == BalanceMethod::least_conn) return choose_least_loaded(b);
  bool is_walk = c.walk && b.count() > 1 && c.walk->tries <= kMostSteps;
  if (!is_walk) return choose_in_turn(b);
  switch (group.conf->method) {
    case BalanceMethod::hash: return choose_by_steps(b, next_by_key);
    case BalanceMethod::consistent_hash: return choose_on_ring(b);
    case BalanceMethod::ip_hash: return choose_by_steps(b, next_by_address);
    case BalanceMethod::random: return choose_by_steps(b, next_by_chance);
    case BalanceMethod::random_two: return choose_of_two(b);
    default: return choose_in_turn(b);
  }
}

}  // namespace mw
