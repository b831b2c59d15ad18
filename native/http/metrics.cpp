// SPDX-License-Identifier: MIT
// See metrics.h.
#include "http/metrics.h"

#include "base/ticks.h"
#include "http/request.h"

namespace mw {

/// kMetricsBounds in ticks.
struct Bounds {
  uint64_t at[MW_STATUS_BUCKETS];
  Bounds() {
    size_t n = 0;
    for (double seconds : kMetricsBounds) at[n++] = static_cast<uint64_t>(seconds * ticks_per_second());
    at[n] = UINT64_MAX;
  }
};

void metrics_answered(Request *r) {
  static const Bounds bounds;
  mw_metrics_t &m = r->core->metrics;
  uint64_t now = ticks_now(), began = r->ticks_began;
  uint64_t took = now - began;
  size_t bucket = 0;
  while (took > bounds.at[bucket]) ++bucket;
  ++m.buckets[bucket];
  m.ticks += took;
  uint64_t content = r->ticks_content ? r->ticks_content : now;
  m.phase_ticks[MW_STATUS_PHASE_ACCESS] += content - began;
  m.phase_ticks[MW_STATUS_PHASE_CONTENT] += now - content;
  r->ticks_answered = r->core->ticks_ended = now;
  uint32_t kind = static_cast<uint32_t>(r->abi.status) / 100;
  ++m.requests[kind < MW_STATUS_CLASSES ? kind : 0];
}

void metrics_logged(Request *r) {
  if (!r->ticks_answered) return;
  r->core->ticks_ended = ticks_now();
  r->core->metrics.phase_ticks[MW_STATUS_PHASE_LOG] += r->core->ticks_ended - r->ticks_answered;
}

void metrics_add(mw_metrics_t &to, const mw_metrics_t &from) {
  for (size_t i = 0; i < MW_STATUS_CLASSES; ++i) to.requests[i] += from.requests[i];
  for (size_t i = 0; i < MW_STATUS_BUCKETS; ++i) to.buckets[i] += from.buckets[i];
  for (size_t i = 0; i < MW_STATUS_PHASES; ++i) to.phase_ticks[i] += from.phase_ticks[i];
  to.ticks += from.ticks;
  to.accepted += from.accepted;
  to.lua_errors += from.lua_errors;
  to.upstream_failures += from.upstream_failures;
  to.socket_connects += from.socket_connects;
  to.socket_failures += from.socket_failures;
  to.socket_reuses += from.socket_reuses;
}

}  // namespace mw
