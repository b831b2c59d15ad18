// SPDX-License-Identifier: MIT
// See expires.h.
#include "http/modules/expires.h"

#include <stdio.h>
#include <time.h>

#include <algorithm>

#include "base/http_time.h"
#include "http/variable.h"

namespace mw {

enum Kind : uint8_t { kOff, kEpoch, kMax, kAccess, kModified, kDaily, kComputed };

// --- a time with variables -------------------------------------------------------------------------------------------

struct Unit {
  char letter;
  int64_t seconds;
};
/// From the longest on: a time names each once, in this order.
static constexpr Unit kUnits[] = {{'y', 31536000}, {'M', 2592000}, {'w', 604800}, {'d', 86400},
                                  {'h', 3600},     {'m', 60},      {'s', 1}};

/// "1d 12h", "30": seconds, or -1 where it is no time.
static int64_t parse_time(Str text) {
  constexpr int64_t kMost = INT32_MAX;
  int64_t total = 0;
  size_t next_unit = 0;
  if (text.empty()) return -1;
  while (!text.empty()) {
    size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    uint64_t number;
    if (!str_to_u64(text.substr(0, digits), number) || number > static_cast<uint64_t>(kMost)) return -1;
    text.remove_prefix(digits);
    const Unit *unit = std::find_if(kUnits + next_unit, std::end(kUnits), [&](const Unit &u) {
      return text.empty() ? u.letter == 's' : u.letter == text[0];
    });
    if (unit == std::end(kUnits)) return -1;
    total += static_cast<int64_t>(number) * unit->seconds;
    if (total > kMost) return -1;
    next_unit = static_cast<size_t>(unit - kUnits) + 1;
    if (!text.empty()) text.remove_prefix(1);
    while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  }
  return total;
}

/// What a text says in the directive's words; kOff where that is nothing.
static Kind parse(Str text, bool is_modified, int64_t &seconds) {
  seconds = 0;
  if (!is_modified && text == "epoch") return kEpoch;
  if (!is_modified && text == "max") return kMax;
  bool is_daily = text.starts_with('@'), is_past = text.starts_with('-');
  if (is_daily || is_past || text.starts_with('+')) text.remove_prefix(1);
  seconds = parse_time(text);
  if (seconds < 0 || (is_daily && (is_modified || seconds > 86400))) return kOff;
  if (is_past) seconds = -seconds;
  return is_daily ? kDaily : is_modified ? kModified : kAccess;
}

// --- the filter ------------------------------------------------------------------------------------------------------

static bool is_status_fit(int32_t s) {
  return s == 200 || s == 201 || s == 204 || s == 206 || s == 301 || s == 302 || s == 303 || s == 304 || s == 307 ||
         s == 308;
}

static void set(Request *r, int64_t when, Str control) {
  char text[HTTP_TIME_SIZE];
  http_time_format(when, text);
  response_set_header(r, "Expires", {text, sizeof text});
  response_set_header(r, "Cache-Control", control);
}

/// Seconds from `now` to that time of the (local) day.
static int64_t until_daily(int64_t now, int64_t time_of_day) {
  time_t at = now;
  tm day;
  localtime_r(&at, &day);
  day.tm_hour = static_cast<int>(time_of_day / 3600);
  day.tm_min = static_cast<int>(time_of_day / 60 % 60);
  day.tm_sec = static_cast<int>(time_of_day % 60);
  int64_t then = mktime(&day);
  return (then <= now ? then + 86400 : then) - now;
}

void expires_filter(Request *r) {
  if (r->parent || !is_status_fit(r->abi.status)) return;
  auto kind = static_cast<Kind>(r->conf->expires[0]);
  int64_t seconds = r->conf->expires[1], now = r->core->loop->wall_ms() / 1000;
  if (kind == kComputed) kind = parse(complex_value(r, r->conf->expires_text), seconds == 1, seconds);
  if (kind == kOff) return;
  if (kind == kEpoch) return set(r, 1, "no-cache");
  if (kind == kMax) return set(r, 2145916555, "max-age=315360000");
  int64_t after = kind == kDaily ? until_daily(now, seconds) : seconds;
  if (kind == kModified && r->resp.last_modified >= 0) after = r->resp.last_modified + seconds - now;
  if (seconds < 0 || after < 0) return set(r, now + after, "no-cache");
  char text[40];
  int n = snprintf(text, sizeof text, "max-age=%lld", static_cast<long long>(after));
  set(r, now + after, {text, static_cast<size_t>(n)});
}

}  // namespace mw
