// SPDX-License-Identifier: MIT
// See chunked.h. step() and its parts are the state machine over one byte of framing; feed() hands data spans through whole.
#include "http/chunked.h"

#include "http/parser.h"

namespace mw {

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t'; }

static bool is_blank(char c) { return c == ' ' || c == '\t'; }
static bool is_token(char c) { return parser_is_token(static_cast<unsigned char>(c)); }

int32_t ChunkedDecoder::step_size(char c) {
  int v = hex_value(c);
  if (v >= 0) {
    if (state_ == size_first) left_ = digits_ = 0;
    if (++digits_ > kMaxDigits || left_ > (static_cast<uint64_t>(INT64_MAX) >> 4)) return 400;
    left_ = left_ * 16 + static_cast<uint64_t>(v);
    return go(size);
  }
  if (state_ == size_first) return 400;
  if (c == '\r') return go(size_lf);
  if (c == ';') return go(extension_start);
  return is_blank(c) ? go(extension_wait) : 400;
}

/// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ). No blank may stand before the line's end: RFC 9112 has
/// none there, and recipients differ over it.
int32_t ChunkedDecoder::step_extension(char c) {
  if (++extension_bytes_ > kMaxDecoration) return 413;
  switch (state_) {
    case extension_wait: return is_blank(c) ? 0 : c == ';' ? go(extension_start) : 400;
    case extension_start: return is_blank(c) ? 0 : is_token(c) ? go(extension_name) : 400;
    case extension_name:
      if (is_token(c)) return 0;
      if (is_blank(c)) return go(extension_named);
      [[fallthrough]];
    case extension_named:
      if (c == '=') return go(extension_equals);
      if (state_ == extension_named && is_blank(c)) return 0;
      if (c == ';') return go(extension_start);
      return c == '\r' && state_ == extension_name ? go(size_lf) : 400;
    case extension_equals:
      if (is_blank(c)) return 0;
      return c == '"' ? go(extension_quoted) : is_token(c) ? go(extension_token) : 400;
    case extension_quoted:
      if (!is_text(c)) return 400;
      return c == '\\' ? go(extension_escape) : c == '"' ? go(extension_end) : 0;
    case extension_escape: return is_text(c) ? go(extension_quoted) : 400;
    default:  // extension_token, extension_end
      if (state_ == extension_token && is_token(c)) return 0;
      if (c == '\r') return go(size_lf);
      if (c == ';') return go(extension_start);
      return is_blank(c) ? go(extension_wait) : 400;
  }
}

/// Field lines as in a head, but with CRLF alone.
int32_t ChunkedDecoder::step_trailer(char c) {
  if (++trailer_bytes_ > kMaxDecoration) return 413;
  switch (state_) {
    case trailer_first: return c == '\r' ? go(final_lf) : is_token(c) ? go(trailer_name) : 400;
    case trailer_name: return c == ':' ? go(trailer_value) : is_token(c) ? 0 : 400;
    case trailer_value: return c == '\r' ? go(trailer_lf) : is_text(c) ? 0 : 400;
    default: return c == '\n' ? go(trailer_first) : 400;  // trailer_lf
  }
}

/// Takes one byte that is not chunk data. 0, or the status to refuse with.
int32_t ChunkedDecoder::step(char c) {
  switch (state_) {
    case size_first:
    case size: return step_size(c);
    case size_lf: return c == '\n' ? go(left_ ? body : trailer_first) : 400;
    case body_cr: return c == '\r' ? go(body_lf) : 400;
    case body_lf: return c == '\n' ? go(size_first) : 400;
    case trailer_first:
    case trailer_name:
    case trailer_value:
    case trailer_lf: return step_trailer(c);
    case final_lf: return c == '\n' ? go(finished) : 400;
    case body:
    case finished:
    case broken: return 400;
    default: return step_extension(c);
  }
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
      state_ = broken;
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
