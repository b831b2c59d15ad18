// SPDX-License-Identifier: MIT
// See pace.h. The arithmetic is nginx's write filter's: seconds are whole ones, and after each write the connection waits for
// as long as its bytes take at the rate.
#include "net/pace.h"

#include <algorithm>

namespace mw {

struct Pace {
  Timer timer;  ///< first; armed while output waits
  Connection *c = nullptr;
  PaceRule rule;
};

// Far beyond what a network does, and products stay within 63 bits.
static constexpr uint64_t kFastest = 1ull << 36, kLongest = 1ull << 24;

static void on_time(Timer *t) { connection_write(reinterpret_cast<Pace *>(t)->c); }

void pace_set(Connection *c, const PaceRule &rule) {
  if (!c->pace) {
    if (rule.rate == 0) return;
    c->pace = new Pace;
    c->pace->c = c;
    c->pace->timer.fire = on_time;
  }
  c->pace->rule = rule;
  c->pace->rule.rate = std::min(rule.rate, kFastest);
}

static void wait(Connection *c, uint64_t ms) { c->net->loop->arm(&c->pace->timer, ms); }

bool pace_is_waiting(const Connection *c) { return c->pace && c->pace->timer.is_armed(); }

uint64_t pace_allowance(Connection *c) {
  const PaceRule &rule = c->pace->rule;
  if (pace_is_waiting(c)) return 0;
  if (rule.rate == 0) return UINT64_MAX;
  uint64_t seconds = std::min(c->net->loop->now_ms() / 1000 - rule.start_ms / 1000 + 1, kLongest);
  uint64_t allowed = rule.rate * seconds + std::min(rule.after, kFastest * kLongest);
  uint64_t sent = c->bytes_sent - std::min(rule.mark, c->bytes_sent);
  if (sent < allowed) return allowed - sent;
  wait(c, std::min(sent - allowed, kFastest) * 1000 / rule.rate + 1);
  return 0;
}

bool pace_spend(Connection *c, uint64_t n) {
  const PaceRule &rule = c->pace->rule;
  if (rule.rate == 0) return false;
  uint64_t sent = c->bytes_sent - std::min(rule.mark + rule.after, c->bytes_sent);
  uint64_t delay = std::min({n, sent, kFastest}) * 1000 / rule.rate;
  if (delay) wait(c, delay);
  return delay != 0;
}

void pace_free(Connection *c) {
  if (!c->pace) return;
  c->net->loop->disarm(&c->pace->timer);
  delete c->pace;
  c->pace = nullptr;
}

}  // namespace mw
