// SPDX-License-Identifier: MIT
// nginx's geo module: variables whose value follows from an address. The ranges lie sorted in the plan; a value found stays
// with its request.
#pragma once
#include "http/variable.h"

namespace mw {

/// Finds the geo block that gives the variable `name` its value; the last one counts. -1: none.
int32_t geo_of_variable(const Plan &plan, Str name);
/// VarDef::get of such a variable.
bool geo_get(Request *r, const VarDef &def, Str &out);

}  // namespace mw
