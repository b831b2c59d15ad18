// SPDX-License-Identifier: MIT
// See access.h. The order of the checks is nginx's: allow and deny, auth_basic, auth_request, then access_by_lua*.
#include "http/modules/access.h"

#include <string.h>

#include "http/phase.h"

namespace mw {

static bool bits_match(const uint8_t *address, const AddressRule &rule) {
  size_t bytes = rule.bits / 8;
  if (bytes && memcmp(address, rule.address.data(), bytes) != 0) return false;
  uint8_t rest = rule.bits % 8;
  if (!rest) return true;
  uint8_t mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (address[bytes] & mask) == rule.address[bytes];
}

bool address_matches(const AddressRule &rule, const ClientAddress &a) {
  if (rule.kind == AddressRule::all) return true;
  if (!a.len || a.sa.sa_family == AF_UNIX) return rule.kind == AddressRule::unix_;
  if (a.sa.sa_family == AF_INET) {
    auto *address = reinterpret_cast<const uint8_t *>(&a.in.sin_addr);
    return rule.kind == AddressRule::ip4 && bits_match(address, rule);
  }
  auto *address = reinterpret_cast<const uint8_t *>(&a.in6.sin6_addr);
  if (rule.kind == AddressRule::ip4) return IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr) && bits_match(address + 12, rule);
  return rule.kind == AddressRule::ip6 && bits_match(address, rule);
}

static void log_forbidden(Request *r) { log_write(r->log(), kLogError, 0, &r->log_ctx, "access forbidden by rule"); }

static Rc rules_check(Request *r) {
  for (const AddressRule &rule : r->conf->access_rules) {
    if (!address_matches(rule, *r->main->client)) continue;
    if (!rule.is_deny) return kOk;
    if (!r->conf->satisfy_any) log_forbidden(r);
    return 403;
  }
  return kDeclined;
}

using Check = Rc (*)(Request *);
static constexpr Check kChecks[] = {rules_check, auth_basic_check, auth_request_check};
static constexpr uint8_t kCheckCount = sizeof kChecks / sizeof *kChecks;

Rc access_run(Request *r) {
  while (r->access_at < kCheckCount) {
    Rc rc = kChecks[r->access_at](r);
    if (rc == kAgain || rc == kDone) return rc;
    ++r->access_at;
    if (rc == kDeclined) continue;
    if (r->conf->satisfy_any) {
      bool is_refusal = rc == 401 || rc == 403;
      rc = access_vote(r, rc);
      if (rc == kOk || !is_refusal) return rc;
    } else if (rc != kOk) {
      return rc;
    }
  }
  return kDeclined;
}

Rc access_vote(Request *r, Rc rc) {
  if (!r->conf->satisfy_any) return rc;
  if (rc == kOk) {
    r->access_status = 0;
    response_clear_header(r, "WWW-Authenticate");
    return kOk;
  }
  if (rc != 401 && rc != 403) return rc;
  r->abi.status = 0;  // ngx.exit has set it; another check may still let the request in
  if (r->access_status != 401) r->access_status = rc;
  return kDeclined;
}

Rc access_refuse(Request *r) {
  Rc rc = r->access_status;
  r->access_status = 0;
  if (rc == 403) log_forbidden(r);
  return access_delay(r, rc);
}

// --- auth_delay ------------------------------------------------------------------------------------------------------

struct AuthDelay {
  Timer timer{};  ///< first: on_timer() is given it
  Request *r = nullptr;
};

static void on_timer(Timer *t) { http_finalize(reinterpret_cast<AuthDelay *>(t)->r, 401); }

static void forget_delay(void *arg) {
  AuthDelay *d = static_cast<AuthDelay *>(arg);
  d->r->core->loop->disarm(&d->timer);
}

Rc access_delay(Request *r, Rc rc) {
  if (rc != 401 || r->conf->auth_delay == 0) return rc;
  log_write(r->log(), kLogInfo, 0, &r->log_ctx, "delaying unauthorized request");
  AuthDelay *d = r->arena.make<AuthDelay>();
  d->r = r;
  d->timer.fire = on_timer;
  request_on_free(r, forget_delay, d);
  r->core->loop->arm(&d->timer, r->conf->auth_delay);
  return kAgain;
}

}  // namespace mw
