// SPDX-License-Identifier: MIT
// ngx.log and print: lines into the error log of the running request's location.
#include "abi/abi.h"
#include "script/vm_inner.h"

using namespace mw;

extern "C" MW_EXPORT
int32_t mw_log_level(void) {
  const LogContext *ctx = nullptr;
  if (!vm_current) return pool_log ? pool_log->level : kLogError;  // a Lua state of its own, without a worker
  return vm_current->current ? run_log(vm_current->current->run, &ctx).level : vm_current->core->log->level;
}

extern "C" MW_EXPORT
void mw_log_write(int32_t level, const char *text, size_t size) {
  const LogContext *ctx = nullptr;
  if (!vm_current) {
    if (pool_log) log_text(*pool_log, static_cast<LogLevelId>(level), 0, nullptr, {text, size});
    return;
  }
  const Log &log = vm_current->current ? run_log(vm_current->current->run, &ctx) : *vm_current->core->log;
  log_text(log, static_cast<LogLevelId>(level), 0, ctx, {text, size});
}
