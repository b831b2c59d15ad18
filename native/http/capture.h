// SPDX-License-Identifier: MIT
// Regexes of the configuration: compiled once per plan on the control thread and shared by the workers; a match gives a
// request its $1..$9 and the variables of named groups.
#pragma once
#include <string>
#include <vector>

#include "base/regex.h"
#include "config_problem.h"
#include "http/request.h"

namespace mw {

/// (?<name>...) sets $name.
struct NamedGroup {
  uint32_t group;
  int32_t var;  ///< index of Plan::variables
};

/// A compiled regex of the configuration.
struct ConfRegex {
  Regex *re = nullptr;
  std::vector<NamedGroup> names;
  ConfRegex() = default;
  ~ConfRegex() { regex_free(re); }
  ConfRegex(ConfRegex &&o) noexcept : re(o.re), names(std::move(o.names)) { o.re = nullptr; }
  ConfRegex &operator=(ConfRegex &&o) noexcept {
    std::swap(re, o.re);
    names.swap(o.names);
    return *this;
  }
};

/// Compiles `pattern`; when it is bad, `problems` says so and `out` is not to be used.
void conf_regex_compile(const Plan &plan, Str pattern, bool caseless, const SourcePos &pos, ConfRegex &out,
                        Problems &problems);
/// Matches `subject`; true sets the request's captures (`r` may be null).
bool conf_regex_match(Request *r, const ConfRegex &regex, Str subject);

}  // namespace mw
