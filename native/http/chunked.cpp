// SPDX-License-Identifier: MIT
// See chunked.h. step() is the state machine over one byte of framing; feed() hands data spans through whole.
#include "http/chunked.h"

#include "http/parser.h"

namespace mw {

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t'; }

/// Takes one byte that is not chunk data. 0, or the status to refuse with.
int32_t ChunkedDecoder::step(char c) {
  switch (state_) {
    case size_first: {
      int v = hex_value(c);
      if (v < 0) return 400;
      left_ = static_cast<uint64_t>(v);
      state_ = size;
      return 0;
    }
    case size: {
      int v = hex_value(c);
      if (v >= 0) {
        if (left_ > (static_cast<uint64_t>(INT64_MAX) >> 4)) return 400;
        left_ = left_ * 16 + static_cast<uint64_t>(v);
        return 0;
      }
      if (c == '\r') return state_ = size_lf, 0;
      if (c != ';' && c != ' ' && c != '\t') return 400;
      state_ = extension;
      return ++extension_bytes_ > kMaxDecoration ? 413 : 0;
    }
    case extension:
    case extension_quoted:
    case extension_escape:
      if (++extension_bytes_ > kMaxDecoration) return 413;
      if (state_ == extension && c == '\r') return state_ = size_lf, 0;
      if (!is_text(c)) return 400;
      if (state_ == extension_escape)
        state_ = extension_quoted;
      else if (state_ == extension_quoted)
        state_ = c == '\\' ? extension_escape : c == '"' ? extension : extension_quoted;
      else if (c == '"')
        state_ = extension_quoted;
      return 0;
    case size_lf:
      if (c != '\n') return 400;
      state_ = left_ ? body : trailer_first;
      return 0;
    case body_cr: return c == '\r' ? (state_ = body_lf, 0) : 400;
    case body_lf: return c == '\n' ? (state_ = size_first, 0) : 400;
    case trailer_first:
      if (c == '\r') return state_ = final_lf, 0;
      if (!parser_is_token(static_cast<unsigned char>(c))) return 400;
      state_ = trailer_name;
      return ++trailer_bytes_ > kMaxDecoration ? 413 : 0;
    case trailer_name:
      if (++trailer_bytes_ > kMaxDecoration) return 413;
      if (c == ':') return state_ = trailer_value, 0;
      return parser_is_token(static_cast<unsigned char>(c)) ? 0 : 400;
    case trailer_value:
      if (++trailer_bytes_ > kMaxDecoration) return 413;
      if (c == '\r') return state_ = trailer_lf, 0;
      return is_text(c) ? 0 : 400;
    case trailer_lf: return c == '\n' ? (state_ = trailer_first, 0) : 400;
    case final_lf: return c == '\n' ? (state_ = finished, 0) : 400;
    case body:
    case finished: break;
  }
  return 400;
}

ChunkedResult ChunkedDecoder::feed(Str in) {
  ChunkedResult result;
  size_t i = 0;
  while (i < in.size() && state_ != finished) {
    if (state_ == body) {
      size_t n = in.size() - i < left_ ? in.size() - i : static_cast<size_t>(left_);
      left_ -= n;
      if (left_ == 0) state_ = body_cr;
      result.kind = ChunkedResult::span;
      result.data = in.substr(i, n);
      result.consumed = i + n;
      return result;
    }
    if (int32_t status = step(in[i++])) {
      result.kind = ChunkedResult::error;
      result.status = status;
      result.consumed = i;
      return result;
    }
  }
  result.kind = state_ == finished ? ChunkedResult::done : ChunkedResult::need_more;
  result.consumed = i;
  return result;
}

}  // namespace mw
