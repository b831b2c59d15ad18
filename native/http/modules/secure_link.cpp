// SPDX-License-Identifier: MIT
// See secure_link.h.
#include "http/modules/secure_link.h"

#include <string.h>

#include <string>

#include "base/base64.h"
#include "base/digest.h"

namespace mw {

/// secure_link_secret: "/PREFIX/HASH/LINK", HASH in hex of MD5(LINK SECRET).
static bool read_old(Request *r, Str &out) {
  constexpr size_t kHex = 2 * kMd5Size;
  Str uri = r->unparsed_uri;
  size_t first = uri.find('/', 1);
  size_t second = first == Str::npos ? first : uri.find('/', first + 1);
  if (second == Str::npos || second - first - 1 != kHex || second + 1 == uri.size()) return false;
  Str link = uri.substr(second + 1), sent = uri.substr(first + 1, kHex);
  unsigned char digest[kMd5Size];
  digest_md5(std::string(link) + r->conf->secure_link_secret, digest);
  char hex[kHex];
  hex_put(hex, digest, sizeof digest);
  if (!str_iequal(sent, {hex, kHex})) return false;
  return out = link, true;
}

/// A link in two parts: its hash, and behind a comma the time when it ends. False where that is no time.
struct Link {
  Str hash, expires;
  int64_t until = 0;  ///< 0: never
};

static bool read_link(Request *r, Link &link) {
  Str text = complex_value(r, r->conf->secure_link);
  size_t comma = text.rfind(',');
  link.hash = text.substr(0, comma);
  if (comma == Str::npos) return true;
  link.expires = text.substr(comma + 1);
  uint64_t until;
  if (!str_to_u64(link.expires, until) || until == 0 || until > INT64_MAX) return false;
  link.until = static_cast<int64_t>(until);
  return true;
}

bool secure_link_var(Request *r, const VarDef &, Str &out) {
  const LocationConf &c = *r->conf;
  bool is_new = !c.secure_link.is_constant() || !c.secure_link.constant().empty();
  if (!c.secure_link_secret.empty()) return read_old(r, out);
  Link link;
  if (!is_new || !read_link(r, link)) return false;
  char sent[18];
  if (link.hash.size() > 24 || base64_decoded_size(link.hash.size()) > sizeof sent) return false;
  if (base64_decode(link.hash, sent, Base64::URL) != static_cast<ssize_t>(kMd5Size)) return false;
  unsigned char digest[kMd5Size];
  digest_md5(complex_value(r, c.secure_link_md5), digest);
  if (memcmp(digest, sent, kMd5Size) != 0) return false;
  bool is_late = link.until && link.until < r->core->loop->wall_ms() / 1000;
  return out = is_late ? Str("0") : Str("1"), true;
}

bool secure_link_var_expires(Request *r, const VarDef &, Str &out) {
  Link link;
  if (!r->conf->secure_link_secret.empty() || !read_link(r, link) || link.until == 0) return false;
  return out = link.expires, true;
}

}  // namespace mw
