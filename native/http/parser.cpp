// SPDX-License-Identifier: MIT
// See parser.h. One pass: the request line, then field lines; then what the known fields mean together. Long runs are
// scanned 16 bytes at a time where SSE2 is there.
#include "http/parser.h"

#include <array>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace mw {

// --- byte classes ----------------------------------------------------------------------------------------------------

enum Class : uint8_t { kToken = 1, kTarget = 2, kValue = 4, kHostByte = 8 };

static constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> t{};
  for (int c = 0; c < 256; ++c) {
    if (c > 0x20 && c != 0x7f) t[static_cast<size_t>(c)] |= kTarget;
    if ((c >= 0x20 && c != 0x7f) || c == '\t') t[static_cast<size_t>(c)] |= kValue;
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (alnum || (c && Str("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != Str::npos))
      t[static_cast<size_t>(c)] |= kToken;
    if (alnum || (c && Str("-._~!$&'()*+,;=%").find(static_cast<char>(c)) != Str::npos))
      t[static_cast<size_t>(c)] |= kHostByte;
  }
  return t;
}
static constexpr std::array<uint8_t, 256> kClasses = make_classes();
static inline bool is(char c, Class k) { return kClasses[static_cast<unsigned char>(c)] & k; }

bool parser_is_token(unsigned char c) { return kClasses[c] & kToken; }

/// First byte that is a control, DEL, or below `floor` + 1 (floor 0x20 stops at blanks, 0x1f does not; TAB always stops).
template <char Floor>
static const char *skip_text(const char *p, const char *e) {
#ifdef __SSE2__
  const __m128i floor = _mm_set1_epi8(Floor), del = _mm_set1_epi8(0x7f);
  for (; e - p >= 16; p += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, floor), v);  // unsigned v <= floor
    int stop = _mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, del)));
    if (stop) return p + __builtin_ctz(static_cast<unsigned>(stop));
  }
#endif
  while (p<e &&static_cast<unsigned char>(*p)> static_cast<unsigned char>(Floor) && *p != 0x7f) ++p;
  return p;
}

// --- methods ---------------------------------------------------------------------------------------------------------

struct MethodRow {
  Str name;
  uint32_t id;
};
static constexpr MethodRow kMethods[] = {
    {"GET", kMethodGet},           {"HEAD", kMethodHead},           {"POST", kMethodPost},   {"PUT", kMethodPut},
    {"DELETE", kMethodDelete},     {"OPTIONS", kMethodOptions},     {"PATCH", kMethodPatch}, {"MKCOL", kMethodMkcol},
    {"COPY", kMethodCopy},         {"MOVE", kMethodMove},           {"LOCK", kMethodLock},   {"UNLOCK", kMethodUnlock},
    {"PROPFIND", kMethodPropfind}, {"PROPPATCH", kMethodProppatch}, {"TRACE", kMethodTrace},
};

uint32_t method_id(Str name) {
  for (const MethodRow &m : kMethods)
    if (m.name == name) return m.id;
  return 0;
}

Str method_name(uint32_t id) {
  for (const MethodRow &m : kMethods)
    if (m.id == id) return m.name;
  return {};
}

// --- results ---------------------------------------------------------------------------------------------------------

static ParseResult fail(int32_t status, const char *reason) { return {ParseResult::error, status, reason, 0}; }
static ParseResult more() { return {}; }

void RequestHead::rebase(const char *from, const char *to, HttpHeader *room, uint32_t capacity) {
  auto move = [from, to](Str &s) {
    if (s.data()) s = Str(to + (s.data() - from), s.size());
  };
  move(method);
  move(target);
  move(request_line);
  move(authority);
  move(origin);
  headers.move_to(room, capacity);
  for (HttpHeader &h : headers) {
    move(h.name);
    move(h.value);
  }
}

// --- lines -----------------------------------------------------------------------------------------------------------

enum LineEnd : uint8_t { kEnded, kNeedMore, kBareCr };

