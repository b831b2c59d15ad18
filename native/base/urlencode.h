// SPDX-License-Identifier: MIT
// Percent encoding as lua-nginx-module and nginx do it: a table for each set of bytes that are escaped, unescaping, and the
// splitting of a query string.
// Pure functions, any thread; the caller owns every buffer.
#pragma once
#include "base/str.h"

namespace mw {

/// Which bytes are escaped. The numbers up to 8 are those of ngx.escape_uri's second argument, the others the sets of nginx's
/// own function of that name where they differ.
enum EscapeType : int {
  ESCAPE_URI = 0,
  ESCAPE_ARGS = 1,
  ESCAPE_URI_COMPONENT = 2,
  ESCAPE_HTML = 3,
  ESCAPE_REFRESH = 4,
  ESCAPE_MEMCACHED = 5,
  ESCAPE_MAIL_AUTH = 6,
  ESCAPE_HEADER_NAME = 7,
  ESCAPE_HEADER_VALUE = 8,
  ESCAPE_NGINX_URI = 9,
  ESCAPE_NGINX_ARGS = 10,
  ESCAPE_NGINX_URI_COMPONENT = 11,
  ESCAPE_NGINX_HTML = 12,
  ESCAPE_NGINX_REFRESH = 13,
};
constexpr int ESCAPE_TYPES = 9;       ///< those of Lua's function
constexpr int ESCAPE_ALL_TYPES = 14;  ///< with nginx's own

/// Length of `s` once escaped.
size_t url_escaped_size(Str s, EscapeType type);

/// Escapes `s` into `dst`, which holds url_escaped_size() bytes. Returns the end of what was written.
char *url_escape(Str s, EscapeType type, char *dst);

/// True when unescaping would change `s`: it has a `%` or a `+`.
bool url_is_escaped(Str s);

/// Unescapes `s` into `dst` (s.size() bytes; may be s.data() itself): %XX becomes a byte, `+` a space, a bad % stays.
/// Returns the length.
size_t url_unescape(Str s, char *dst);

/// One argument of a query string; texts are unescaped and lie in the buffer given to query_parse.
struct QueryArg {
  const char *key;
  const char *value;  // null: no `=` was there, Lua's true
  int32_t key_size;
  int32_t value_size;
};

/// A walk over `a=1&b&c=2` in lua-nginx-module's reading: an empty key is dropped (but counts), the first `=` parts
/// key and value. `text` must have room for the query's size.
class QueryParser {
 public:
  QueryParser(Str query, char *text) : p_(query.data()), end_(query.data() + query.size()), text_(text) {}
  /// Fills `arg` and returns true, or returns false at the end. `arg.key_size` is 0 for a dropped one.
  bool next(QueryArg &arg);
  /// Offset of what was not read yet, past the `&` that ended the last argument.
  size_t offset(const char *begin) const { return static_cast<size_t>(p_ - begin); }

 private:
  const char *p_;
  const char *end_;
  char *text_;
};

}  // namespace mw
