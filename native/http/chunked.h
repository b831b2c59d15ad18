// SPDX-License-Identifier: MIT
// The chunked transfer coding, incrementally (RFC 9112 section 7.1): bytes in, spans of data out. Strict: CRLF only, sizes
// checked, extensions and trailers bounded. Lives in its request's arena; no allocation.
#pragma once
#include "base/str.h"

namespace mw {

struct ChunkedResult {
  enum Kind : uint8_t { need_more, span, done, error } kind = need_more;
  size_t consumed = 0;  ///< of the input
  Str data;             ///< kind span: a span of the input
  int32_t status = 0;   ///< kind error: 400, or 413 for too much decoration
};

class ChunkedDecoder {
 public:
  static constexpr uint32_t kMaxDecoration = 16384;  ///< bytes of extensions, and of trailers, in one body
  static constexpr uint8_t kMaxDigits = 16;          ///< of a chunk size, leading zeros included
  /// Takes input up to the next span of data, the end, or all of it. After an error it answers errors for ever.
  ChunkedResult feed(Str in);

 private:
  enum State : uint8_t {
    size_first,
    size,
    extension_wait,   ///< blanks that a ';' must follow
    extension_start,  ///< behind ';': blanks, then a name
    extension_name,
    extension_named,   ///< blanks behind a name
    extension_equals,  ///< behind '=': blanks, then a value
    extension_token,
    extension_quoted,
    extension_escape,
    extension_end,  ///< behind a quoted value
    size_lf,
    body,
    body_cr,
    body_lf,
    trailer_first,
    trailer_name,
    trailer_value,
    trailer_lf,
    final_lf,
    finished,
    broken
  };
  int32_t step(char c);
  int32_t step_size(char c);
  int32_t step_extension(char c);
  int32_t step_trailer(char c);
  int32_t go(State next) {
    state_ = next;
    return 0;
  }
  State state_ = size_first;
  uint8_t digits_ = 0;
  uint16_t extension_bytes_ = 0, trailer_bytes_ = 0;
  uint64_t left_ = 0;
};

}  // namespace mw
