// SPDX-License-Identifier: MIT
// See range.h.
#include "http/modules/range.h"

#include <inttypes.h>

#include "base/http_time.h"

namespace mw {

enum class Parsed : uint8_t { declined, satisfiable, unsatisfiable };

static void skip_blanks(Str &text) {
  while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
}

/// Takes the digits at the front. False without any, or when they overflow.
static bool take_number(Str &text, uint64_t &value) {
  size_t digits = 0;
  for (value = 0; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    uint64_t digit = static_cast<uint64_t>(text[digits] - '0');
    if (value > (INT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  text.remove_prefix(digits);
  return digits > 0;
}

/// One "FIRST-LAST", "FIRST-" or "-SUFFIX", blanks around it. False when it is none. An empty [start, end) does not exist.
static bool take_range(Str &text, uint64_t size, uint64_t &start, uint64_t &end) {
  skip_blanks(text);
  bool has_first = take_number(text, start);
  skip_blanks(text);
  if (text.empty() || text[0] != '-') return false;
  text.remove_prefix(1);
  skip_blanks(text);
  bool is_open = text.empty() || text[0] == ',';
  if (!is_open && !take_number(text, end)) return false;
  if (!has_first) {
    if (is_open) return false;
    start = end < size ? size - end : 0;
    end = size;
  } else {
    end = is_open || end >= size ? size : end + 1;
  }
  skip_blanks(text);
  return text.empty() || text[0] == ',';
}

/// As nginx: more ranges than max_ranges, or more bytes in them than the content has, get the whole content.
static Parsed parse(Request *r, Str text, uint64_t size, RangeParts &to) {
  if (text.size() < 7 || !str_iequal(text.substr(0, 6), "bytes=")) return Parsed::declined;
  text.remove_prefix(6);
  uint64_t total = 0, left = r->conf->max_ranges;
  for (;;) {
    uint64_t start = 0, end = 0;
    if (!take_range(text, size, start, end)) return Parsed::unsatisfiable;
    if (start < end) {
      if (left-- == 0 || (r->resp.allows_one_range && to.parts.size == 1)) return Parsed::declined;
      RangePart *part = to.parts.push(r->arena);
      part->start = start;
      part->end = end;
      total += end - start;
      if (total > size) return Parsed::declined;
    }
    if (text.empty()) break;
    text.remove_prefix(1);
  }
  return to.parts.size ? Parsed::satisfiable : Parsed::unsatisfiable;
}

/// If-Range: is what the client has a part of still the same? (RFC 9110 section 13.1.5)
static bool is_current(Request *r, Str condition) {
  if (condition.size() >= 2 && condition.back() == '"') return response_header(r, "ETag") == condition;
  int64_t when;
  return r->resp.last_modified >= 0 && http_time_parse(condition, when) && when == r->resp.last_modified;
}

static void set_single(Request *r, RangePart &part, int64_t size) {
  r->resp.content_length = static_cast<int64_t>(part.end - part.start);
  response_set_header(r, "Content-Range",
                      r->arena.format("bytes %" PRIu64 "-%" PRIu64 "/%" PRId64, part.start, part.end - 1, size));
}

/// A multipart/byteranges body (RFC 9110 section 14.6).
static void set_multipart(Request *r, RangeParts &parts, int64_t size) {
  uint64_t boundary = ++r->core->range_boundary;
  response_clear_header(r, "Content-Range");  // of the whole; each part has its own
  Str type = r->resp.content_type;
  uint64_t length = 0;
  for (RangePart &part : parts.parts) {
    Str head = r->arena.format("\r\n--%020" PRIu64 "\r\n", boundary);
    Str range = r->arena.format("Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRId64 "\r\n\r\n", part.start,
                                part.end - 1, size);
    size_t bytes = head.size() + range.size() + (type.empty() ? 0 : 14 + type.size() + 2);
    char *to = static_cast<char *>(r->arena.alloc(bytes)), *at = str_put(to, head);
    if (!type.empty()) at = str_put(str_put(str_put(at, "Content-Type: "), type), "\r\n");
    str_put(at, range);
    part.head = {to, bytes};
    length += bytes + (part.end - part.start);
  }
  parts.tail = r->arena.format("\r\n--%020" PRIu64 "--\r\n", boundary);
  r->resp.content_length = static_cast<int64_t>(length + parts.tail.size());
  r->resp.content_type = r->arena.format("multipart/byteranges; boundary=%020" PRIu64, boundary);
}

Str range_unsatisfied(Request *r, int64_t size) { return r->arena.format("bytes */%" PRId64, size); }

int32_t range_filter(Request *r) {
  int64_t size = r->resp.content_length;
  if (r->parent || r->abi.status != 200 || size < 0 || r->conf->max_ranges == 0) return 0;
  Str range = request_header(r, "range"), condition = request_header(r, "if-range");
  RangeParts *parts = nullptr;
  Parsed parsed = Parsed::declined;
  if (range.data() && size > 0 && r->abi.http_major > 0 && (!condition.data() || is_current(r, condition))) {
    parts = r->arena.make<RangeParts>();
    parsed = parse(r, range, static_cast<uint64_t>(size), *parts);
  }
  if (parsed == Parsed::unsatisfiable) return 416;
  if (parsed == Parsed::declined) {
    response_set_header(r, "Accept-Ranges", "bytes");
    return 0;
  }
  r->abi.status = 206;
  r->resp.status_line = {};
  r->out.ranges = parts;
  if (parts->parts.size == 1)
    set_single(r, parts->parts.data[0], size);
  else
    set_multipart(r, *parts, size);
  return 0;
}

}  // namespace mw
