// SPDX-License-Identifier: MIT
// See set_misc.h.
#include "http/modules/set_misc.h"

namespace mw {

int32_t set_misc_find(Str, uint32_t *) { return -1; }
bool set_misc_run(Request *, int32_t, const Str *, uint32_t, Str &) { return false; }

}  // namespace mw
