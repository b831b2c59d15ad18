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

bool proxy_replace(Request *r, const Replacement &p, bool is_whole, Str value, Str &out) {
  if (p.kind != Replacement::text) {
    const Regex *re = regex_of(r, &p);
    const size_t *ovector;
    int groups = re ? regex_exec(*re, value, 0, &ovector) : 0;
    if (groups <= 0) return false;
    size_t from = ovector[0], end = ovector[1];
    out =
        concat(r, concat(r, value.substr(0, from), with_captures(r, p.to, value, ovector, groups)), value.substr(end));
    return true;
  }
  Str from = complex_value(r, p.from);
  if (is_whole ? !str_iequal(value, from) : !value.starts_with(from)) return false;
  out = concat(r, complex_value(r, p.to), value.substr(from.size()));
  return true;
}

// --- cookies ---------------------------------------------------------------------------------------------------------

enum CookieBit : uint32_t { kSecure = 1, kHttpOnly = 2, kSameSite = 4, kStrict = 8, kLax = 16, kNone = 32 };

static const CookieFlags *flags_of(Request *r, const UpstreamConf &conf, Str name) {
  for (const CookieFlags &f : conf.cookie_flags) {
    if (f.kind == Replacement::text) {
      if (str_iequal(complex_value(r, f.name), name)) return &f;
      continue;
    }
    const Regex *re = regex_of(r, &f);
    const size_t *ovector;
    if (re && regex_exec(*re, name, 0, &ovector) > 0) return &f;
  }
  return nullptr;
}

/// An attribute that flags set or clear: it is written at the end, or not at all.
static bool is_decided(const CookieFlags *f, Str name) {
  if (!f) return false;
  uint32_t bit = str_iequal(name, "secure")     ? kSecure
                 : str_iequal(name, "httponly") ? kHttpOnly
                 : str_iequal(name, "samesite") ? kSameSite
                                                : 0u;
  return (f->set | f->clear) & bit;
}

static Str replaced(Request *r, const std::vector<Replacement> &list, bool is_whole, Str value) {
  Str out;
  for (const Replacement &p : list)
    if (proxy_replace(r, p, is_whole, value, out)) return out;
  return value;
}

static void put_attribute(Request *r, const UpstreamConf &conf, Str name, Str value, bool has_value, std::string &to) {
  to.append("; ").append(name);
  if (!has_value) return;
  to += '=';
  if (str_iequal(name, "path")) value = replaced(r, conf.cookie_paths, false, value);
  if (str_iequal(name, "domain")) {
    if (value.starts_with(".")) {
      Str rest = replaced(r, conf.cookie_domains, true, value.substr(1));
      if (rest.data() == value.data() + 1) to += '.';
      value = rest;
    } else {
      value = replaced(r, conf.cookie_domains, true, value);
    }
  }
  to.append(value);
}

static void put_flags(const CookieFlags *f, std::string &to) {
  if (!f) return;
  if (f->set & kSecure) to += "; Secure";
  if (f->set & kHttpOnly) to += "; HttpOnly";
  if (f->set & kSameSite) to.append("; SameSite=").append(f->set & kStrict ? "Strict" : f->set & kLax ? "Lax" : "None");
}

Str proxy_cookie(Request *r, const UpstreamConf &conf, Str cookie) {
  if (conf.cookie_domains.empty() && conf.cookie_paths.empty() && conf.cookie_flags.empty()) return cookie;
  size_t end = cookie.find(';');
  Str pair = cookie.substr(0, end);
  const CookieFlags *flags = flags_of(r, conf, pair.substr(0, pair.find('=')));
  std::string to(pair);
  while (end != Str::npos) {
    size_t next = cookie.find(';', end + 1);
    Str attribute = cookie.substr(end + 1, next == Str::npos ? Str::npos : next - end - 1);
    end = next;
    while (attribute.starts_with(" ")) attribute.remove_prefix(1);
    size_t eq = attribute.find('=');
    Str name = attribute.substr(0, eq);
    if (is_decided(flags, name)) continue;
    put_attribute(r, conf, name, eq == Str::npos ? Str{} : attribute.substr(eq + 1), eq != Str::npos, to);
  }
  put_flags(flags, to);
  return r->arena.dup(to);
}

}  // namespace mw
