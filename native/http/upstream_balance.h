// SPDX-License-Identifier: MIT
// How a group chooses among its servers: nginx's smooth weighted turn, its hashes, fewest connections, chance. What is
// remembered of servers is a worker's own, or, of a group with a zone, shared by all workers of its generation: upstream_peers.cpp
// then holds the group's lock around each call.
#pragma once
#include <mutex>
#include <vector>

#include "http/upstream_peers.h"

namespace mw {

/// What is remembered of one server.
struct PeerTurn {
  int64_t current = 0, effective = 0;
  uint32_t fails = 0;
  uint32_t conns = 0;  ///< attempts under way
  uint64_t accessed_s = 0, checked_s = 0;
  bool is_down = false;  ///< as the configuration says, or ngx.upstream since
};

/// Of the servers of one group.
struct GroupTurns {
  std::vector<PeerTurn> peers;
  std::mutex lock;  ///< taken where workers share it
};

/// What is remembered of a server now.
PeerTurn peers_turn(PeerState *state, size_t group, size_t peer);
/// Takes a server out of the choice, or in again: for this worker, or, in a group with a zone, for all of them.
void peers_set_down(PeerState *state, size_t group, size_t peer, bool is_down);

/// Places the servers of a group on the ring of `hash KEY consistent`.
void balance_build_ring(PeerGroup &group);

/// The server of the next attempt by the method of choice.group, or -1. It is marked as tried.
int32_t balance_choose(GroupTurns &turns, PeerChoice &choice, uint64_t now_s);

}  // namespace mw
