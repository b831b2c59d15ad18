// SPDX-License-Identifier: MIT
// Upstream groups and the choice among their servers: nginx's smooth weighted round robin, with failures counted per worker.
// The table of a plan is built on the control thread (names are looked up there) and shared; PeerState is a worker's own.
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
};

struct PeerGroup {
  const UpstreamGroup *conf = nullptr;
  std::vector<GroupPeer> peers;  ///< those in turn, then the backups
  uint32_t primaries = 0;        ///< how many are no backups
  uint32_t live = 0;             ///< how many are not `down`: so often a request is tried at most
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
  PeerAddress address;
  KeepLimits keep;
  Str name;                ///< of the chosen one
  bool is_cached = false;  ///< the connection came from the pool
};

/// The next server. False when none is left: "no live upstreams".
bool peers_choose(PeerState *state, PeerChoice &choice, uint64_t now_s);
/// An idle connection to the chosen server, or null. Sets is_cached.
Outgoing *peers_take_idle(PeerState *state, PeerChoice &choice);
/// Keeps a connection whose exchange is over, if the group keeps any. False: the caller closes it.
bool peers_keep(PeerState *state, const PeerChoice &choice, Outgoing *o);
/// The attempt on it ended. True when this failure took it out of the turn for a while (to be logged).
bool peers_report(PeerState *state, PeerChoice &choice, bool failed, uint64_t now_s);

}  // namespace mw
