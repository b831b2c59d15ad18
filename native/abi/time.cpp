// SPDX-License-Identifier: MIT
// The time family of mw_abi.h: refreshes the worker's cached clocks and formats dates. Runs on the worker's thread.
#include "abi/abi.h"
#include "base/clock.h"
#include "base/http_time.h"

extern "C" {

MW_EXPORT
void mw_time_update(void) {
  mw_worker_t *w = mw::abi_worker;
  if (!w) return;
  mw::Clock clock = mw::clock_now();
  w->now_ms = clock.wall_ms;
  w->mono_ms = clock.mono_ms;
}

MW_EXPORT
int32_t mw_time_format_date(int64_t sec, int local, char *dst) {
  mw::http_time_format_date(sec, local != 0, dst);
  return mw::DATE_TIME_SIZE;
}

MW_EXPORT
int32_t mw_time_format_http(int64_t sec, char *dst) {
  mw::http_time_format(sec, dst);
  return mw::HTTP_TIME_SIZE;
}

MW_EXPORT
int32_t mw_time_format_cookie(int64_t sec, char *dst) {
  return static_cast<int32_t>(mw::http_time_format_cookie(sec, dst));
}

MW_EXPORT
int64_t mw_time_parse_http(const char *src, size_t len) {
  int64_t sec = 0;
  return mw::http_time_parse(mw::Str(src, len), sec) ? sec : -1;
}

}  // extern "C"
