// SPDX-License-Identifier: MIT
// See router.h. A server's locations become one tree of levels, each: exact names (hash), prefixes (sorted, longest match by
// binary search and parent links), regexes in file order; nested locations are a level of their own under their parent.
#include "http/router.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "http/capture.h"
#include "http/name_map.h"

namespace mw {

struct Level;

struct PrefixEntry {
  const Location *location;
  int32_t parent = -1;  ///< index of the longest shorter entry that is a prefix of this one
};

struct RegexEntry {
  const Location *location;
  ConfRegex regex;
};

struct Level {
  NameMap<const Location> exact;
  NameMap<const Location> slashless;  ///< "/dir" for "/dir/" that is proxied: to be redirected there
  std::vector<PrefixEntry> prefixes;  ///< sorted by name
  std::vector<RegexEntry> regexes;
  std::unordered_map<const Location *, std::unique_ptr<Level>> nested;
};

struct NameRegex {
  ConfRegex regex;
  const ServerConf *server;
};

struct ListenNames {
  const ServerConf *fallback = nullptr;
  NameMap<const ServerConf> exact, wildcard_start, wildcard_end;
  std::vector<NameRegex> regexes;
  bool has_names = false;
};

struct Router {
  const Plan *plan = nullptr;
  std::vector<ListenNames> listens;
  const ServerConf *servers = nullptr;  ///< the plan's first; `levels` is by index
  std::vector<Level> levels;
  std::unordered_map<const ServerConf *, NameMap<const Location>> named;
};

// --- building --------------------------------------------------------------------------------------------------------

static void add_slashless(Level &level, const Location &l) {
  if (l.conf.upstream >= 0 && l.name.size() > 1 && l.name.back() == '/')
    level.slashless.add(Str(l.name).substr(0, l.name.size() - 1), &l);
}

static void build_level(Router &router, const ServerConf *server, Level &level, const std::vector<Location> &locations,
                        Problems &problems) {
  for (const Location &l : locations) {
    switch (l.match) {
      case Location::exact:
        level.exact.add(l.name, &l);
        add_slashless(level, l);
        break;
      case Location::prefix:
      case Location::prefix_no_regex:
        level.prefixes.push_back({&l});
        add_slashless(level, l);
        break;
      case Location::regex:
      case Location::regex_icase: {
        ConfRegex regex;
        conf_regex_compile(*router.plan, l.name, l.match == Location::regex_icase, l.pos, regex, problems);
        level.regexes.push_back({&l, std::move(regex)});
        break;
      }
      case Location::named: router.named[server].add(l.name, &l); break;
    }
    if (l.children.empty()) continue;
    auto nested = std::make_unique<Level>();
    build_level(router, server, *nested, l.children, problems);
    level.nested.emplace(&l, std::move(nested));
  }
  auto &p = level.prefixes;
  std::sort(p.begin(), p.end(), [](auto &a, auto &b) { return a.location->name < b.location->name; });
  for (size_t i = 0; i < p.size(); ++i)
    for (size_t j = i; j-- > 0;)
      if (Str(p[i].location->name).starts_with(p[j].location->name)) {
        p[i].parent = static_cast<int32_t>(j);
        break;
      }
}

static void build_names(const Plan &plan, ListenNames &names, const ServerConf *server, Problems &problems) {
  for (const ServerName &n : server->names) {
    names.has_names = true;
    switch (n.kind) {
      case ServerName::exact: names.exact.add(n.name, server); break;
      case ServerName::wildcard_start: names.wildcard_start.add(n.name, server); break;
      case ServerName::wildcard_end: names.wildcard_end.add(n.name, server); break;
      case ServerName::regex: {
        ConfRegex regex;
        conf_regex_compile(plan, n.name, true, n.pos, regex, problems);
        names.regexes.push_back({std::move(regex), server});
        break;
      }
    }
  }
}

std::shared_ptr<const Router> router_build(const Plan &plan, Problems &problems) {
  auto router = std::make_shared<Router>();
  router->plan = &plan;
  router->servers = plan.servers.data();
  router->levels.resize(plan.servers.size());
  for (size_t i = 0; i < plan.servers.size(); ++i)
    build_level(*router, &plan.servers[i], router->levels[i], plan.servers[i].locations, problems);
  router->listens.resize(plan.listens.size());
  for (size_t i = 0; i < plan.listens.size(); ++i) {
    const Listen &l = plan.listens[i];
    ListenNames &names = router->listens[i];
    names.fallback = &plan.servers[static_cast<size_t>(l.default_server)];
    for (int32_t s : l.servers) build_names(plan, names, &plan.servers[static_cast<size_t>(s)], problems);
    if (l.servers.size() == 1 && names.regexes.empty())
      names.has_names = false;  // nothing to choose, no capture to make
  }
  return router;
}

// --- servers ---------------------------------------------------------------------------------------------------------

const ServerConf *router_find_server(const Router &router, int32_t listen, Str host, Request *r) {
  const ListenNames &names = router.listens[static_cast<size_t>(listen)];
  if (!names.has_names) return names.fallback;
  if (const ServerConf *server = names.exact.find(host)) return server;
  // "*.example.com" is kept as ".example.com": the longest suffix wins, so try from the first dot on.
  for (size_t dot = host.find('.'); dot != Str::npos; dot = host.find('.', dot + 1))
    if (const ServerConf *server = names.wildcard_start.find(host.substr(dot))) return server;
  // "www.example.*" is kept as "www.example.": the longest prefix wins.
  for (size_t dot = host.rfind('.'); dot != Str::npos && dot > 0; dot = host.rfind('.', dot - 1))
    if (const ServerConf *server = names.wildcard_end.find(host.substr(0, dot + 1))) return server;
  for (const NameRegex &n : names.regexes) {
    if (conf_regex_match(r, n.regex, host)) return n.server;
  }
  return names.fallback;
}

bool router_is_regex_name(const Router &router, int32_t listen, const ServerConf *server, Str host) {
  const auto &regexes = router.listens[static_cast<size_t>(listen)].regexes;
  return std::any_of(regexes.begin(), regexes.end(), [&](const NameRegex &n) {
    return n.server == server && conf_regex_match(nullptr, n.regex, host);
  });
}

// --- locations -------------------------------------------------------------------------------------------------------

static const Location *longest_prefix(const Level &level, Str uri) {
  const auto &p = level.prefixes;
  auto after =
      std::upper_bound(p.begin(), p.end(), uri, [](Str u, const PrefixEntry &e) { return u < e.location->name; });
  if (after == p.begin()) return nullptr;
  // The entry before has the longest common prefix with uri; whatever matches is it or one of its parents.
  for (int32_t i = static_cast<int32_t>(after - p.begin()) - 1; i >= 0; i = p[static_cast<size_t>(i)].parent)
    if (uri.starts_with(p[static_cast<size_t>(i)].location->name)) return p[static_cast<size_t>(i)].location;
  return nullptr;
}

/// Matches within one level and, below its best prefix, the nested ones. `stop` becomes true when an exact or a regex
/// location ended the search; a ^~ ends it for the regexes of its own level alone, as in nginx.
static const Location *find_in(const Level &level, Request *r, bool &stop) {
  if (const Location *exact = level.exact.find(r->uri)) {
    stop = true;
    return exact;
  }
  const Location *best = longest_prefix(level, r->uri);
  if (!level.slashless.empty() && (!best || best->name.size() != r->uri.size()))
    if (const Location *slashless = level.slashless.find(r->uri)) {
      stop = true;
      return slashless;
    }
  bool no_regex = best && best->match == Location::prefix_no_regex;
  if (best && !level.nested.empty())
    if (auto it = level.nested.find(best); it != level.nested.end())
      if (const Location *inner = find_in(*it->second, r, stop)) {
        if (stop) return inner;
        best = inner;
      }
  if (no_regex) return best;
  for (const RegexEntry &e : level.regexes) {
    if (!conf_regex_match(r, e.regex, r->uri)) continue;
    stop = true;
    if (auto it = level.nested.find(e.location); it != level.nested.end()) {
      bool inner_stop = false;
      if (const Location *inner = find_in(*it->second, r, inner_stop)) return inner;
    }
    return e.location;
  }
  return best;
}

const Location *router_find_location(const Router &router, Request *r) {
  bool stop = false;
  return find_in(router.levels[static_cast<size_t>(r->server - router.servers)], r, stop);
}

const Location *router_find_named(const Router &router, const ServerConf *server, Str name) {
  auto it = router.named.find(server);
  if (it == router.named.end()) return nullptr;
  return it->second.find(name);
}

}  // namespace mw
