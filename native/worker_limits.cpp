// SPDX-License-Identifier: MIT
// See worker_limits.h. Workers are threads here: processors and priority are each thread's own, but limits are the process's.
#include "worker_limits.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>

namespace mw {

static void refused(const Log &log, const char *call, unsigned long long value) {
  log_write(log, kLogAlert, errno, nullptr, "%s, %llu) failed", call, value);
}

/// worker_rlimit_nofile: so many files for each worker. A limit that is high enough already stays.
static void raise_files(const Plan &plan, const Log &log) {
  rlim_t wanted = static_cast<rlim_t>(plan.worker_rlimit_nofile) * std::max(plan.worker_processes, 1U);
  rlimit limit{};
  if (wanted == 0) return;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return refused(log, "getrlimit(RLIMIT_NOFILE", wanted);
  if (limit.rlim_cur >= wanted) return;
  rlimit more{wanted, std::max(limit.rlim_max, wanted)};
  if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
  refused(log, "setrlimit(RLIMIT_NOFILE", wanted);
  limit.rlim_cur = limit.rlim_max;  // what may be had
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) refused(log, "setrlimit(RLIMIT_NOFILE", limit.rlim_max);
}

static void limit_core(const Plan &plan, const Log &log) {
  if (plan.worker_rlimit_core < 0) return;
  rlim_t size = static_cast<rlim_t>(plan.worker_rlimit_core);
  rlimit limit{size, size};
  if (setrlimit(RLIMIT_CORE, &limit) < 0) refused(log, "setrlimit(RLIMIT_CORE", size);
}

/// The processors that a mask's text names; its last digit is the first of them.
static cpu_set_t read_mask(const std::string &text) {
  cpu_set_t set;
  CPU_ZERO(&set);
  size_t cpu = text.size();
  for (char digit : text)
    if (--cpu < CPU_SETSIZE && digit == '1') CPU_SET(cpu, &set);
  return set;
}

/// `auto`: one processor each, of those that the mask, or else the process, has.
static bool choose_one(const Plan &plan, uint32_t n, cpu_set_t &set) {
  if (!plan.worker_cpu_affinity.empty())
    set = read_mask(plan.worker_cpu_affinity.front());
  else if (sched_getaffinity(0, sizeof set, &set) < 0)
    return false;
  int count = CPU_COUNT(&set);
  if (count == 0) return false;
  uint32_t left = n % static_cast<uint32_t>(count);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &set) || left-- > 0) continue;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return true;
  }
  return false;
}

static void choose_processors(const Plan &plan, uint32_t n, const Log &log) {
  const std::vector<std::string> &masks = plan.worker_cpu_affinity;
  cpu_set_t set;
  if (plan.worker_cpu_auto) {
    if (!choose_one(plan, n, set)) return;
  } else {
    if (masks.empty()) return;
    set = read_mask(masks[std::min<size_t>(n, masks.size() - 1)]);
  }
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) log_write(log, kLogNotice, 0, nullptr, "sched_setaffinity(): using cpu #%zu", cpu);
  if (sched_setaffinity(0, sizeof set, &set) < 0)
    log_write(log, kLogAlert, errno, nullptr, "sched_setaffinity() failed");
}

void worker_limits_apply(const Plan &plan, uint32_t n, const Log &log) {
  raise_files(plan, log);
  limit_core(plan, log);
  choose_processors(plan, n, log);
  // Of this thread alone, on Linux (setpriority(2), under "C library/kernel differences").
  if (plan.worker_priority && setpriority(PRIO_PROCESS, 0, plan.worker_priority) < 0)
    log_write(log, kLogAlert, errno, nullptr, "setpriority(%d) failed", plan.worker_priority);
}

}  // namespace mw
