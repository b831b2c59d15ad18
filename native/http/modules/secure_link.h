// SPDX-License-Identifier: MIT
// nginx's secure_link module: variables that say whether a link carries the right hash, and is not too old.
#pragma once
#include "http/variable.h"

namespace mw {

/// $secure_link: "1" for a good link, "0" for one past its time, else empty; with secure_link_secret the link itself.
bool secure_link_var(Request *r, const VarDef &def, Str &out);
/// $secure_link_expires: the time that the link names.
bool secure_link_var_expires(Request *r, const VarDef &def, Str &out);

}  // namespace mw
