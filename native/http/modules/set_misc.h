// SPDX-License-Identifier: MIT
// The set_misc module's functions, for its directives (instructions of the rewrite module) and for ndk.set_var in Lua.
// The request's worker; the caller owns the buffers.
#pragma once
#include <span>

#include "http/request.h"

namespace mw {

/// The letter after the backslash for a byte that a MySQL literal escapes, else 0.
char sql_letter(char c);
/// The function of one text that a directive has; -1: there is none of that name.
int32_t set_misc_find(Str directive);
/// Bytes that function `call` may write for a text of `size` bytes.
size_t set_misc_bound(int32_t call, size_t size);
/// Runs it by the settings of the request's location; `r` may be null, for the defaults. `dst` holds set_misc_bound() bytes;
/// returns how many it has written, -1 for a text that the directive does not take, which is logged.
ssize_t set_misc_run(Request *r, int32_t call, Str text, char *dst);
/// What a directive sets its variable to; `inputs` are evaluated. The value lies in the request's arena. False for inputs that
/// the directive does not take, which is logged.
bool set_misc_value(Request *r, int32_t call, std::span<const Str> inputs, Str &out);

}  // namespace mw
