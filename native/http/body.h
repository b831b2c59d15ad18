// SPDX-License-Identifier: MIT
// Reading the request body, lazily: nothing is read until a handler asks or the response is done. In memory up to
// client_body_buffer_size, then in an unlinked-at-end temporary file. Discards what nobody wanted.
#pragma once
#include "http/request.h"

namespace mw {

/// Reads the whole body. kOk when it is there already; kAgain: done(r, rc, arg) is called from the loop, rc kOk or an HTTP
/// status (400, 408, 413) or kError when the client is gone.
Rc body_read(Request *r, void (*done)(Request *, Rc, void *), void *arg);
/// The same for a body that goes to r->upstream as it comes (upstream_body_*), and is kept in memory as far as
/// client_body_buffer_size allows. kOk: all of it has come at once, and nothing of it was passed on.
Rc body_read_streamed(Request *r, void (*done)(Request *, Rc, void *), void *arg);
/// Sends 100 Continue to a client that waits for it, unless the response has begun.
void body_send_continue(Request *r);
/// Forgets the callback (its caller is going away); reading goes on.
void body_forget(Request *r);
/// Input arrived while the body is being read or discarded. Called by the connection.
void body_readable(Request *r);
/// The connection's timer fired while a body was being read.
void body_timeout(Request *r);
/// The client is gone while the body was being read.
void body_aborted(Request *r);
/// Starts throwing an unread body away. True when nothing of it can still arrive (keep-alive is safe).
bool body_discard(Request *r);
/// For a handler that answers without the body: the same before it does. kOk, or the status to answer in its place, since what
/// has come of the body is no body.
Rc body_discard_first(Request *r);
/// True when a body was announced by the head.
bool body_is_announced(const Request *r);
/// The whole body as text: from memory, or false when it is in a file or absent.
bool body_in_memory(const Request *r, Str &out);
/// Moves a body that is in memory to a temporary file. kOk or 500, logged.
Rc body_to_file(Request *r);
/// Replaces the body (ngx.req.set_body_data / set_body_file / append_body).
void body_replace(Request *r, Str data);
bool body_replace_file(Request *r, Str path, bool remove_after);
/// Makes the body of `from`, if it has been read, that of its subrequest `r` too; an empty one otherwise.
void body_borrow(Request *r, const Request *from);
/// Something stands in the place of a body that may not have come yet: what still comes is nobody's.
bool body_is_unread(const Request *r);
/// Frees the buffer and the file.
void body_release(Request *r);

}  // namespace mw
