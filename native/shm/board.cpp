// SPDX-License-Identifier: MIT
// See board.h.
#include "shm/board.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace mw {

constinit thread_local BoardSlot *board_slot = nullptr;

BoardRef board_attach(int fd) {
  void *at = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return nullptr;
  return BoardRef(static_cast<Board *>(at), [](Board *board) { munmap(board, sizeof(Board)); });
}

BoardRef board_create(int &fd) {
  fd = memfd_create("mw-board", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  BoardRef board = ftruncate(fd, sizeof(Board)) == 0 ? board_attach(fd) : nullptr;
  if (board) return board;
  close(fd);
  fd = -1;
  return nullptr;
}

static std::string printable(const char *bytes, size_t size) {
  std::string text(bytes, size);
  for (char &c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

std::string board_text(const BoardSlot &slot) {
  std::string text;
  if (slot.length)
    text = "was running \"" + printable(slot.text, std::min<size_t>(slot.length, sizeof slot.text)) + "\"";
  if (!slot.place_length) return text;
  text += text.empty() ? "was in Lua at " : ", in Lua at ";
  return text + printable(slot.place, std::min<size_t>(slot.place_length, sizeof slot.place));
}

}  // namespace mw
