// SPDX-License-Identifier: MIT
// The worker of a Lua unit test: what native/worker provides in the server, so that the ABI families load alone.
#include "abi/abi.h"

namespace mw {
thread_local mw_worker_t *abi_worker = nullptr;
}

extern "C" MW_EXPORT void mw_test_set_worker(mw_worker_t *w) { mw::abi_worker = w; }
