// SPDX-License-Identifier: MIT
// The worker of each thread, as the ABI functions find it. native/worker sets it when its thread starts.
#include "abi/abi.h"

namespace mw {
constinit thread_local mw_worker_t *abi_worker = nullptr;
}
