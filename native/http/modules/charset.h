// SPDX-License-Identifier: MIT
// The charset filter: Content-Type names the charset, and where the content has another one it is converted by charset_map.
#pragma once
#include "http/request.h"

namespace mw {

/// Adds `; charset=` to the Content-Type of text, and begins to convert.
void charset_filter(Request *r);
void charset_filter_body(Request *r, Chain &body, bool last);
/// X-Accel-Charset: the charset that the response gets, whatever the location says, if the configuration names it anywhere.
/// Before its header is sent.
void charset_override(Request *r, Str charset);

}  // namespace mw
