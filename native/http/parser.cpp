// SPDX-License-Identifier: MIT
// See parser.h. One pass: the request line, then field lines; then what the known fields mean together. Names and long runs
// are scanned 16 bytes at a time where SSE2 is there. Statuses and wording are nginx's where it refuses the same.
#include "http/parser.h"

#include <array>

#include "http/authority.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace mw {

// --- byte classes ----------------------------------------------------------------------------------------------------

enum Class : uint8_t { kToken = 1, kMethodByte = 2 };

static constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> t{};
  for (size_t c = 1; c < 128; ++c) {
    char ch = static_cast<char>(c);
    bool digit = ch >= '0' && ch <= '9', alpha = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
    if (digit || alpha || Str("!#$%&'*+-.^_`|~").find(ch) != Str::npos) t[c] |= kToken;
    if ((ch >= 'A' && ch <= 'Z') || ch == '_' || ch == '-') t[c] |= kMethodByte;
  }
  return t;
}
static constexpr std::array<uint8_t, 256> kClasses = make_classes();
static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool is(char c, Class k) { return kClasses[static_cast<unsigned char>(c)] & k; }

bool parser_is_token(unsigned char c) { return kClasses[c] & kToken; }

/// First byte that is a control, DEL, or not above `Floor` (0x20 stops at blanks, 0x1f does not; TAB always stops).
template <unsigned char Floor>
static inline const char *skip_text(const char *p, const char *e) {
#ifdef __SSE2__
  const __m128i floor = _mm_set1_epi8(static_cast<char>(Floor)), del = _mm_set1_epi8(0x7f);
  for (; e - p >= 16; p += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, floor), v);  // unsigned v <= floor
    int stop = _mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, del)));
    if (stop) return p + __builtin_ctz(static_cast<unsigned>(stop));
  }
#endif
  for (; p != e; ++p) {
    unsigned char c = static_cast<unsigned char>(*p);
    if (c <= Floor || c == 0x7f) break;
  }
  return p;
}

