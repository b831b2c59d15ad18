// SPDX-License-Identifier: MIT
// Range requests (RFC 9110 section 14) for content whose handler allows them: static files.
#pragma once
#include "http/request.h"

namespace mw {

/// Bytes [start, end) of the content, and what goes before them in a multipart body.
struct RangePart {
  uint64_t start = 0, end = 0;
  Str head;
};

/// The parts of a 206, in the request's arena.
struct RangeParts {
  ArenaVec<RangePart> parts;
  Str tail;  ///< the closing boundary of a multipart body
};

/// The last header filter of a response that allows ranges: makes it a 206 whose parts lie in r->out.ranges, adds
/// Accept-Ranges, or returns 416 when nothing of what was asked for exists.
int32_t range_filter(Request *r);
/// "bytes */SIZE", the Content-Range of a 416.
Str range_unsatisfied(Request *r, int64_t size);

}  // namespace mw
