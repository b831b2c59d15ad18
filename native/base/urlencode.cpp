// SPDX-License-Identifier: MIT
// One 256-entry table holds, per byte, a bit for each escape type that escapes it. Built at compile time from the rules
// written out below, so the rules can be read.
#include "base/urlencode.h"

#include <array>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace mw {
namespace {

constexpr bool one_of(unsigned c, const char *set) {
  for (; *set; ++set)
    if (static_cast<unsigned char>(*set) == c) return true;
  return false;
}

// RFC 2396's unreserved set, as encodeURIComponent has it.
constexpr bool is_unreserved(unsigned c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || one_of(c, "-._~!'()*");
}

// What RFC 3986 has no place for in a URI, beside control characters and bytes above 126.
constexpr bool is_foreign(unsigned c) { return c <= 0x20 || c >= 0x7f || one_of(c, "\"<>\\^`{|}"); }

constexpr bool is_escaped_in(unsigned c, int type) {
  const bool control = c <= 0x20;  // with the space
  const bool high = c >= 0x7f;
  switch (type) {
    case ESCAPE_URI: return control || high || one_of(c, "#%?");
    case ESCAPE_ARGS: return control || high || one_of(c, "#%?+");
    case ESCAPE_URI_COMPONENT: return !is_unreserved(c);
    case ESCAPE_HTML: return control || high || one_of(c, "#\"%'");
    case ESCAPE_REFRESH: return control || high || one_of(c, "\"'");  // not the %
    case ESCAPE_MEMCACHED:
    case ESCAPE_MAIL_AUTH: return control || c == '%';
    case ESCAPE_HEADER_NAME: return control || high || one_of(c, "\"(),/:;<=>?@[\\]{}");
    case ESCAPE_HEADER_VALUE: return (c < 0x20 && c != '\t') || c == 0x7f;
    case ESCAPE_NGINX_URI: return is_foreign(c) || one_of(c, "#%?");
    case ESCAPE_NGINX_ARGS: return is_foreign(c) || one_of(c, "#%&+;?");
    case ESCAPE_NGINX_URI_COMPONENT: return !is_unreserved(c) || one_of(c, "!'()*");
    case ESCAPE_NGINX_HTML: return is_foreign(c) || one_of(c, "#%'");
    case ESCAPE_NGINX_REFRESH:
      return c == '~' || one_of(c, "'") || (is_foreign(c) && c != '}');  // nginx's table has it so
    default: return false;
  }
}

constexpr std::array<uint16_t, 256> make_escape_bits() {
  std::array<uint16_t, 256> bits{};
  for (unsigned c = 0; c < 256; ++c)
    for (int type = 0; type < ESCAPE_ALL_TYPES; ++type)
      if (is_escaped_in(c, type)) bits[c] = static_cast<uint16_t>(bits[c] | 1u << type);
  return bits;
}

constexpr std::array<int8_t, 256> make_hex_values() {
  std::array<int8_t, 256> v{};
  for (auto &x : v) x = -1;
  int8_t value = 0;
  for (unsigned char c = '0'; c <= '9'; ++c) v[c] = value++;
  for (unsigned char c = 'a'; c <= 'f'; ++c) v[c] = v[c - 'a' + 'A'] = value++;
  return v;
}

constexpr auto kEscapeBits = make_escape_bits();
constexpr auto kHexValues = make_hex_values();
constexpr char kHex[] = "0123456789ABCDEF";

inline unsigned char byte(char c) { return static_cast<unsigned char>(c); }

// First '%' or '+' in [p, end), else end.
const char *find_escape(const char *p, const char *end) {
#ifdef __SSE2__
  const __m128i percent = _mm_set1_epi8('%'), plus = _mm_set1_epi8('+');
  for (; end - p >= 16; p += 16) {
    __m128i chunk = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(chunk, percent), _mm_cmpeq_epi8(chunk, plus)));
    if (mask) return p + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  while (p < end && *p != '%' && *p != '+') ++p;
  return p;
}

}  // namespace

size_t url_escaped_size(Str s, EscapeType type) {
  size_t escaped = 0;
  for (char c : s) escaped += kEscapeBits[byte(c)] >> type & 1u;
  return s.size() + 2 * escaped;
}

char *url_escape(Str s, EscapeType type, char *dst) {
  for (char c : s) {
    if (kEscapeBits[byte(c)] >> type & 1u) {
      *dst++ = '%';
      *dst++ = kHex[byte(c) >> 4];
      *dst++ = kHex[byte(c) & 15];
    } else {
      *dst++ = c;
    }
  }
  return dst;
}

bool url_is_escaped(Str s) { return find_escape(s.data(), s.data() + s.size()) != s.data() + s.size(); }

size_t url_unescape(Str s, char *dst) {
  const char *p = s.data(), *end = p + s.size();
  char *d = dst;
  while (p < end) {
    const char *stop = find_escape(p, end);
    if (stop != p) {
      std::memmove(d, p, static_cast<size_t>(stop - p));  // dst may be the source itself
      d += stop - p;
      p = stop;
      if (p == end) break;
    }
    if (*p == '+') {
      *d++ = ' ';
      ++p;
      continue;
    }
    int high = end - p > 2 ? kHexValues[byte(p[1])] : -1;
    int low = high >= 0 ? kHexValues[byte(p[2])] : -1;
    if (low < 0) {
      *d++ = '%';
      ++p;
    } else {
      *d++ = static_cast<char>(high << 4 | low);
      p += 3;
    }
  }
  return static_cast<size_t>(d - dst);
}

bool QueryParser::next(QueryArg &arg) {
  if (p_ == end_) return false;
  const size_t left = static_cast<size_t>(end_ - p_);
  const char *stop = static_cast<const char *>(std::memchr(p_, '&', left));
  const char *next = stop ? stop + 1 : end_;
  if (!stop) stop = end_;
  const char *equals = static_cast<const char *>(std::memchr(p_, '=', static_cast<size_t>(stop - p_)));
  const char *key_end = equals ? equals : stop;
  arg.key = text_;
  arg.key_size = static_cast<int32_t>(url_unescape(Str(p_, static_cast<size_t>(key_end - p_)), text_));
  text_ += arg.key_size;
  arg.value = nullptr;
  arg.value_size = 0;
  if (equals) {
    arg.value = text_;
    arg.value_size = static_cast<int32_t>(url_unescape(Str(equals + 1, static_cast<size_t>(stop - equals - 1)), text_));
    text_ += arg.value_size;
  }
  p_ = next;
  return true;
}

}  // namespace mw
