// SPDX-License-Identifier: MIT
// The choice among a group's servers, where it cannot be seen from outside.
#include "http/upstream_balance.h"

#include "check.h"

using namespace mw;

TEST(upstream_balance_of_workers_whose_clocks_differ) {
  UpstreamGroup conf;
  conf.servers.resize(2);
  PeerGroup group;
  group.conf = &conf;
  for (const UpstreamServer &s : conf.servers) group.peers.push_back({{}, "", &s, 0});
  group.primaries = group.live = 2;
  group.weight = 2;
  GroupTurns turns;
  turns.peers.resize(2);
  for (PeerTurn &t : turns.peers) t.effective = 1;
  // Another worker, for whom it is 1001 already, has seen the first fail.
  turns.peers[0].fails = 1;
  turns.peers[0].accessed_s = turns.peers[0].checked_s = 1001;
  const uint64_t moments[] = {1000, 1001, 1011};
  for (uint64_t now_s : moments) {
    PeerChoice choice;
    choice.group = &group;
    CHECK_EQ(balance_choose(turns, choice, now_s), 1);
    CHECK_EQ(turns.peers[0].checked_s, uint64_t{1001});
  }
  for (PeerTurn &t : turns.peers) t.current = 0;
  PeerChoice choice;
  choice.group = &group;
  CHECK_EQ(balance_choose(turns, choice, 1012), 0);
  CHECK_EQ(turns.peers[0].checked_s, uint64_t{1012});
}
