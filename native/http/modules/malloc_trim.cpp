// SPDX-License-Identifier: MIT
// See malloc_trim.h.
#include "http/modules/malloc_trim.h"

#include <malloc.h>

namespace mw {

void malloc_trim_count(const Request *r) {
  static thread_local uint64_t count = 0;
  uint64_t cycle = r->plan->lua_malloc_trim;
  if (cycle == 0) {
    // As in lua-nginx-module, whose log handler says so, only where there is one.
    if (r->core->is_debug && r->conf->scripts[static_cast<size_t>(LuaPhase::log)] >= 0)
      log_write(r->log(), kLogDebug, 0, &r->log_ctx, "malloc_trim() disabled");
    return;
  }
  if (++count < cycle) return;
  count = 0;
  int has_released = malloc_trim(1);
  if (r->core->is_debug) log_write(r->log(), kLogDebug, 0, &r->log_ctx, "malloc_trim(1) returned %d", has_released);
}

}  // namespace mw
