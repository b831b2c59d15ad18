// SPDX-License-Identifier: MIT
// See limit_rate.h. As in nginx the directives are evaluated when the response begins to leave; $limit_rate may change later.
#include "http/modules/limit_rate.h"

#include "net/pace.h"

namespace mw {

/// Bytes, with k or m. False when the text means none.
static bool parse_size(Str text, uint64_t &out) {
  uint64_t scale = 1;
  if (!text.empty() && (text.back() == 'k' || text.back() == 'K')) scale = 1024;
  if (!text.empty() && (text.back() == 'm' || text.back() == 'M')) scale = 1024 * 1024;
  if (scale > 1) text.remove_suffix(1);
  if (!str_to_u64(text, out) || out > INT64_MAX / scale) return false;
  out *= scale;
  return true;
}

uint64_t limit_rate_size(Request *r, const ComplexValue &value) {
  Str text = complex_value(r, value);
  uint64_t size = 0;
  if (text.empty() || parse_size(text, size)) return size;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "invalid size \"%.*s\"", static_cast<int>(text.size()), text.data());
  return 0;
}

static void apply(Request *r) {
  pace_set(r->conn, {r->limit_rate, r->limit_rate_after, r->out.sent_mark, r->start_mono});
}

void limit_rate_begin(Request *r) {
  const LocationConf &c = *r->conf;
  if (!r->has_limit_rate && c.is_rate_limited) {
    r->limit_rate = limit_rate_size(r, c.limit_rate);
    r->has_limit_rate = true;
  }
  if (r->has_limit_rate && c.is_rate_limited) r->limit_rate_after = limit_rate_size(r, c.limit_rate_after);
  if (r->has_limit_rate || r->conn->pace) apply(r);
}

static void change(Request *r, uint64_t rate) {
  Request *main = r->main;
  main->limit_rate = rate;
  main->has_limit_rate = true;
  if (main->out.is_serialized && !main->conn->is_closed) apply(main);
}

bool limit_rate_var(Request *r, const VarDef &, Str &out) {
  return out = r->arena.format("%llu", static_cast<unsigned long long>(r->main->limit_rate)), true;
}

bool limit_rate_var_set(Request *r, const VarDef &, Str value) {
  uint64_t rate;
  if (!parse_size(value, rate)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "invalid $limit_rate \"%.*s\"", static_cast<int>(value.size()),
              value.data());
    return true;
  }
  change(r, rate);
  return true;
}

}  // namespace mw
