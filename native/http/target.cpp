// SPDX-License-Identifier: MIT
// See target.h. Nearly all targets are in normal form already: one scan, 16 bytes at a time where SSE2 is there, finds out.
#include "http/target.h"

#include <array>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace mw {

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum PathByte : uint8_t { kOther, kSlash, kStop };

static constexpr std::array<uint8_t, 256> kPathBytes = [] {
  std::array<uint8_t, 256> bytes{};
  bytes['/'] = kSlash;
  bytes['%'] = bytes['?'] = bytes['#'] = kStop;
  return bytes;
}();

/// True for a byte that ends the path or needs work: an escape, a '/' before another or before a dot.
static inline bool is_special(const char *p, const char *e) {
  uint8_t kind = kPathBytes[static_cast<unsigned char>(*p)];
  if (kind != kSlash) return kind == kStop;
  return p + 1 < e && (p[1] == '/' || p[1] == '.');
}

/// The first special byte, or `e`.
static const char *find_special(const char *p, const char *e) {
#ifdef __SSE2__
  for (; e - p >= 17; p += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    __m128i after = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p + 1));
    const __m128i slash = _mm_set1_epi8('/');
    __m128i segment = _mm_or_si128(_mm_cmpeq_epi8(after, slash), _mm_cmpeq_epi8(after, _mm_set1_epi8('.')));
    __m128i any = _mm_or_si128(_mm_and_si128(_mm_cmpeq_epi8(v, slash), segment), _mm_cmpeq_epi8(v, _mm_set1_epi8('%')));
    any = _mm_or_si128(any, _mm_cmpeq_epi8(v, _mm_set1_epi8('?')));
    any = _mm_or_si128(any, _mm_cmpeq_epi8(v, _mm_set1_epi8('#')));
    int stop = _mm_movemask_epi8(any);
    if (stop) return p + __builtin_ctz(static_cast<unsigned>(stop));
  }
#endif
  while (p < e && !is_special(p, e)) ++p;
  return p;
}

/// Removes the last segment and the ".." behind it; `start` is where ".." began. Null above the root.
static char *pop_segment(char *room, char *start) {
  char *out = start - 1;  // on the '/' before ".."
  if (out == room) return nullptr;
  while (out[-1] != '/') --out;
  return out;
}

/// The normal form of `path` in `room`, whose end is returned; null when it has none.
static char *rewrite_path(Str path, bool merge_slashes, char *room) {
  char *out = room;
  *out++ = '/';
  char *start = out;  // of the segment being written, just behind a '/'
  for (size_t i = !path.empty() && path[0] == '/' ? 1 : 0; i <= path.size(); ++i) {
    bool at_end = i == path.size();
    char c = at_end ? '/' : path[i];
    if (c == '%') {
      int hi = path.size() - i > 2 ? hex_digit(path[i + 1]) : -1;
      int lo = hi >= 0 ? hex_digit(path[i + 2]) : -1;
      if (lo < 0 || (hi | lo) == 0) return nullptr;
      c = static_cast<char>(hi * 16 + lo);
      i += 2;
    }
    if (c != '/') {
      *out++ = c;
      continue;
    }
    Str segment(start, static_cast<size_t>(out - start));
    if (segment == "." || segment == "..") {
      out = segment.size() == 1 ? start : pop_segment(room, start);
      if (!out) return nullptr;
    } else if (!at_end && !(segment.empty() && merge_slashes)) {
      *out++ = '/';
    }
    start = out;
  }
  return out;
}

bool target_normalize(Str origin, bool merge_slashes, char *room, TargetParts &parts) {
  const char *begin = origin.data(), *end = begin + origin.size(), *stop = find_special(begin, end);
  bool is_plain = stop == end || *stop == '?' || *stop == '#';
  size_t at = static_cast<size_t>(stop - begin);
  if (!is_plain) {
    at = origin.find_first_of("?#", at);
    if (at == Str::npos) at = origin.size();
  }
  Str path = origin.substr(0, at), rest = origin.substr(at);
  parts.args = {};
  if (!rest.empty() && rest[0] == '?') parts.args = rest.substr(1, rest.find('#') - 1);
  if (is_plain && !path.empty() && (path[0] == '/' || path == "*")) return parts.path = path, true;
  char *out = rewrite_path(path, merge_slashes, room);
  if (!out) return false;
  parts.path = Str(room, static_cast<size_t>(out - room));
  return true;
}

static bool is_unsafe(Str path) {
  if (path.empty() || path.find('\0') != Str::npos) return true;
  if (path.find("..") == Str::npos) return false;
  return path.find("/../") != Str::npos || path.ends_with("/..") || path == ".." || path.starts_with("../");
}

/// True for most: a path with nothing to unescape, split off or refuse. They are short: one scan by bytes.
static bool is_plain_path(Str uri) {
  for (size_t i = 0; i < uri.size(); ++i) {
    char c = uri[i];
    if (c == '?' || c == '%' || c == '\0' || (c == '.' && i + 1 < uri.size() && uri[i + 1] == '.')) return false;
  }
  return !uri.empty();
}

bool target_parse_unsafe(Str uri, char *room, TargetParts &parts) {
  if (is_plain_path(uri)) {
    parts.path = uri;
    parts.args = {};
    return true;
  }
  size_t mark = uri.find('?');
  parts.path = uri.substr(0, mark);
  parts.args = mark == Str::npos ? Str{} : uri.substr(mark + 1);
  if (parts.path.find('%') == Str::npos) return !is_unsafe(parts.path);
  char *out = room;
  for (size_t i = 0; i < parts.path.size(); ++i) {
    bool is_escape = parts.path[i] == '%' && i + 2 < parts.path.size();
    int high = is_escape ? hex_digit(parts.path[i + 1]) : -1, low = high >= 0 ? hex_digit(parts.path[i + 2]) : -1;
    *out++ = low >= 0 ? static_cast<char>(high * 16 + low) : parts.path[i];
    if (low >= 0) i += 2;
  }
  parts.path = Str(room, static_cast<size_t>(out - room));
  return !is_unsafe(parts.path);
}

}  // namespace mw
