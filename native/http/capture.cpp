// SPDX-License-Identifier: MIT
// See capture.h.
#include "http/capture.h"

#include "http/variable.h"

namespace mw {

void conf_regex_compile(const Plan &plan, Str pattern, bool caseless, const SourcePos &pos, ConfRegex &out,
                        Problems &problems) {
  char text[512];
  out.re = regex_compile(pattern, REGEX_JIT | (caseless ? REGEX_CASELESS : 0u), text, sizeof text);
  if (!out.re) return problems.add(text, pos);
  for (uint32_t i = 0; i < out.re->name_count; ++i) {
    NamedGroup g{};
    std::string name(regex_name(*out.re, i, &g.group));
    for (char &c : name) c = static_cast<char>(str_lower(static_cast<unsigned char>(c)));
    for (int32_t slot : plan.user_variables)
      if (plan.variables[static_cast<size_t>(slot)] == name) {
        g.var = slot;
        out.names.push_back(g);
      }
  }
}

bool conf_regex_match(Request *r, const ConfRegex &regex, Str subject) {
  const size_t *ovector;
  int groups = regex_exec(*regex.re, subject, 0, &ovector);
  if (groups <= 0) return false;
  if (!r) return true;
  size_t n = static_cast<size_t>(groups);
  size_t *copy = static_cast<size_t *>(r->arena.alloc(sizeof(size_t) * 2 * n));
  memcpy(copy, ovector, sizeof(size_t) * 2 * n);
  r->captures = copy;
  r->captures_n = static_cast<uint32_t>(groups);
  r->capture_subject = subject.empty() ? Str("") : r->arena.dup(subject);
  for (const NamedGroup &g : regex.names) {
    Str value = variable_capture(r, static_cast<int32_t>(g.group));
    variable_set(r, g.var, value.data() ? value : Str(""));  // a group that took no part in the match is empty
  }
  return true;
}

}  // namespace mw