/// Steps over CRLF or a lone LF (RFC 9112 section 2.2 lets a recipient take it).
static LineEnd take_line_end(const char *&p, const char *e) {
  if (p == e) return kNeedMore;
  if (*p == '\n') return ++p, kEnded;
  if (e - p < 2) return kNeedMore;
  if (p[1] != '\n') return kBareCr;
  p += 2;
  return kEnded;
}

struct Scan {
  RequestHead &head;
  const ParseLimits &limits;
  const char *p;
  const char *e;
  const char *line;  ///< where the current line began
};

/// "HTTP/1.x" and the line's end. Sets `result` when it answers false.
static bool parse_version(Scan &s, ParseResult &result) {
  static constexpr Str kPrefix = "HTTP/";
  size_t left = static_cast<size_t>(s.e - s.p);
  size_t n = left < kPrefix.size() ? left : kPrefix.size();
  if (Str(s.p, n) != kPrefix.substr(0, n)) return result = fail(400, "client sent invalid HTTP version"), false;
  if (left < 9) return result = more(), false;
  char major = s.p[5], dot = s.p[6], minor = s.p[7], end = s.p[8];
  bool well_formed =
      major >= '0' && major <= '9' && dot == '.' && minor >= '0' && minor <= '9' && (end == '\r' || end == '\n');
  if (!well_formed) return result = fail(400, "client sent invalid HTTP version"), false;
  if (major != '1') return result = fail(505, "client sent unsupported HTTP version"), false;
  s.head.http_minor = static_cast<uint8_t>(minor - '0');
  s.head.request_line = Str(s.line, static_cast<size_t>(s.p + 8 - s.line));
  s.p += 8;
  LineEnd le = take_line_end(s.p, s.e);
  if (le == kEnded) return true;
  result = le == kNeedMore ? more() : fail(400, "client sent invalid request line");
  return false;
}

static bool parse_request_line(Scan &s, ParseResult &result) {
  const char *start = s.p;
  while (s.p < s.e && is(*s.p, kToken)) ++s.p;
  if (s.p == s.e) return result = more(), false;
  if (s.p == start || *s.p != ' ') return result = fail(400, "client sent invalid method"), false;
  s.head.method = Str(start, static_cast<size_t>(s.p - start));
  s.head.method_id = method_id(s.head.method);
  const char *target = ++s.p;
  s.p = skip_text<0x20>(s.p, s.e);
  if (s.p == s.e) return result = more(), false;
  if (s.p == target || *s.p != ' ') return result = fail(400, "client sent invalid request"), false;
  s.head.target = Str(target, static_cast<size_t>(s.p - target));
  ++s.p;
  return parse_version(s, result);
}

/// One field line at s.p, which is not the empty line. Sets `result` when it answers false.
static bool parse_field(Scan &s, Str &name, Str &value, ParseResult &result) {
  const char *start = s.p;
  while (s.p < s.e && is(*s.p, kToken)) ++s.p;
  if (s.p == s.e) return result = more(), false;
  if (s.p == start || *s.p != ':') return result = fail(400, "client sent invalid header line"), false;
  name = Str(start, static_cast<size_t>(s.p - start));
  ++s.p;
  while (s.p < s.e && (*s.p == ' ' || *s.p == '\t')) ++s.p;
  const char *from = s.p;
  for (;;) {
    s.p = skip_text<0x1f>(s.p, s.e);
    if (s.p < s.e && *s.p == '\t') {
      ++s.p;
      continue;
    }
    break;
  }
  const char *to = s.p;
  if (s.p < s.e && *s.p != '\r' && *s.p != '\n') return result = fail(400, "client sent invalid header line"), false;
  LineEnd le = take_line_end(s.p, s.e);
  if (le != kEnded) {
    result = le == kNeedMore ? more() : fail(400, "client sent invalid header line");
    return false;
  }
  while (to > from && (to[-1] == ' ' || to[-1] == '\t')) --to;
  value = Str(from, static_cast<size_t>(to - from));
  return true;
}

// --- what fields mean ------------------------------------------------------------------------------------------------

