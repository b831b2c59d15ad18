// SPDX-License-Identifier: MIT
// See core.h: the texts of the current second.
#include "http/core.h"

#include <stdio.h>
#include <time.h>

#include "base/http_time.h"

namespace mw {

void core_tick(HttpCore *core) {
  core->abi->now_ms = core->loop->wall_ms();
  core->abi->mono_ms = static_cast<int64_t>(core->loop->now_ms());
  int64_t second = core->loop->wall_ms() / 1000;
  if (second == core->second) return;
  core->second = second;
  http_time_format(second, core->date);
  core->date[HTTP_TIME_SIZE] = 0;
  core->server_date_size = static_cast<uint32_t>(
      snprintf(core->server_date, sizeof core->server_date, "Server: %s\r\nDate: %s\r\n", kServerToken, core->date));
  core->server_date_short_size = static_cast<uint32_t>(snprintf(core->server_date_short, sizeof core->server_date_short,
                                                                "Server: moonwire\r\nDate: %s\r\n", core->date));
  time_t now = static_cast<time_t>(second);
  tm local;
  localtime_r(&now, &local);
  strftime(core->log_time, sizeof core->log_time, "%d/%b/%Y:%H:%M:%S %z", &local);
  size_t n = strftime(core->log_time_iso, sizeof core->log_time_iso, "%Y-%m-%dT%H:%M:%S%z", &local);
  if (n == 24) {  // +0100 -> +01:00
    memmove(core->log_time_iso + 23, core->log_time_iso + 22, 3);
    core->log_time_iso[22] = ':';
  }
}

}  // namespace mw
