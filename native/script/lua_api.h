// SPDX-License-Identifier: MIT
// LuaJIT's C API for C++ files of script/ and addon/.
#pragma once
extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}
