// SPDX-License-Identifier: MIT
// See reply.h.
#include "http/reply.h"

namespace mw {

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The next line without its end, or false when it has none yet. `at` moves behind it.
static bool take_line(Str all, size_t &at, Str &line) {
  size_t lf = all.find('\n', at);
  if (lf == Str::npos) return false;
  line = all.substr(at, lf - at);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  at = lf + 1;
  return true;
}

/// "HTTP/1.N CODE[ reason]"; the reason may hold anything but control bytes.
static bool parse_status_line(Str line, ReplyHead &head) {
  if (line.size() < 12 || !line.starts_with("HTTP/") || !is_digit(line[5]) || line[6] != '.' || !is_digit(line[7]))
    return false;
  if (line[5] != '1') return false;
  size_t at = 8;
  while (at < line.size() && line[at] == ' ') ++at;
  if (at == 8 || line.size() - at < 3) return false;
  for (size_t i = at; i < at + 3; ++i)
    if (!is_digit(line[i])) return false;
  if (line.size() > at + 3 && line[at + 3] != ' ') return false;
  for (char c : line.substr(at))
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return false;
  head.http_minor = static_cast<uint8_t>(line[7] - '0');
  head.status = (line[at] - '0') * 100 + (line[at + 1] - '0') * 10 + (line[at + 2] - '0');
  head.status_line = line.substr(at);
  return head.status >= 100;
}

static bool parse_field(Str line, ReplyHead &head) {
  size_t colon = line.find(':');
  if (colon == Str::npos || colon == 0) return false;
  for (char c : line.substr(0, colon))
    if (!parser_is_token(static_cast<unsigned char>(c))) return false;
  Str value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  for (char c : value)
    if (c == '\0' || c == '\r') return false;
  return head.headers.push(line.substr(0, colon), value);
}

ReplyResult reply_parse_head(ReplyHead &head, const char *data, size_t size) {
  ReplyResult result;
  Str all{data, size}, line;
  size_t at = 0;
  constexpr Str kBegin = "HTTP/";
  Str start = all.substr(0, kBegin.size());
  if (start != kBegin.substr(0, start.size())) {
    result.kind = ReplyResult::bad_status;
    return result;
  }
  if (!take_line(all, at, line)) return result;
  if (!parse_status_line(line, head)) {
    result.kind = ReplyResult::bad_status;
    return result;
  }
  while (take_line(all, at, line)) {
    if (line.empty()) {
      result.kind = ReplyResult::complete;
      result.consumed = at;
      return result;
    }
    if (!parse_field(line, head)) {
      result.kind = ReplyResult::bad_header;
      result.line = line;
      return result;
    }
  }
  return result;
}

}  // namespace mw
