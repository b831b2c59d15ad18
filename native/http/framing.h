// SPDX-License-Identifier: MIT
// How a response's body stands on the wire (RFC 9112, section 6): by its Content-Length, in chunks with trailers behind
// them, or up to the end of the connection.
#pragma once
#include "http/request.h"

namespace mw {

/// Moves out.body to the connection's chain, the header first when it has not gone. `last`: this is all. A body whose length
/// is not the promised one takes the connection with it.
void framing_put(Request *r, bool last);

}  // namespace mw
