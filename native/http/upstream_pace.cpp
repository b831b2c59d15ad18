// SPDX-License-Identifier: MIT
// See upstream_steps.h: proxy_limit_rate, how fast a reply's body is read. nginx's rule: so many bytes for each second since it
// began, and after each read a pause for as long as its bytes take. As in nginx it holds for buffered replies alone.
#include <algorithm>

#include "http/modules/limit_rate.h"
#include "http/upstream_steps.h"

namespace mw {

/// In the request's arena.
struct UpstreamPace {
  Timer timer;  ///< first; armed while nothing may be read
  Upstream *u = nullptr;
  uint64_t rate = 0, start_s = 0, taken = 0;
};

static constexpr uint64_t kFastest = 1ull << 36, kLongest = 1ull << 24;  // products stay within 63 bits

static void on_time(Timer *t) { upstream_go_on(reinterpret_cast<UpstreamPace *>(t)->u); }

static uint64_t now_s(const Upstream *u) { return upstream_loop(u)->now_ms() / 1000; }

void upstream_pace_begin(Upstream *u) {
  if (u->conf->limit_rate.parts.empty() || !u->is_buffered) return;
  uint64_t rate = std::min(limit_rate_size(u->r, u->conf->limit_rate), kFastest);
  if (rate == 0) return;
  UpstreamPace *p = u->pace = u->r->arena.make<UpstreamPace>();
  p->timer.fire = on_time;
  p->u = u;
  p->rate = rate;
  p->start_s = now_s(u);
}

uint64_t upstream_pace_allowance(Upstream *u) {
  UpstreamPace *p = u->pace;
  if (p->timer.is_armed()) return 0;
  uint64_t allowed = p->rate * std::min(now_s(u) - p->start_s + 1, kLongest);
  if (p->taken < allowed) return allowed - p->taken;
  upstream_loop(u)->arm(&p->timer, std::min(p->taken - allowed, kFastest) * 1000 / p->rate + 1);
  return 0;
}

bool upstream_pace_spend(Upstream *u, uint64_t n) {
  UpstreamPace *p = u->pace;
  p->taken += n;
  uint64_t pause = std::min(n, kFastest) * 1000 / p->rate;
  if (pause) upstream_loop(u)->arm(&p->timer, pause);
  return pause != 0;
}

void upstream_pace_end(Upstream *u) {
  if (u->pace) upstream_loop(u)->disarm(&u->pace->timer);
}

}  // namespace mw
