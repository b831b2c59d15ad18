// SPDX-License-Identifier: MIT
// The output chain of a request: header filters, body filters, framing, the connection. A Lua filter may park; then the
// chain waits and output_pump() goes on when it is done. Nothing here may be called while Lua code of the same VM is on the
// stack unless output_is_direct() says that no Lua filter would have to run.
#pragma once
#include "http/output_queue.h"
#include "http/request.h"

namespace mw {

/// How far the header is (Output::header_state).
enum HeaderState : uint8_t { kHeaderUntouched, kHeaderFiltering, kHeaderThrough };

/// True when output goes straight to the chain: no Lua filter stands in the way (or the header filter has run and there is
/// no body filter).
bool output_is_direct(const Request *r);

/// lua_http10_buffering: a client of before HTTP/1.1 gets its response when all of it is there, with a Content-Length,
/// unless the handler has said that already.
bool output_is_buffering(const Request *r);
/// Forgets what was written to a response of which nothing has left, because it is buffered (lua_http10_buffering): another one
/// may be made. False where something has.
bool output_take_back(Request *r);

/// The direct way: header out if it is not, bytes into the body. Needs output_is_direct().
void output_append(Request *r, Str data);
/// A file range as the next body part (never through Lua body filters: the caller reads it in then). Takes the descriptor; or
/// borrows it, where a later range of the same body `owns` it.
void output_append_file(Request *r, int fd, uint64_t start, uint64_t end, bool owns = true);
/// Room for `n` bytes in the body (n <= BlockPool::kData), committed with output_advance(). Needs output_is_direct().
char *output_reserve(Request *r, size_t n);
void output_advance(Request *r, size_t n);
/// Frames what is in the body and gives it to the connection; with `send` to the socket too.
void output_flush(Request *r, bool send);

/// False while the socket has not taken all output. A subrequest has no socket to wait for.
bool output_is_sent(const Request *r);
/// Runs the native body filters over what has been written and was not framed yet. Where a filter of this response has failed,
/// it is dropped instead. `last`: the body ends with it.
void output_filter(Request *r, bool last);
/// `r`'s turn to put out has come: a filter that has waited for it goes on, from the loop.
void output_has_turn(Request *r);
/// From subrequest.h: bytes of a response whose turn has come; the end of one that waited for its subrequests; what a main
/// one has, to the socket.
void output_take(Request *root, Chain &from);
void output_end_diverted(Request *root);
void output_flush_main(Request *main);

/// Flush and end from a handler, in the direct way.
void output_flush_from_handler(Request *r);
void output_end(Request *r);
/// True when sending the header needs no Lua filter.
bool output_header_is_direct(const Request *r);

/// Runs filters over what is queued until all is through or one parks. Wakes waiters. kAgain while something is parked.
Rc output_pump(Request *r);
/// Called when a parked Lua filter of `phase` ended.
void output_filter_done(Request *r, LuaPhase phase, Rc rc);
/// Registers a waiter: until all queued output is through the filters, or (until_sent) taken by the socket.
void output_wait(Request *r, OutWaiter *w, bool until_sent);
void output_unwait(Request *r, OutWaiter *w);
/// The connection's chain is empty again.
void output_drained(Request *r);

/// For a body filter that holds input back (Output::is_held): runs it over that, from the loop.
void output_go_on(Request *r);

/// Runs the header filters if none has run. From C++ handlers only.
Rc output_send_header(Request *r);
/// What follows will never come: what is there goes out, then the connection is closed without the end of the body.
void output_cut(Request *r);
/// Ends the response: last chunk through the filters, framing, then request_finish (phase.h) when all is handed over.
void output_finish(Request *r);

/// Serialises status line and headers into the connection's chain. Content-Length when the body is known to be `length`
/// bytes (-1: not known). Defined in header_write.cpp.
void header_write(Request *r, int64_t length);
/// The reason phrase of a status, or "" when nginx has none.
Str status_reason(int32_t status);

}  // namespace mw
