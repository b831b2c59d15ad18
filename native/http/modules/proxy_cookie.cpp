// SPDX-License-Identifier: MIT
// What proxy_redirect and proxy_cookie_* make of an upstream's Location and Set-Cookie.
#include "base/regex.h"
#include "http/modules/proxy.h"
#include "http/variable.h"

namespace mw {

/// `to` with $1... standing for the groups of a match; the request keeps its own captures.
static Str with_captures(Request *r, const ComplexValue &to, Str subject, const size_t *ovector, int groups) {
  size_t size = 2 * static_cast<size_t>(groups);
  size_t *copy = r->arena.make_array<size_t>(size);
  memcpy(copy, ovector, size * sizeof *copy);
  const size_t *captures = r->captures;
  uint32_t n = r->captures_n;
  Str before = r->capture_subject;
  r->captures = copy;
  r->captures_n = static_cast<uint32_t>(groups);
  r->capture_subject = subject;
  Str out = complex_value(r, to);
  r->captures = captures;
  r->captures_n = n;
  r->capture_subject = before;
  return out;
}

static const Regex *regex_of(const Request *r, const void *key) {
  auto it = r->core->peers->regexes.find(key);
  return it == r->core->peers->regexes.end() ? nullptr : it->second.get();
}

static Str concat(Request *r, Str a, Str b) {
  char *to = static_cast<char *>(r->arena.alloc(a.size() + b.size()));
  return {to, static_cast<size_t>(str_put(str_put(to, a), b) - to)};
}

bool proxy_replace(Request *r, const Replacement &p, bool is_domain, Str value, Str &out) {
  if (p.kind != Replacement::text) {
    const Regex *re = regex_of(r, &p);
    const size_t *ovector;
    int groups = re ? regex_exec(*re, value, 0, &ovector) : 0;
    if (groups <= 0) return false;
    out = with_captures(r, p.to, value, ovector, groups);
    return true;
  }
  Str from = complex_value(r, p.from);
  if (!is_domain) {
    if (!value.starts_with(from)) return false;
    out = concat(r, complex_value(r, p.to), value.substr(from.size()));
    return true;
  }
  bool has_dot = value.starts_with(".");
  if (!str_iequal(value.substr(has_dot), from)) return false;
  out = concat(r, has_dot ? "." : "", complex_value(r, p.to));
  return true;
}

// --- cookies ---------------------------------------------------------------------------------------------------------

enum CookieBit : uint32_t { kSecure = 1, kHttpOnly = 2, kSameSite = 4, kStrict = 8, kLax = 16, kNone = 32 };

/// What is done to a cookie's flags. What is set is written once: where the cookie has the flag, else at the end.
struct FlagChange {
  uint32_t set = 0, clear = 0;
};

struct FlagWord {
  Str text;
  uint32_t set, clear;
};

static constexpr FlagWord kFlagWords[] = {{"secure", kSecure, 0},
                                          {"nosecure", 0, kSecure},
                                          {"httponly", kHttpOnly, 0},
                                          {"nohttponly", 0, kHttpOnly},
                                          {"samesite=strict", kSameSite | kStrict, 0},
                                          {"samesite=lax", kSameSite | kLax, 0},
                                          {"samesite=none", kSameSite | kNone, 0},
                                          {"nosamesite", 0, kSameSite}};

static void add_flag(Request *r, Str text, FlagChange &to) {
  if (text.empty()) return;
  for (const FlagWord &w : kFlagWords) {
    if (!str_iequal(w.text, text)) continue;
    to.set |= w.set;
    to.clear |= w.clear;
    return;
  }
  log_write(r->log(), kLogError, 0, &r->log_ctx, "invalid proxy_cookie_flags flag \"%.*s\"",
            static_cast<int>(text.size()), text.data());
}

/// Of the first proxy_cookie_flags that is for that cookie.
static void find_flags(Request *r, const UpstreamConf &conf, Str name, FlagChange &to) {
  for (const CookieFlags &f : conf.cookie_flags) {
    if (f.kind == Replacement::text) {
      if (!str_iequal(complex_value(r, f.name), name)) continue;
    } else {
      const Regex *re = regex_of(r, &f);
      const size_t *ovector;
      if (!re || regex_exec(*re, name, 0, &ovector) <= 0) continue;
    }
    to = {f.set, f.clear};
    for (const ComplexValue &word : f.words) add_flag(r, complex_value(r, word), to);
    return;
  }
}

struct SameSite {
  uint32_t bit;
  Str value;
};

static constexpr SameSite kSameSites[] = {{kStrict, "Strict"}, {kLax, "Lax"}, {kNone, "None"}};

static void put_flags(const FlagChange &f, std::string &to) {
  if (f.set & kSecure) to += "; Secure";
  if (f.set & kHttpOnly) to += "; HttpOnly";
  for (const SameSite &s : kSameSites) {
    if (!(f.set & s.bit)) continue;
    to.append("; SameSite=").append(s.value);
    return;
  }
}

static Str trimmed(Str s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

/// "name=value" or "name" of a Set-Cookie; without '=' the value has no data.
struct CookiePart {
  Str name, value;
};

/// The next one, up to a ';'.
static CookiePart take_part(Str &cookie) {
  size_t end = cookie.find(';');
  Str part = cookie.substr(0, end);
  cookie = end == Str::npos ? Str{} : cookie.substr(end + 1);
  size_t eq = part.find('=');
  Str value = eq == Str::npos ? Str{} : trimmed(part.substr(eq + 1));
  return {trimmed(part.substr(0, eq)), eq == Str::npos || value.data() ? value : Str("")};
}

/// What the first Replacement that fits makes of an attribute's value. False when none does.
static bool replace(Request *r, const UpstreamConf &conf, CookiePart &part) {
  bool is_domain = str_iequal(part.name, "domain");
  if ((!is_domain && !str_iequal(part.name, "path")) || !part.value.data()) return false;
  for (const Replacement &p : is_domain ? conf.cookie_domains : conf.cookie_paths)
    if (proxy_replace(r, p, is_domain, part.value, part.value)) return true;
  return false;
}

/// The flag that an attribute is: what is to be set and is there stays as it is written, and is no longer to be set. False
/// when it is taken away.
static bool apply_flags(FlagChange &f, CookiePart &part) {
  if (str_iequal(part.name, "samesite")) {
    for (const SameSite &s : kSameSites) {
      if (!(f.set & s.bit)) continue;
      f.set &= ~s.bit;
      if (!str_iequal(part.value, s.value)) part = {"SameSite", s.value};
      return true;
    }
    return !(f.clear & kSameSite);
  }
  uint32_t bit = str_iequal(part.name, "secure") ? kSecure : str_iequal(part.name, "httponly") ? kHttpOnly : 0u;
  bool is_kept = (f.set & bit) || !(f.clear & bit);
  f.set &= ~bit;
  return is_kept;
}

static void put_part(const CookiePart &part, std::string &to) {
  to.append(part.name);
  if (part.value.data()) to.append("=").append(part.value);
}

Str proxy_cookie(Request *r, const UpstreamConf &conf, Str cookie) {
  if (conf.cookie_domains.empty() && conf.cookie_paths.empty() && conf.cookie_flags.empty()) return cookie;
  Str rest = cookie;
  CookiePart pair = take_part(rest);
  if (!pair.value.data()) return cookie;
  FlagChange flags;
  find_flags(r, conf, pair.name, flags);
  bool is_changed = flags.set | flags.clear;
  std::string to;
  put_part(pair, to);
  while (rest.data()) {
    CookiePart part = take_part(rest);
    if (!apply_flags(flags, part)) continue;
    is_changed |= replace(r, conf, part);
    to += "; ";
    put_part(part, to);
  }
  if (!is_changed) return cookie;  // as it came
  put_flags(flags, to);
  return r->arena.dup(to);
}

}  // namespace mw
