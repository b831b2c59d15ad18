// SPDX-License-Identifier: MIT
// ngx.errlog as C functions: the last lines of this worker's error log, held for Lua within lua_capture_error_log bytes, the
// oldest giving way. One ring per worker thread; it lives and dies with the worker's VM.
#include <deque>
#include <string>

#include "script/vm_inner.h"

namespace mw {

struct CapturedLine {
  int level;
  double sec;
  std::string text;
};

struct Capture {
  std::deque<CapturedLine> lines;
  size_t used = 0, room = 0;  ///< room 0: off
  int filter = kLogDebug;
};

static thread_local Capture *capture = nullptr;

static void drop_oldest() {
  capture->used -= capture->lines.front().text.size() + sizeof(CapturedLine);
  capture->lines.pop_front();
}

static void on_line(LogLevelId level, Str text) {
  if (static_cast<int>(level) > capture->filter) return;
  size_t size = text.size() + sizeof(CapturedLine);
  if (size > capture->room) return;
  while (capture->used + size > capture->room) drop_oldest();
  const Vm *vm = vm_current;
  double sec = vm ? static_cast<double>(vm->core->loop->wall_ms()) / 1000 : 0;
  capture->lines.push_back({level, sec, std::string(text)});
  capture->used += size;
}

/// take() -> level, seconds, text | nothing | false when lines are not captured
static int errlog_take(lua_State *L) {
  if (!capture) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (capture->lines.empty()) return 0;
  const CapturedLine &line = capture->lines.front();
  lua_pushinteger(L, line.level);
  lua_pushnumber(L, line.sec);
  lua_pushlstring(L, line.text.data(), line.text.size());
  drop_oldest();
  return 3;
}

/// set_filter(level) -> false when lines are not captured
static int errlog_set_filter(lua_State *L) {
  if (capture) capture->filter = static_cast<int>(luaL_checkinteger(L, 1));
  lua_pushboolean(L, capture != nullptr);
  return 1;
}

int errlog_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"take", errlog_take}, {"set_filter", errlog_set_filter}, {nullptr, nullptr}};
  uint64_t room = vm_current->core->p->lua_capture_error_log;
  if (room && !capture) {
    capture = new Capture();
    capture->room = room;
    log_tap = on_line;
  }
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  return 1;
}

void errlog_close() {
  log_tap = nullptr;
  delete capture;
  capture = nullptr;
}

}  // namespace mw
