// SPDX-License-Identifier: MIT
// The process as a whole, for code that ends it. Any worker thread; owns nothing.
#include <stdio.h>
#include <unistd.h>

#include "abi/abi.h"

// exit() would run atexit handlers that join the calling thread; what Lua wrote to C streams is all there is to save.
extern "C" MW_EXPORT
void mw_process_exit(int32_t status) {
  fflush(nullptr);
  _exit(status);
}
