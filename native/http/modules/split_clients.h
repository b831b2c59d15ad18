// SPDX-License-Identifier: MIT
// nginx's split_clients module: variables whose value follows from a hash of a text, each for its share of the texts.
#pragma once
#include "http/variable.h"

namespace mw {

/// Finds the block that gives the variable `name` its value; the last one counts. -1: none.
int32_t split_of_variable(const Plan &plan, Str name);
/// VarDef::get of such a variable.
bool split_get(Request *r, const VarDef &def, Str &out);
/// The hash: MurmurHash2 of 32 bits, seed 0.
uint32_t murmur2(Str text);

}  // namespace mw
