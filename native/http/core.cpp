// SPDX-License-Identifier: MIT
// See core.h: the texts of the current second.
#include "http/core.h"

#include <stdio.h>
#include <time.h>

#include "base/http_time.h"

namespace mw {

static constexpr char kProduct[] = "moonwire/0.1.0";

Str core_product(const HttpCore *core, bool has_version) {
  Str product = core->p && !core->p->product.empty() ? Str(core->p->product) : Str(kProduct);
  return has_version ? product : product.substr(0, product.find('/'));
}

/// "Server: ...\r\nDate: ...\r\n"; returns its length.
template <size_t N>
static uint32_t put_server_date(const HttpCore *core, bool has_version, char (&to)[N]) {
  Str product = core_product(core, has_version);
  return static_cast<uint32_t>(snprintf(to, N, "Server: %.*s\r\nDate: %s\r\n",
                                        static_cast<int>(std::min<size_t>(product.size(), 32)), product.data(),
                                        core->date));
}

void core_tick(HttpCore *core) {
  core->abi->now_ms = core->loop->wall_ms();
  core->abi->mono_ms = static_cast<int64_t>(core->loop->now_ms());
  int64_t second = core->loop->wall_ms() / 1000;
  if (second == core->second) return;
  core->second = second;
  http_time_format(second, core->date);
  core->date[HTTP_TIME_SIZE] = 0;
  core->server_date_size = put_server_date(core, true, core->server_date);
  core->server_date_short_size = put_server_date(core, false, core->server_date_short);
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