/// Checks "host[:port]"; sets the size of the host part.
static bool check_authority(Str a, uint16_t &name_size) {
  size_t i = 0;
  if (!a.empty() && a[0] == '[') {
    for (i = 1; i < a.size() && a[i] != ']'; ++i) {
      char c = static_cast<char>(str_lower(static_cast<unsigned char>(a[i])));
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.')) return false;
    }
    if (i == a.size() || i == 1) return false;
    ++i;
  } else {
    while (i < a.size() && is(a[i], kHostByte)) ++i;
  }
  if (i > 255) return false;
  name_size = static_cast<uint16_t>(i);
  if (i == a.size()) return true;
  if (a[i] != ':' || i == 0) return false;
  uint64_t port = 0;
  Str digits = a.substr(i + 1);
  return digits.empty() || (digits.size() <= 5 && str_to_u64(digits, port) && port <= 65535);
}

/// The tokens of Connection that we act on.
static void read_connection(RequestHead &head, Str value) {
  while (!value.empty()) {
    size_t comma = value.find(',');
    Str token = value.substr(0, comma);
    value = comma == Str::npos ? Str{} : value.substr(comma + 1);
    while (!token.empty() && (token.front() == ' ' || token.front() == '\t')) token.remove_prefix(1);
    while (!token.empty() && (token.back() == ' ' || token.back() == '\t')) token.remove_suffix(1);
    if (str_iequal(token, "close"))
      head.keep_alive = false, head.is_upgrade = false;
    else if (str_iequal(token, "keep-alive") && head.http_minor == 0)
      head.keep_alive = true;
    else if (str_iequal(token, "upgrade"))
      head.is_upgrade = true;
  }
}

struct Seen {
  bool host = false, transfer_encoding = false, close = false;
};

static ParseResult known_field(RequestHead &head, Seen &seen, Str name, Str value) {
  ParseResult fine{ParseResult::complete, 0, nullptr, 0};
  switch (name.size()) {
    case 4:
      if (!str_iequal(name, "host")) break;
      if (seen.host) return fail(400, "client sent duplicate header line: \"Host\"");
      seen.host = true;
      if (!check_authority(value, head.authority_name_size)) return fail(400, "client sent invalid host header");
      head.authority = value.data() ? value : Str("");
      break;
    case 6:
      if (!str_iequal(name, "expect") || head.http_minor == 0) break;
      if (!str_iequal(value, "100-continue")) return fail(417, "client sent an unknown expectation");
      head.expect_continue = true;
      break;
    case 10:
      if (str_iequal(name, "connection")) {
        read_connection(head, value);
        if (!head.keep_alive && head.http_minor > 0) seen.close = true;
      }
      break;
    case 14:
      if (!str_iequal(name, "content-length")) break;
      if (head.has_content_length) return fail(400, "client sent duplicate header line: \"Content-Length\"");
      if (!str_to_u64(value, head.content_length) || head.content_length > INT64_MAX)
        return fail(400, "client sent invalid \"Content-Length\" header");
      head.has_content_length = true;
      break;
    case 17:
      if (!str_iequal(name, "transfer-encoding")) break;
      if (seen.transfer_encoding) return fail(400, "client sent duplicate header line: \"Transfer-Encoding\"");
      if (head.http_minor == 0) return fail(400, "client sent HTTP/1.0 request with \"Transfer-Encoding\" header");
      seen.transfer_encoding = true;
      if (str_iequal(value, "chunked")) {
        head.chunked = true;
        break;
      }
      // chunked anywhere but last leaves the length unknown; any other coding is one we do not have.
      if (str_istarts(value, "chunked")) return fail(400, "client sent invalid \"Transfer-Encoding\" header");
      return fail(501, "client sent unknown \"Transfer-Encoding\"");
    default: break;
  }
  return fine;
}

