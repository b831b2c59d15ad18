// SPDX-License-Identifier: MIT
// See expires.h.
#include "http/modules/expires.h"

#include <stdio.h>
#include <time.h>

#include "base/http_time.h"

namespace mw {

enum Kind : uint8_t { kOff, kEpoch, kMax, kAccess, kModified, kDaily };

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
