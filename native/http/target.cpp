// SPDX-License-Identifier: MIT
// See target.h.
#include "http/target.h"

namespace mw {

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// True when the path needs no work: no escape, no "//", no "/." segment start.
static bool is_plain(Str path) {
  if (path.empty() || path[0] != '/') return false;
  for (size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') return false;
    if (c == '/' && i + 1 < path.size() && (path[i + 1] == '/' || path[i + 1] == '.')) return false;
  }
  return true;
}

/// Removes the last segment and the ".." behind it; `start` is where ".." began. Null above the root.
static char *pop_segment(char *room, char *start) {
  char *out = start - 1;  // on the '/' before ".."
  if (out == room) return nullptr;
  while (out[-1] != '/') --out;
  return out;
}

bool target_normalize(Str origin, bool merge_slashes, char *room, TargetParts &parts) {
  size_t fragment = origin.find('#');
  if (fragment != Str::npos) origin = origin.substr(0, fragment);
  size_t mark = origin.find('?');
  parts.args = mark == Str::npos ? Str{} : origin.substr(mark + 1);
  Str path = origin.substr(0, mark);
  if (path == "*") return parts.path = path, true;
  if (is_plain(path)) return parts.path = path, true;
  char *out = room;
  *out++ = '/';
  char *start = out;  // of the segment being written, just behind a '/'
  for (size_t i = !path.empty() && path[0] == '/' ? 1 : 0; i <= path.size(); ++i) {
    bool at_end = i == path.size();
    char c = at_end ? '/' : path[i];
    if (c == '%') {
      int hi = i + 2 < path.size() ? hex_digit(path[i + 1]) : -1;
      int lo = hi >= 0 ? hex_digit(path[i + 2]) : -1;
      if (lo < 0 || (hi | lo) == 0) return false;
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
      if (!out) return false;
    } else if (!at_end && !(segment.empty() && merge_slashes)) {
      *out++ = '/';
    }
    start = out;
  }
  parts.path = Str(room, static_cast<size_t>(out - room));
  return true;
}

}  // namespace mw