/// Splits the target by its form and takes an absolute form's authority.
static ParseResult read_target(RequestHead &head, const Seen &seen) {
  ParseResult fine{ParseResult::complete, 0, nullptr, 0};
  Str t = head.target;
  if (head.method == "CONNECT") {
    head.is_connect = true;
    head.origin = "/";
    head.origin = t.substr(0, 0);
    uint16_t size;
    return check_authority(t, size) && size < t.size() ? fine : fail(400, "client sent invalid request");
  }
  if (t[0] == '/') {
    head.origin = t;
    return fine;
  }
  if (t == "*") {
    head.origin = t;
    return head.method_id == kMethodOptions ? fine : fail(400, "client sent invalid request");
  }
  size_t skip = str_istarts(t, "http://") ? 7 : str_istarts(t, "https://") ? 8 : 0;
  if (!skip) return fail(400, "client sent invalid request");
  size_t end = t.find_first_of("/?#", skip);
  Str authority = t.substr(skip, end == Str::npos ? end : end - skip);
  (void)seen;
  if (authority.empty() || !check_authority(authority, head.authority_name_size) || head.authority_name_size == 0)
    return fail(400, "client sent invalid host in request line");
  head.authority = authority;  // RFC 9112 section 3.2.2: it wins over Host
  head.origin = end == Str::npos ? t.substr(t.size()) : t.substr(end);
  return fine;
}

static ParseResult judge(RequestHead &head, const Seen &seen) {
  if (!seen.host && head.http_minor > 0) return fail(400, "client sent HTTP/1.1 request without \"Host\" header");
  if (head.chunked && head.has_content_length)
    return fail(400, "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time");
  if (seen.close) head.keep_alive = false;
  return read_target(head, seen);
}

// --- the whole -------------------------------------------------------------------------------------------------------

/// What an unfinished line of this size means: still fine, or too long.
static ParseResult unfinished(const Scan &s, const char *begin, bool in_request_line) {
  uint64_t line = static_cast<uint64_t>(s.e - s.line), total = static_cast<uint64_t>(s.e - begin);
  if (in_request_line && line > s.limits.line) return fail(414, "client sent too long URI");
  if (line > s.limits.line || total > s.limits.total) return fail(494, "client sent too long header line");
  return more();
}

ParseResult parser_parse_head(RequestHead &head, const char *data, size_t size, const ParseLimits &limits) {
  Scan s{head, limits, data, data + size, data};
  // Empty lines before the request line are skipped (RFC 9112 section 2.2), but not for ever.
  for (int i = 0; s.p < s.e && (*s.p == '\r' || *s.p == '\n'); ++i) {
    LineEnd le = take_line_end(s.p, s.e);
    if (le == kNeedMore) return more();
    if (le == kBareCr || i == 8) return fail(400, "client sent invalid request");
  }
  const char *begin = s.line = s.p;
  ParseResult result;
  if (!parse_request_line(s, result))
    return result.kind == ParseResult::incomplete ? unfinished(s, begin, true) : result;
  if (static_cast<uint64_t>(s.p - s.line) > limits.line) return fail(414, "client sent too long URI");
  head.keep_alive = head.http_minor > 0;
  Seen seen;
  for (;;) {
    s.line = s.p;
    if (s.p == s.e) return unfinished(s, begin, false);
    if (*s.p == '\r' || *s.p == '\n') break;
    Str name, value;
    if (!parse_field(s, name, value, result))
      return result.kind == ParseResult::incomplete ? unfinished(s, begin, false) : result;
    if (static_cast<uint64_t>(s.p - s.line) > limits.line) return fail(494, "client sent too long header line");
    if (!limits.underscores && name.find('_') != Str::npos) continue;
    if (!head.headers.push(name, value)) return fail(494, "client sent too many header lines");
    result = known_field(head, seen, name, value);
    if (result.kind == ParseResult::error) return result;
  }
  LineEnd le = take_line_end(s.p, s.e);
  if (le == kNeedMore) return unfinished(s, begin, false);
  if (le == kBareCr) return fail(400, "client sent invalid header line");
  if (static_cast<uint64_t>(s.p - begin) > limits.total) return fail(494, "client sent too large request");
  result = judge(head, seen);
  if (result.kind == ParseResult::complete) result.consumed = static_cast<size_t>(s.p - data);
  return result;
}

}  // namespace mw
