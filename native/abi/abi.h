// SPDX-License-Identifier: MIT
// mw_abi.h for C++: the same declarations with C linkage, and the export mark of their definitions.
// Every abi/*.cpp includes this; nothing here owns anything.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define MW_EXPORT __attribute__((visibility("default")))

extern "C" {
#include "abi/mw_abi.h"
}

namespace mw {
/// The worker of the calling thread, as the Lua half sees it; null outside worker threads.
extern constinit thread_local mw_worker_t *abi_worker;
}  // namespace mw
