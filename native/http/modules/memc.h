// SPDX-License-Identifier: MIT
// The memc module: a location's requests become commands to a memcached server (memc_pass), by the variables $memc_cmd,
// $memc_key, $memc_value, $memc_exptime and $memc_flags. The engine is upstream.h. Worker's thread.
#pragma once
#include "http/upstream.h"

namespace mw {

/// The content handler.
Rc memc_run(Request *r);

}  // namespace mw
