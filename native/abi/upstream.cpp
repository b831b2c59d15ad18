// SPDX-License-Identifier: MIT
// ngx.upstream: the upstream groups of the plan and what the worker remembers of their servers. Worker's thread; strings belong
// to the plan.
#include "http/upstream.h"
#include "abi/abi.h"
#include "http/upstream_balance.h"
#include "script/vm_inner.h"

using namespace mw;

/// The group, or null: there is none of that index, or no worker yet.
static const PeerGroup *group_at(uint32_t index) {
  const HttpCore *core = vm_current->core;
  if (!core || !core->peers || !core->peer_state || index >= core->peers->groups.size()) return nullptr;
  return &core->peers->groups[index];
}

extern "C" MW_EXPORT
uint32_t mw_upstream_count(void) {
  return group_at(0) ? static_cast<uint32_t>(vm_current->core->peers->groups.size()) : 0;
}

extern "C" MW_EXPORT
int32_t mw_upstream_name(uint32_t group, const char **name, size_t *len) {
  const PeerGroup *g = group_at(group);
  if (!g || g->conf->is_implicit) return MW_NOT_FOUND;
  *name = g->conf->name.data();
  *len = g->conf->name.size();
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_upstream_find(const char *name, size_t len) {
  for (uint32_t i = 0; const PeerGroup *g = group_at(i); ++i)
    if (!g->conf->is_implicit && str_iequal(g->conf->name, {name, len})) return static_cast<int32_t>(i);
  return MW_NOT_FOUND;
}

extern "C" MW_EXPORT
int32_t mw_upstream_peer(uint32_t group, uint32_t index, mw_peer_t *out) {
  const PeerGroup *g = group_at(group);
  if (!g || index >= g->peers.size()) return MW_NOT_FOUND;
  const GroupPeer &peer = g->peers[index];
  const UpstreamServer &server = *peer.server;
  PeerTurn turn = peers_turn(vm_current->core->peer_state.get(), group, index);
  out->name = peer.name.data();
  out->name_len = peer.name.size();
  out->server = server.address.data();
  out->server_len = server.address.size();
  out->current_weight = turn.current;
  out->effective_weight = turn.effective;
  out->fail_timeout = server.fail_timeout / 1000;
  out->accessed = turn.accessed_s;
  out->checked = turn.checked_s;
  out->weight = server.weight;
  out->max_fails = server.max_fails;
  out->fails = turn.fails;
  out->conns = turn.conns;
  out->server_index = static_cast<uint32_t>(&server - g->conf->servers.data());
  out->is_backup = index >= g->primaries;
  out->is_down = turn.is_down;
  out->is_down_as_written = server.down;
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_upstream_set_down(uint32_t group, uint32_t index, int32_t is_down) {
  const PeerGroup *g = group_at(group);
  if (!g || index >= g->peers.size()) return MW_NOT_FOUND;
  peers_set_down(vm_current->core->peer_state.get(), group, index, is_down != 0);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_upstream_of(mw_req_t *r) {
  const Upstream *u = reinterpret_cast<Request *>(r)->upstream;
  return u && u->peer.group_index >= 0 ? u->peer.group_index : MW_NOT_FOUND;
}
