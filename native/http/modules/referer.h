// SPDX-License-Identifier: MIT
// nginx's referer module: $invalid_referer, from valid_referers and the Referer header.
#pragma once
#include "http/variable.h"

namespace mw {

/// $invalid_referer: empty when the header is among the valid ones (or there are none to be), else "1".
bool referer_var_invalid(Request *r, const VarDef &, Str &out);

}  // namespace mw
