// SPDX-License-Identifier: MIT
// See browser.h.
#include "http/modules/browser.h"

#include "base/urlencode.h"

namespace mw {

static bool has(Str text, Str part) { return text.find(part) != Str::npos; }

/// `version`: what follows "MSIE ".
static bool is_old_msie(Str version) {
  if (version[1] != '.') return false;
  if (version[0] == '4' || version[0] == '5') return true;
  return version[0] == '6' && !has(version.substr(2), "SV1");
}

Browser browser_of(const Request *r) {
  Browser b;
  Str agent = request_header(r, "user-agent");
  size_t at = agent.find("MSIE ");
  b.is_msie = at != Str::npos && at + 7 < agent.size();
  b.is_msie6 = b.is_msie && is_old_msie(agent.substr(at + 5));
  if (has(agent, "Opera")) b.is_msie = b.is_msie6 = false;
  if (b.is_msie || has(agent, "Opera") || has(agent, "Gecko/")) return b;
  b.is_chrome = has(agent, "Chrome/");
  b.is_safari = !b.is_chrome && has(agent, "Safari/") && has(agent, "Mac OS X");
  return b;
}

bool browser_loses_keepalive(const Request *r, uint8_t disabled) {
  bool may_be_msie = (disabled & kNoKeepaliveMsie6) && r->method_id == kMethodPost;
  if (!may_be_msie && !(disabled & kNoKeepaliveSafari)) return false;
  if (!(disabled & kNoKeepaliveSafari) && !has(request_header(r, "user-agent"), "MSIE ")) return false;
  Browser b = browser_of(r);
  return (may_be_msie && b.is_msie6) || ((disabled & kNoKeepaliveSafari) && b.is_safari);
}

Str browser_padding(const Request *r) {
  Browser b = browser_of(r);
  if (!b.is_msie && !b.is_chrome) return {};
#define MW_LINE "<!-- padding: Internet Explorer and Chrome replace short pages -->\r\n"
  return MW_LINE MW_LINE MW_LINE MW_LINE MW_LINE MW_LINE;
#undef MW_LINE
}

Str browser_refresh_page(Request *r) {
  Str to = r->resp.location;
  if (to.empty() || !browser_of(r).is_msie) return {};
  static constexpr Str kHead = "<html><head><meta http-equiv=\"Refresh\" content=\"0; URL=";
  static constexpr Str kTail = "\"></head><body></body></html>\r\n";
  size_t size = url_escaped_size(to, ESCAPE_NGINX_REFRESH);
  char *page = static_cast<char *>(r->arena.alloc(kHead.size() + size + kTail.size()));
  char *at = url_escape(to, ESCAPE_NGINX_REFRESH, str_put(page, kHead));
  return {page, static_cast<size_t>(str_put(at, kTail) - page)};
}

}  // namespace mw
