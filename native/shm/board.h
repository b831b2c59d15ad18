// SPDX-License-Identifier: MIT
// A page that the processes of `--processes` share with their supervisor: who the workers are, and what each is running
// now. Each worker writes its own slot; the supervisor reads it when the worker's process has died. No lock: a slot of a
// dead process is written by nobody, and a line that a dying one left half written is still of use.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/str.h"

namespace mw {

inline constexpr uint32_t kBoardWorkers = 512;

/// What a worker runs, and where its Lua code was when a fault ended the process. Of length 0: nothing.
struct BoardSlot {
  uint32_t length, place_length;
  char text[504];
  char place[512];
};

struct Board {
  int32_t pids[kBoardWorkers];  ///< by ngx.worker.id(); 0 = none
  BoardSlot slots[kBoardWorkers];
};
using BoardRef = std::shared_ptr<Board>;  ///< unmaps it in the end

/// A new one, in a memory file whose descriptor `fd` receives. Null with errno.
BoardRef board_create(int &fd);
/// Another process's. Null when it cannot be mapped.
BoardRef board_attach(int fd);

/// The slot of this thread's worker, null outside `--processes`.
extern constinit thread_local BoardSlot *board_slot;

/// The worker begins to run something for this request.
inline void board_note(BoardSlot *slot, Str request_line) {
  uint32_t n = static_cast<uint32_t>(request_line.size() < sizeof slot->text ? request_line.size() : sizeof slot->text);
  str_put(slot->text, request_line.substr(0, n));
  slot->length = n;
}

/// What the slot of a dead process says, in printable characters: `was running "..."`, `was in Lua at ...`, or both. Empty where
/// it says nothing.
std::string board_text(const BoardSlot &slot);

}  // namespace mw
