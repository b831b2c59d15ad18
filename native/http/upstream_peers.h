// SPDX-License-Identifier: MIT
// Upstream groups: their servers, failures, connections under way and idle ones; upstream_balance.h chooses among them. The table
// of a plan is built on the control thread (names are looked up there) and shared, and holds what the workers remember together
// of a group with a zone; PeerState is a worker's own.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/regex.h"
#include "config.h"
#include "config_problem.h"
#include "net/outgoing.h"

namespace mw {

/// One address of a group.
struct GroupPeer {
  PeerAddress address;
  std::string name;  ///< "127.0.0.1:8080", as logs name it
  const UpstreamServer *server = nullptr;
  uint32_t first_of_name = 0;  ///< the first peer whose server is written alike: a name may have many addresses
};

/// A place on the ring of `hash KEY consistent`: keys up to `hash` are the server's whose first peer this is.
struct RingPoint {
  uint32_t hash;
  uint32_t peer;
};

struct GroupTurns;

struct PeerGroup {
  const UpstreamGroup *conf = nullptr;
  std::vector<GroupPeer> peers;  ///< those in turn, then the backups
  uint32_t primaries = 0;        ///< how many are no backups
  uint64_t weight = 0, backup_weight = 0;
  std::vector<RingPoint> ring;       ///< by hash
  std::shared_ptr<GroupTurns> zone;  ///< what is shared; null: each worker has its own
  uint32_t live = 0;                 ///< how many are not `down`: so often a request is tried at most
};

struct RegexFree {
  void operator()(Regex *re) const { regex_free(re); }
};

struct PeerTable {
  /// Of the Replacements and CookieFlags of the plan that are regexes, by their address.
  std::unordered_map<const void *, std::unique_ptr<Regex, RegexFree>> regexes;
  std::vector<PeerGroup> groups;  ///< by index of Plan::upstreams
};

/// Looks up every server of every group, and compiles the regexes of proxy_redirect and relatives; problems are unknown hosts
/// and bad regexes.
std::shared_ptr<const PeerTable> peers_build(const Plan &plan, Problems &problems);

/// What a worker remembers of groups: weights, failures, idle connections.
struct PeerState;
std::shared_ptr<PeerState> peers_create_state(const PeerTable &table);

/// How idle connections are kept; size 0: not.
struct KeepLimits {
  uint32_t size = 0;
  uint32_t requests = 0;
  uint64_t idle_ms = 0, life_ms = UINT64_MAX;
};

/// An address that a name was resolved to while the request waited.
struct ResolvedPeer {
  PeerAddress address;
  Str name;
};

/// Where a method that hashes or draws lots stands; in the request's arena.
struct PeerWalk {
  Str key;  ///< the text, or the bytes of the client's address, that are hashed
  uint32_t hash = 0, steps = 0;
  uint32_t tries = 0;  ///< servers that could not be asked
};

/// A request's way through the servers of a group or the addresses of a name, or its one fixed address.
struct PeerChoice {
  const PeerGroup *group = nullptr;  ///< null: a fixed address, or `resolved`
  const ResolvedPeer *resolved = nullptr;
  uint32_t resolved_n = 1, resolved_next = 0;
  int32_t group_index = -1;
  int32_t index = -1;        ///< of the peer in use, or -1
  uint32_t tries = 1;        ///< attempts left, this one included
  uint64_t tried_bits = 0;   ///< of the first 64 peers
  uint8_t *tried = nullptr;  ///< in the request's arena where there are more
  PeerWalk *walk = nullptr;  ///< null: the turn, or fewest connections
  PeerAddress address;
  KeepLimits keep;
  Str name;                 ///< of the chosen one
  bool is_cached = false;   ///< the connection came from the pool
  bool is_backup = false;   ///< it is the backups' turn
  bool is_counted = false;  ///< among the connections of the peer in use
};

/// The next server. False when none is left: "no live upstreams".
bool peers_choose(PeerState *state, PeerChoice &choice, uint64_t now_s);
/// An idle connection to the chosen server, or null. Sets is_cached.
Outgoing *peers_take_idle(PeerState *state, PeerChoice &choice);
/// Keeps a connection whose exchange is over, if the group keeps any. False: the caller closes it.
bool peers_keep(PeerState *state, const PeerChoice &choice, Outgoing *o);
/// The attempt on it ended. True when this failure took it out of the turn for a while (to be logged).
bool peers_report(PeerState *state, PeerChoice &choice, bool failed, uint64_t now_s);
/// The same of an attempt of which nothing is known. Harmless when none is under way.
void peers_release(PeerState *state, PeerChoice &choice);

}  // namespace mw
