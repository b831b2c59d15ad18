// SPDX-License-Identifier: MIT
// The head of an HTTP/1 reply from an upstream server: status line and field lines. Pure: no allocation, no I/O; the results
// are views into the caller's bytes. As nginx it takes lines that end with LF alone, and refuses what could be read two ways.
#pragma once
#include "http/parser.h"

namespace mw {

struct ReplyHead {
  int32_t status = 0;
  Str status_line;  ///< "200 OK": code and reason as sent
  uint8_t http_minor = 0;
  HeaderList headers;
};

struct ReplyResult {
  enum Kind : uint8_t { incomplete, complete, bad_status, bad_header } kind = incomplete;
  size_t consumed = 0;  ///< complete: bytes of the head
  Str line;             ///< bad_header: the line, for the log
};

/// Parses all bytes of a head received so far, from its first. `head.headers` has room; the rest is fresh.
ReplyResult reply_parse_head(ReplyHead &head, const char *data, size_t size);

}  // namespace mw