/// First byte that is no token byte; `underscore` tells whether one was passed.
static inline const char *skip_name(const char *p, const char *e, bool &underscore) {
#ifdef __SSE2__
  // Letters, digits and '-' are nearly all of the names there are; what else a token may hold is left to the table.
  while (e - p >= 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    __m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
    __m128i alpha =
        _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
    __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
    __m128i good = _mm_or_si128(_mm_or_si128(alpha, digit), _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
    unsigned stop = static_cast<unsigned>(_mm_movemask_epi8(good)) ^ 0xffff;
    p += stop ? __builtin_ctz(stop) : 16;
    if (!stop) continue;
    if (!is(*p, kToken)) return p;
    underscore |= *p == '_';
    ++p;
  }
#endif
  for (; p != e && is(*p, kToken); ++p) underscore |= *p == '_';
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

static constexpr char kBadMethod[] = "client sent invalid method";
static constexpr char kBadRequest[] = "client sent invalid request";
static constexpr char kBadHeader[] = "client sent invalid header line";

static ParseResult fail(int32_t status, const char *reason) { return {ParseResult::error, status, reason, 0}; }
static ParseResult more() { return {}; }
/// What the checks below do on their way out: false, with the refusal in `result`.
static bool refuse(ParseResult &result, int32_t status, const char *reason) {
  result = fail(status, reason);
  return false;
}

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

/// "HTTP/1.x" at s.p, and the line's end. Sets `result` when it answers false.
static bool parse_version(Scan &s, ParseResult &result) {
  static constexpr char kPrefix[] = "HTTP/";
  size_t left = static_cast<size_t>(s.e - s.p);
  if (left < 9) {
    size_t n = left < 5 ? left : 5;
    return result = memcmp(s.p, kPrefix, n) == 0 ? more() : fail(400, kBadRequest), false;
  }
  char major = s.p[5], minor = s.p[7], end = s.p[8];
  bool well_formed = memcmp(s.p, kPrefix, 5) == 0 && is_digit(major) && s.p[6] == '.' && is_digit(minor) &&
                     (end == '\r' || end == '\n');
  if (!well_formed) return refuse(result, 400, kBadRequest);
  if (major != '1') return refuse(result, 505, "client sent invalid version");
  s.p += 8;
  Str line(s.line, static_cast<size_t>(s.p - s.line));
  LineEnd le = take_line_end(s.p, s.e);
  if (le == kEnded) {
    s.head.http_minor = static_cast<uint8_t>(minor - '0');
    s.head.request_line = line;
    return true;
  }
  result = le == kNeedMore ? more() : fail(400, kBadRequest);
  return false;
}

/// The method and the blank behind it. Sets `result` when it answers false. Narrower than RFC 9110's token: like nginx, and
/// like everything that a method was ever registered with, it takes capitals, '-' and '_'.
static bool parse_method(Scan &s, ParseResult &result) {
  const char *start = s.p;
  if (s.e - start > 4 && memcmp(start, "GET ", 4) == 0) {  // what most requests have
    s.head.method = Str(start, 3);
    s.head.method_id = kMethodGet;
    s.p += 4;
    return true;
  }
  while (s.p < s.e && is(*s.p, kMethodByte)) ++s.p;
  if (s.p == s.e) return result = more(), false;
  if (s.p == start || *s.p != ' ') return refuse(result, 400, kBadMethod);
  s.head.method = Str(start, static_cast<size_t>(s.p - start));
  s.head.method_id = method_id(s.head.method);
  ++s.p;
  return true;
}

/// The line's end right behind the target: HTTP/0.9's Simple-Request (RFC 1945 section 5), a whole head. GET alone has it. Its
/// connection ends with the answer, so that nothing behind it can be taken for a request.
static bool parse_simple_request(Scan &s, ParseResult &result) {
  if (s.head.method_id != kMethodGet || s.head.target.empty()) return refuse(result, 400, kBadRequest);
  Str line(s.line, static_cast<size_t>(s.p - s.line));
  LineEnd le = take_line_end(s.p, s.e);
  if (le == kNeedMore) return result = more(), false;
  if (le == kBareCr) return refuse(result, 400, kBadRequest);
  s.head.request_line = line;
  s.head.is_simple = true;
  return true;
}

/// The length of an absolute form's "scheme://", or 0.
static size_t scheme_size(Str target) {
  return str_istarts(target, "http://") ? 7 : str_istarts(target, "https://") ? 8 : 0;
}

/// False when the target has none of the four forms (RFC 9112 section 3.2), which is told before anything else is read.
static bool has_target_form(const RequestHead &head) {
  Str t = head.target;
  return t[0] == '/' || t == "*" || scheme_size(t) || head.method == "CONNECT";
}

static bool parse_request_line(Scan &s, ParseResult &result) {
  if (!parse_method(s, result)) return false;
  const char *target = s.p;
  s.p = skip_text<0x20>(s.p, s.e);
  if (s.p == s.e) return result = more(), false;
  s.head.target = Str(target, static_cast<size_t>(s.p - target));
  if (*s.p == '\r' || *s.p == '\n') return parse_simple_request(s, result);
  if (s.p == target || *s.p != ' ' || !has_target_form(s.head)) return refuse(result, 400, kBadRequest);
  ++s.p;
  return parse_version(s, result);
}

struct Field {
  Str name, value;
  bool underscore = false;  ///< the name has one
};

/// One field line at s.p, which is not the empty line. Sets `result` when it answers false.
static inline bool parse_field(Scan &s, Field &f, ParseResult &result) {
  const char *start = s.p, *p = skip_name(start, s.e, f.underscore);
  if (p == s.e) return result = more(), false;
  if (p == start || *p != ':') return result = fail(400, kBadHeader), false;
  f.name = Str(start, static_cast<size_t>(p - start));
  ++p;
  while (p < s.e && (*p == ' ' || *p == '\t')) ++p;
  const char *from = p;
  for (;; ++p) {
    p = skip_text<0x1f>(p, s.e);
    if (p == s.e || *p != '\t') break;
  }
  const char *to = p;
  if (p < s.e && *p != '\r' && *p != '\n') return result = fail(400, kBadHeader), false;
  LineEnd le = take_line_end(p, s.e);
  if (le != kEnded) {
    result = le == kNeedMore ? more() : fail(400, kBadHeader);
    return false;
  }
  while (to > from && (to[-1] == ' ' || to[-1] == '\t')) --to;
  f.value = Str(from, static_cast<size_t>(to - from));
  s.p = p;
  return true;
}

// --- what fields mean ------------------------------------------------------------------------------------------------

struct Seen {
  bool host = false, transfer_encoding = false, unknown_encoding = false, close = false;
  uint8_t once = 0;  ///< bits of the fields that read_once() has let through
};

/// A field that says one thing: with a second one nobody could tell which of them counts.
static bool read_once(Seen &seen, uint8_t bit, const char *reason, ParseResult &result) {
  if (seen.once & bit) return refuse(result, 400, reason);
  seen.once |= bit;
  return true;
}

static bool read_expect(RequestHead &head, Seen &seen, Str value, ParseResult &result) {
  if (!read_once(seen, 1, "client sent duplicate header line: \"Expect\"", result)) return false;
  // Another expectation than this one is ignored, as in nginx.
  if (head.http_minor > 0 && str_iequal(value, "100-continue")) head.expect_continue = true;
  return true;
}

/// The options of Connection that we act on; "close" wins over "keep-alive" wherever both stand.
static void read_connection(RequestHead &head, Seen &seen, Str value) {
  while (!value.empty()) {
    size_t comma = value.find(',');
    Str token = value.substr(0, comma);
    value = comma == Str::npos ? Str{} : value.substr(comma + 1);
    while (!token.empty() && (token.front() == ' ' || token.front() == '\t')) token.remove_prefix(1);
    while (!token.empty() && (token.back() == ' ' || token.back() == '\t')) token.remove_suffix(1);
    if (str_iequal(token, "close"))
      seen.close = true;
    else if (str_iequal(token, "keep-alive"))
      head.keep_alive = true;
    else if (str_iequal(token, "upgrade"))
      head.is_upgrade = true;
  }
}

static bool read_transfer_encoding(RequestHead &head, Seen &seen, Str value, ParseResult &result) {
  if (seen.transfer_encoding) return refuse(result, 400, "client sent duplicate header line: \"Transfer-Encoding\"");
  if (head.http_minor == 0)
    return refuse(result, 400, "client sent HTTP/1.0 request with \"Transfer-Encoding\" header");
  seen.transfer_encoding = true;
  if (str_iequal(value, "chunked")) {
    head.chunked = true;
    return true;
  }
  // Any other coding is one we do not have, and a list has one; its length is unknown either way.
  seen.unknown_encoding = true;  // told when no second one has come, which is worse
  return true;
}

static bool read_content_length(RequestHead &head, Str value, ParseResult &result) {
  if (head.has_content_length) return refuse(result, 400, "client sent duplicate header line: \"Content-Length\"");
  if (!str_to_u64(value, head.content_length) || head.content_length > INT64_MAX)
    return refuse(result, 400, "client sent invalid \"Content-Length\" header");
  head.has_content_length = true;
  return true;
}

static bool read_host(RequestHead &head, Seen &seen, Str value, ParseResult &result) {
  if (seen.host) return refuse(result, 400, "client sent duplicate host header");
  seen.host = true;
  if (!authority_check(value, head.authority_name_size)) return refuse(result, 400, "client sent invalid host header");
  head.authority = value;
  return true;
}

/// Acts on a field that bears on framing, routing or the connection. The length of a name tells nearly all others apart.
static inline bool known_field(RequestHead &head, Seen &seen, Str name, Str value, ParseResult &result) {
  switch (name.size()) {
    case 4:
      if (str_iequal(name, "host")) return read_host(head, seen, value, result);
      break;
    case 6:
      if (str_iequal(name, "expect")) return read_expect(head, seen, value, result);
      break;
    case 8:
      if (str_iequal(name, "if-match"))
        return read_once(seen, 2, "client sent duplicate header line: \"If-Match\"", result);
      if (str_iequal(name, "if-range"))
        return read_once(seen, 4, "client sent duplicate header line: \"If-Range\"", result);
      break;
    case 10:
      if (str_iequal(name, "connection")) read_connection(head, seen, value);
      break;
    case 13:
      if (str_iequal(name, "authorization"))
        return read_once(seen, 8, "client sent duplicate header line: \"Authorization\"", result);
      if (str_iequal(name, "if-none-match"))
        return read_once(seen, 16, "client sent duplicate header line: \"If-None-Match\"", result);
      if (str_iequal(name, "content-range"))
        return read_once(seen, 32, "client sent duplicate header line: \"Content-Range\"", result);
      break;
    case 14:
      if (str_iequal(name, "content-length")) return read_content_length(head, value, result);
      break;
    case 17:
      if (str_iequal(name, "transfer-encoding")) return read_transfer_encoding(head, seen, value, result);
      if (str_iequal(name, "if-modified-since"))
        return read_once(seen, 64, "client sent duplicate header line: \"If-Modified-Since\"", result);
      break;
    case 19:
      if (str_iequal(name, "if-unmodified-since"))
        return read_once(seen, 128, "client sent duplicate header line: \"If-Unmodified-Since\"", result);
      break;
    default: break;
  }
  return true;
}

/// Splits the target by its form and takes an absolute form's authority.
static bool read_target(RequestHead &head, ParseResult &result) {
  Str t = head.target;
  bool is_connect = head.method_id == 0 && head.method == "CONNECT";
  if (t[0] == '/' && !is_connect) {
    head.origin = t;
    return true;
  }
  if (is_connect) {
    head.is_connect = true;
    head.origin = t.substr(0, 0);
    uint16_t size;
    return (authority_check(t, size) && size + 1u < t.size()) || refuse(result, 400, kBadRequest);
  }
  if (t == "*") {
    head.origin = t;
    return head.method_id == kMethodOptions || refuse(result, 400, kBadRequest);
  }
  size_t skip = scheme_size(t);
  if (!skip) return refuse(result, 400, kBadRequest);
  size_t end = t.find_first_of("/?", skip);
  if (end == Str::npos) end = t.size();
  Str authority = t.substr(skip, end - skip);
  if (!authority_check(authority, head.authority_name_size))
    return refuse(result, 400, "client sent invalid host in request line");
  head.authority = authority;  // RFC 9112 section 3.2.2: it wins over Host
  head.origin = t.substr(end);
  return true;
}

/// What the fields mean together.
static bool judge(RequestHead &head, const Seen &seen, ParseResult &result) {
  if (!seen.host && head.http_minor > 0)
    return refuse(result, 400, "client sent HTTP/1.1 request without \"Host\" header");
  if (seen.unknown_encoding) return refuse(result, 501, "client sent unknown \"Transfer-Encoding\"");
  if (head.chunked && head.has_content_length)
    return refuse(result, 400, "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time");
  if (seen.close) head.keep_alive = false;
  if (read_target(head, result)) return true;
  head.request_line = {};  // it is what was refused
  return false;
}

// --- the whole -------------------------------------------------------------------------------------------------------

/// What a head that ends in the middle means: still fine, or one that cannot end within the limits any more.
static ParseResult unfinished(const Scan &s, const char *begin, bool in_request_line) {
  uint64_t line = static_cast<uint64_t>(s.e - s.line), total = static_cast<uint64_t>(s.e - begin);
  if (in_request_line && line >= s.limits.line) return fail(414, "client sent too long URI");
  if (line >= s.limits.line || total >= s.limits.total) return fail(494, "client sent too long header line");
  return more();
}

/// Empty lines before the request line are skipped (RFC 9112 section 2.2), but not for ever. Sets `result` when false.
static bool skip_empty_lines(Scan &s, ParseResult &result) {
  constexpr int kMost = 8;
  for (int i = 0; s.p < s.e && (*s.p == '\r' || *s.p == '\n'); ++i) {
    LineEnd le = take_line_end(s.p, s.e);
    if (le == kNeedMore) return result = more(), false;
    if (le == kBareCr || i == kMost) return result = fail(400, kBadMethod), false;
  }
  return true;
}

// A head that comes in pieces is parsed anew with each: it is bounded by the limits to some 10 us, what the system spends on
// receiving the piece, and so nothing need be remembered in between.
ParseResult parser_parse_head(RequestHead &head, const char *data, size_t size, const ParseLimits &limits) {
  Scan s{head, limits, data, data + size, data};
  ParseResult result;
  if (!skip_empty_lines(s, result)) return result;
  const char *begin = s.line = s.p;
  if (!parse_request_line(s, result))
    return result.kind == ParseResult::incomplete ? unfinished(s, begin, true) : result;
  if (static_cast<uint64_t>(s.p - s.line) > limits.line) return fail(414, "client sent too long URI");
  head.keep_alive = head.http_minor > 0;
  Seen seen;
  if (head.is_simple) {
    if (!read_target(head, result)) return result;
    return {ParseResult::complete, 0, nullptr, static_cast<size_t>(s.p - data)};
  }
  for (;;) {
    s.line = s.p;
    if (s.p == s.e) return unfinished(s, begin, false);
    if (*s.p == '\r' || *s.p == '\n') break;
    Field f;
    if (!parse_field(s, f, result))
      return result.kind == ParseResult::incomplete ? unfinished(s, begin, false) : result;
    if (static_cast<uint64_t>(s.p - s.line) > limits.line) return fail(494, "client sent too long header line");
    if (f.underscore && !limits.underscores) continue;
    if (!head.headers.push(f.name, f.value)) return fail(494, "client sent too many header lines");
    if (!known_field(head, seen, f.name, f.value, result)) return result;
  }
  LineEnd le = take_line_end(s.p, s.e);
  if (le == kNeedMore) return unfinished(s, begin, false);
  if (le == kBareCr) return fail(400, kBadHeader);
  if (static_cast<uint64_t>(s.p - begin) > limits.total) return fail(494, "client sent too large request");
  if (!judge(head, seen, result)) return result;
  return {ParseResult::complete, 0, nullptr, static_cast<size_t>(s.p - data)};
}

}  // namespace mw
