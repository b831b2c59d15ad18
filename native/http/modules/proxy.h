// SPDX-License-Identifier: MIT
// The proxy module: sends a location's requests to an HTTP server (proxy_pass and its relatives). The engine is upstream.h;
// here are HTTP's request bytes (proxy.cpp) and its reply's head and body (proxy_reply.cpp). Worker's thread.
#pragma once
#include "http/chunked.h"
#include "http/upstream.h"

namespace mw {

/// What the module keeps of one request; in its arena.
struct ProxyState {
  Str uri;               ///< path and query of proxy_pass, empty when it has none
  Str authority;         ///< "host[:port]" or "unix:/path" of proxy_pass
  int64_t left = -1;     ///< of the reply's body; -1: until the end of the stream
  uint32_t interim = 0;  ///< heads of 1xx that came before the reply's own
  bool is_chunked = false;
  bool is_head = false;  ///< HEAD was sent, whatever the client's method is: the reply has no body
  bool has_failed = false;
  bool is_misframed = false;  ///< the header fields that were sent do not tell where our body ends
  bool asks_upgrade = false;  ///< an Upgrade header was sent
  ChunkedDecoder decoder;
};

/// Bits of proxy_ignore_headers.
enum IgnoreHeader : uint32_t {
  kIgnoreRedirect = 0x2,
  kIgnoreExpires = 0x4,
  kIgnoreLimitRate = 0x100,
  kIgnoreBuffering = 0x200,
  kIgnoreCharset = 0x400
};

/// The content handler.
Rc proxy_run(Request *r);

/// What `p` makes of `value`: another beginning, where it begins with a text (of a domain the whole, but for a dot before it),
/// or all of it anew, where a regex matches. False when it does not fit.
bool proxy_replace(Request *r, const Replacement &p, bool is_domain, Str value, Str &out);
/// A Set-Cookie with domain, path and flags as proxy_cookie_* say.
Str proxy_cookie(Request *r, const UpstreamConf &conf, Str cookie);

Rc proxy_parse_head(Upstream *u);
Rc proxy_process_head(Upstream *u);
Rc proxy_body(Upstream *u, Str in);
Rc proxy_end_of_stream(Upstream *u);

}  // namespace mw
