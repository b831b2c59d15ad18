// SPDX-License-Identifier: MIT
// See referer.h.
#include "http/modules/referer.h"

#include <algorithm>

#include "http/router.h"

namespace mw {

static bool is_name(int kind, Str name, Str host) {
  switch (kind) {
    case ServerName::exact: return host == name;
    case ServerName::wildcard_start: return host.size() > name.size() && host.ends_with(name);
    case ServerName::wildcard_end: return host.size() > name.size() && host.starts_with(name);
    default: return false;
  }
}

static bool has_kind(const std::vector<Referer> &list, Referer::Kind kind) {
  return std::any_of(list.begin(), list.end(), [kind](const Referer &f) { return f.kind == kind; });
}

/// `text` is the header behind "http://", `host` its name in lower case, `rest` what follows the name and port.
static bool matches(Request *r, const Referer &f, Str text, Str host, Str rest) {
  switch (f.kind) {
    case Referer::none:
    case Referer::blocked: return false;
    case Referer::server_names:
      return std::any_of(r->server->names.begin(), r->server->names.end(),
                         [host](const ServerName &n) { return is_name(n.kind, n.name, host); }) ||
             router_is_regex_name(*r->core->router, r->listen_index, r->server, host);
    case Referer::regex_: return conf_regex_match(nullptr, r->core->vars->regexes[static_cast<size_t>(f.regex)], text);
    default: return is_name(f.kind, f.name, host) && rest.starts_with(f.uri);
  }
}

/// The length of "http://" or "https://", 0 without one. As nginx has it, too short a text to name a host has none.
static size_t scheme_size(Str text) {
  if (text.size() >= 11 && str_istarts(text, "http://")) return 7;
  return text.size() >= 12 && str_istarts(text, "https://") ? 8 : 0;
}

bool referer_var_invalid(Request *r, const VarDef &, Str &out) {
  const std::vector<Referer> &list = r->conf->referers;
  out = "";
  if (list.empty()) return true;
  Str text = request_header(r, "referer");
  bool is_valid = false;
  size_t scheme = scheme_size(text);
  if (!text.data()) {
    is_valid = has_kind(list, Referer::none);
  } else if (!scheme) {
    is_valid = has_kind(list, Referer::blocked);
  } else {
    text.remove_prefix(scheme);
    size_t end = std::min(text.find_first_of("/:"), text.size());
    char low[256];
    if (end > 0 && end <= sizeof low) {
      for (size_t i = 0; i < end; ++i) low[i] = static_cast<char>(str_lower(static_cast<unsigned char>(text[i])));
      Str host{low, end}, rest = text.substr(std::min(text.find('/', end), text.size()));
      is_valid =
          std::any_of(list.begin(), list.end(), [&](const Referer &f) { return matches(r, f, text, host, rest); });
    }
  }
  if (!is_valid) out = "1";
  return true;
}

}  // namespace mw
