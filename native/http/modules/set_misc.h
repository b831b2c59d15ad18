// SPDX-License-Identifier: MIT
// set-misc-nginx-module: functions of strings that set a variable, as directives and as ndk.set_var.NAME. Pure but for the
// request's arena, the clock and random bytes; the worker's thread.
#pragma once
#include "http/request.h"

namespace mw {

/// The number of the function NAME (a directive's name), or -1. `inputs` receives how many arguments it takes.
int32_t set_misc_find(Str name, uint32_t *inputs);
/// Runs function `number` of set_misc_find(); the result lies in the request's arena. False on a failure, which is logged.
bool set_misc_run(Request *r, int32_t number, const Str *in, uint32_t n, Str &out);

}  // namespace mw
