// SPDX-License-Identifier: MIT
// See limit.h. As in nginx a main request is limited once, whatever redirects follow, and its subrequests are not.
#include "http/modules/limit.h"

#include <stddef.h>

#include <algorithm>

#include "http/phase.h"
#include "shm/limit.h"

namespace mw {

enum LimitStatus : uint8_t { kUnlimited, kPassed, kDelayed, kRejected, kDelayedDryRun, kRejectedDryRun };
static constexpr Str kStatusNames[] = {"", "PASSED", "DELAYED", "REJECTED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN"};

static constexpr size_t kMostKey = 65535;

/// The key's text. Empty: this request is not counted.
static Str key_of(Request *r, const LimitZone &zone) {
  Str key = complex_value(r, zone.key);
  if (key.size() <= kMostKey) return key;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "the value of the key of zone \"%s\" is more than 65535 bytes",
            zone.name.c_str());
  return {};
}

static uint64_t wall(const Request *r) { return static_cast<uint64_t>(r->core->loop->wall_ms()); }

// --- limit_req -------------------------------------------------------------------------------------------------------

struct Delay {
  Request *r = nullptr;
  Timer timer;
};

static void on_timer(Timer *t) {
  http_run_phases(reinterpret_cast<Delay *>(reinterpret_cast<char *>(t) - offsetof(Delay, timer))->r);
}

static void forget_delay(void *arg) {
  Delay *d = static_cast<Delay *>(arg);
  d->r->core->loop->disarm(&d->timer);
}

/// nginx's lines; the one of a delay has a comma more.
static void log_excess(Request *r, int level, const char *what, uint64_t excess, const char *comma,
                       const LimitZone &zone) {
  log_write(r->log(), static_cast<LogLevelId>(level), 0, &r->log_ctx, "%s%s, excess: %llu.%03llu%s by zone \"%s\"",
            what, r->conf->limit_req_dry_run ? ", dry run" : "", static_cast<unsigned long long>(excess / 1000),
            static_cast<unsigned long long>(excess % 1000), comma, zone.name.c_str());
}

/// How long a request waits for its turn, in ms.
static uint64_t delay_of(const LimitReq &limit, const LimitZone &zone, uint64_t excess) {
  return excess <= limit.delay ? 0 : (excess - limit.delay) * 1000 / zone.rate;
}

static Rc refuse_request(Request *r, ShmStatus why, uint64_t excess, const LimitZone &zone) {
  if (why == ShmStatus::exists)
    log_excess(r, r->conf->limit_req_log_level, "limiting requests", excess, "", zone);
  else
    log_write(r->log(), kLogAlert, 0, &r->log_ctx, "could not allocate node in zone \"%s\"", zone.name.c_str());
  bool is_dry = r->conf->limit_req_dry_run;
  r->main->limit_req_status = is_dry ? kRejectedDryRun : kRejected;
  return is_dry ? static_cast<Rc>(kDeclined) : static_cast<Rc>(r->conf->limit_req_status);
}

/// All limits are asked before any is charged: a request that one of them refuses costs nothing in the others.
static Rc limit_requests(Request *r) {
  if (r->conf->limit_reqs.empty() || r->main->limit_req_status) return kDeclined;
  uint64_t longest = 0, longest_excess = 0;
  const LimitZone *slowest = nullptr;
  for (bool account : {false, true}) {
    if (!account && r->conf->limit_reqs.size() == 1) continue;
    for (const LimitReq &limit : r->conf->limit_reqs) {
      const LimitZone &zone = r->plan->limit_zones[static_cast<size_t>(limit.zone)];
      Str key = key_of(r, zone);
      if (key.empty()) continue;
      uint64_t excess;
      ShmDict &counts = *r->core->limit_zones[static_cast<size_t>(limit.zone)];
      ShmStatus status = shm_limit_rate(counts, key, zone.rate, limit.burst, account, wall(r), excess);
      if (status != ShmStatus::ok) return refuse_request(r, status, excess, zone);
      if (account) r->main->limit_req_status = kPassed;
      uint64_t delay = delay_of(limit, zone, excess);
      if (!account || delay <= longest) continue;
      longest = delay;
      longest_excess = excess;
      slowest = &zone;
    }
  }
  if (!longest) return kDeclined;
  int level = std::min<int>(r->conf->limit_req_log_level + 1, kLogInfo);
  log_excess(r, level, "delaying request", longest_excess, ",", *slowest);
  r->main->limit_req_status = r->conf->limit_req_dry_run ? kDelayedDryRun : kDelayed;
  if (r->conf->limit_req_dry_run) return kDeclined;
  Delay *d = r->arena.make<Delay>();
  d->r = r;
  d->timer.fire = on_timer;
  request_on_free(r, forget_delay, d);
  r->core->loop->arm(&d->timer, longest);
  return kAgain;
}

// --- limit_conn ------------------------------------------------------------------------------------------------------

struct Entered {
  Request *r = nullptr;
  ShmDict *counts = nullptr;
  Str key;
};

static void leave(void *arg) {
  Entered *e = static_cast<Entered *>(arg);
  shm_limit_leave(*e->counts, e->key, wall(e->r));
}

static Rc refuse_connection(Request *r, ShmStatus why, const LimitZone &zone) {
  bool is_dry = r->conf->limit_conn_dry_run;
  if (why == ShmStatus::exists)
    log_write(r->log(), static_cast<LogLevelId>(r->conf->limit_conn_log_level), 0, &r->log_ctx,
              "limiting connections%s by zone \"%s\"", is_dry ? ", dry run," : "", zone.name.c_str());
  else
    log_write(r->log(), kLogAlert, 0, &r->log_ctx, "could not allocate node in zone \"%s\"", zone.name.c_str());
  r->main->limit_conn_status = is_dry ? kRejectedDryRun : kRejected;
  return is_dry ? static_cast<Rc>(kDeclined) : static_cast<Rc>(r->conf->limit_conn_status);
}

static Rc limit_connections(Request *r) {
  if (r->conf->limit_conns.empty() || r->main->limit_conn_status) return kDeclined;
  for (const LimitConn &limit : r->conf->limit_conns) {
    const LimitZone &zone = r->plan->limit_zones[static_cast<size_t>(limit.zone)];
    Str key = key_of(r, zone);
    if (key.empty()) continue;
    r->main->limit_conn_status = kPassed;
    ShmDict *counts = r->core->limit_zones[static_cast<size_t>(limit.zone)];
    ShmStatus status = shm_limit_enter(*counts, key, limit.most, wall(r));
    if (status != ShmStatus::ok) return refuse_connection(r, status, zone);
    Entered *e = r->arena.make<Entered>();
    e->r = r;
    e->counts = counts;
    e->key = r->arena.dup(key);
    request_on_free(r, leave, e);
  }
  return kDeclined;
}

Rc limit_run(Request *r) {
  if (r->parent) return kDeclined;
  Rc rc = limit_requests(r);
  return rc == kDeclined ? limit_connections(r) : rc;
}

static bool status_text(uint8_t status, Str &out) {
  if (status == kUnlimited) return false;
  out = kStatusNames[status];
  return true;
}

bool limit_var_req_status(Request *r, const VarDef &, Str &out) { return status_text(r->main->limit_req_status, out); }
bool limit_var_conn_status(Request *r, const VarDef &, Str &out) {
  return status_text(r->main->limit_conn_status, out);
}

}  // namespace mw
