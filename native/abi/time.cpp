// SPDX-License-Identifier: MIT
// The time family of mw_abi.h: refreshes the worker's cached clocks and formats dates. Runs on the worker's thread.
#include <time.h>

#include "abi/abi.h"
#include "base/http_time.h"

namespace {

int64_t clock_ms(clockid_t id) {
  struct timespec ts;
  clock_gettime(id, &ts);
  return static_cast<int64_t>(ts.tv_sec) * 1000 + ts.tv_nsec / 1000000;
}

}  // namespace

extern "C" {

MW_EXPORT
void mw_time_update(void) {
  mw_worker_t *w = mw::abi_worker;
  if (!w) return;
  w->now_ms = clock_ms(CLOCK_REALTIME);
  w->mono_ms = clock_ms(CLOCK_MONOTONIC);
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
