// SPDX-License-Identifier: MIT
// The process as a whole: for code that ends it, and for ngx.process. Any worker thread; owns nothing.
#include <stdio.h>
#include <unistd.h>

#include "abi/abi.h"
#include "script/vm_inner.h"

// exit() would run atexit handlers that join the calling thread; what Lua wrote to C streams is all there is to save.
extern "C" MW_EXPORT
void mw_process_exit(int32_t status) {
  fflush(nullptr);
  _exit(status);
}

extern "C" MW_EXPORT
void mw_enable_privileged_agent(void) {
  if (std::atomic<bool> *wants = mw::vm_current->core->wants_privileged_agent) *wants = true;
}
