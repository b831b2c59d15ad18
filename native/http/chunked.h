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
  /// Takes input up to the next span of data, the end, or all of it.
  ChunkedResult feed(Str in);

 private:
  enum State : uint8_t {
    size_first,
    size,
    extension,
    extension_quoted,
    extension_escape,
    size_lf,
    body,
    body_cr,
    body_lf,
    trailer_first,
    trailer_name,
    trailer_value,
    trailer_lf,
    final_lf,
    finished
  };
  int32_t step(char c);
  State state_ = size_first;
  uint64_t left_ = 0;
  uint32_t extension_bytes_ = 0, trailer_bytes_ = 0;
};

}  // namespace mw
