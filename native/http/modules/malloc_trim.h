// SPDX-License-Identifier: MIT
// lua_malloc_trim: free memory of the C library's allocator goes back to the system, every so many requests of a worker.
#pragma once
#include "http/request.h"

namespace mw {

/// A request, or a subrequest that is logged, ends.
void malloc_trim_count(const Request *r);

}  // namespace mw
