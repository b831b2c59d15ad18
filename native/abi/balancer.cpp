// SPDX-License-Identifier: MIT
// ngx.balancer: what balancer_by_lua* says of the attempt that it is run for. Worker's thread; the decisions lie in the
// request's upstream.
#include "abi/abi.h"
#include "http/upstream.h"
#include "script/vm_inner.h"

using namespace mw;

static Request *of(mw_req_t *r) { return reinterpret_cast<Request *>(r); }

/// The upstream whose balancer runs now, or null.
static Upstream *balancing(mw_req_t *r) {
  if (!r || vm_current->core->abi->phase != MW_PHASE_BALANCER) return nullptr;
  Upstream *u = of(r)->upstream;
  return u && u->balancer && !u->is_ended ? u : nullptr;
}

extern "C" MW_EXPORT
int32_t mw_balancer_set_peer(mw_req_t *r, const char *address, size_t len, int32_t port) {
  Upstream *u = balancing(r);
  if (!u) return MW_BAD_PHASE;
  PeerAddress a;
  if (port < 0 || port > 65535 || !address_parse({address, len}, static_cast<uint16_t>(port ? port : 80), a))
    return MW_BAD_ARG;
  char text[kAddressText];
  u->balancer->address = a;
  u->balancer->name = u->r->arena.dup({text, address_text(a, text)});
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_balancer_more_tries(mw_req_t *r, int32_t count) {
  Upstream *u = balancing(r);
  if (!u) return MW_BAD_PHASE;
  uint32_t wanted = count > 0 ? static_cast<uint32_t>(count) : 0;
  uint32_t limit = u->conf->next_upstream_tries;
  uint32_t total = u->balancer->total_tries + u->peer.tries - 1;
  uint32_t left = limit > total ? limit - total : 0;
  u->balancer->more_tries = limit && wanted > left ? left : wanted;
  return static_cast<int32_t>(u->balancer->more_tries);
}

extern "C" MW_EXPORT
int32_t mw_balancer_last_failure(mw_req_t *r, int32_t *status) {
  Upstream *u = balancing(r);
  if (!u) return MW_BAD_PHASE;
  *status = u->attempts.size > 1 ? u->attempts.data[u->attempts.size - 2].status : 0;
  return u->balancer->last_state;
}

static void set_ms(double ms, uint64_t &to) {
  if (ms > 0 && ms < 1e15) to = static_cast<uint64_t>(ms < 1 ? 1 : ms);
}

extern "C" MW_EXPORT
int32_t mw_balancer_set_timeouts(mw_req_t *r, double connect, double send, double read) {
  Upstream *u = balancing(r);
  if (!u) return MW_BAD_PHASE;
  set_ms(connect, u->connect_timeout);
  set_ms(send, u->send_timeout);
  set_ms(read, u->read_timeout);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_balancer_keep(mw_req_t *r, double idle_ms, int32_t requests) {
  Upstream *u = balancing(r);
  if (!u) return MW_BAD_PHASE;
  if (!u->balancer->address.len) return MW_NOT_FOUND;
  KeepLimits &keep = u->peer.keep;
  constexpr uint32_t kSize = 32;  // where no keepalive directive says more
  if (!keep.size) keep.size = kSize;
  keep.idle_ms = idle_ms > 0 && idle_ms < 1e15 ? static_cast<uint64_t>(idle_ms) : 0;
  keep.requests = requests > 0 ? static_cast<uint32_t>(requests) : UINT32_MAX;
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_balancer_new_request(mw_req_t *r) {
  Upstream *u = balancing(r);
  if (!u) return MW_BAD_PHASE;
  u->balancer->wants_new_request = true;
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_balancer_bind(mw_req_t *r, const char *address, size_t len) {
  Upstream *u = balancing(r);
  if (!u) return MW_BAD_PHASE;
  if (!address_parse({address, len}, 0, u->local)) return MW_BAD_ARG;
  u->has_local = true;
  return MW_OK;
}
