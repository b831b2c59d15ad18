// SPDX-License-Identifier: MIT
// A file, or what lies in one from an offset on, as the body of a response whose header is out: whole, or the parts that a
// range request asked for. For static files and those of the response cache. Worker's thread.
#pragma once
#include "http/output.h"

namespace mw {

/// Hands out `size` bytes from `at` on, or r->out.ranges of them. Takes the descriptor. kOk: all is handed over. kAgain: filters
/// look at the bytes, which are read no faster than these and the client take them; `done` is called at the end, unless the
/// request is freed before.
Rc file_body_send(Request *r, int fd, uint64_t at, uint64_t size, void (*done)(Request *r));

}  // namespace mw
