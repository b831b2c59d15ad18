// SPDX-License-Identifier: MIT
// What a worker may have of the machine: worker_cpu_affinity, worker_priority, worker_rlimit_nofile, worker_rlimit_core.
#pragma once
#include "base/log.h"
#include "config.h"

namespace mw {

/// Sets them for the calling thread, the worker `n` of all processes together, and for its process. What the system refuses
/// is an alert in the log, as in nginx, and the worker goes on without.
void worker_limits_apply(const Plan &plan, uint32_t n, const Log &log);

}  // namespace mw
