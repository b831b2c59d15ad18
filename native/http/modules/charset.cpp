// SPDX-License-Identifier: MIT
// See charset.h.
#include "http/modules/charset.h"

#include "http/modules/gzip.h"

namespace mw {

void charset_filter(Request *r) {
  Str type = r->resp.content_type, charset = r->conf->charset;
  if (r->parent || type.empty() || type.find("charset=") != Str::npos) return;
  if (!filter_type_matches(r, r->conf->charset_types)) return;
  constexpr Str kBefore = "; charset=";
  char *to = static_cast<char *>(r->arena.alloc(type.size() + kBefore.size() + charset.size()));
  char *end = str_put(str_put(str_put(to, type), kBefore), charset);
  r->resp.content_type = {to, static_cast<size_t>(end - to)};
}

}  // namespace mw
