// SPDX-License-Identifier: MIT
// Output that waits for the Lua body filter, and what the filter has made of the piece that it has. The first few KiB of a
// response live in its arena; what follows has memory of its own, freed as soon as it is through, so that a long stream takes
// no more than what is under way. Worker's thread.
#pragma once
#include "http/request.h"

namespace mw {

/// Adds body bytes (copied). `flush` asks for what is there to be sent; `last`: nothing follows. Only commits them to the queue:
/// the caller then runs or schedules output_pump().
void output_queue(Request *r, Str data, bool flush, bool last);
/// The same for `n` bytes (at least one) that the caller writes to where this points, before the pump runs.
char *output_queue_reserve(Request *r, size_t n);
/// The first piece is through.
void output_queue_pop(Request *r);
/// Nobody wants what is queued.
void output_queue_clear(Request *r);
/// The filter's own text takes the place of the piece that it has: ngx.arg[1]. `data` is copied.
void output_replace_chunk(Request *r, Str data);

}  // namespace mw
