// SPDX-License-Identifier: MIT
// What a client's User-Agent gives away of its browser, as far as nginx treats browsers differently: keepalive_disable,
// msie_padding, msie_refresh, $msie. Read when asked for.
#pragma once
#include "http/request.h"

namespace mw {

struct Browser {
  bool is_msie = false;
  bool is_msie6 = false;  ///< or older, and not of a later service pack
  bool is_chrome = false;
  bool is_safari = false;  ///< on macOS
};

/// The browser by nginx's rules; all false without the header.
Browser browser_of(const Request *r);
/// keepalive_disable: does the request's connection end with its answer? `disabled` has bits of KeepaliveDisable.
bool browser_loses_keepalive(const Request *r, uint8_t disabled);

/// msie_padding: what follows an error page, so that a browser does not take it for too short to be shown. Empty for others.
Str browser_padding(const Request *r);
/// msie_refresh: the page that does a redirect's work; null data where the redirect is one.
Str browser_refresh_page(Request *r);

}  // namespace mw
