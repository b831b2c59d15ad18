// SPDX-License-Identifier: MIT
// What all parts of the plan are made of: values with variables, and where a directive stood. See config.h.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace mw {

/// Where a directive stood, for messages.
struct SourcePos {
  std::string file;
  uint32_t line = 0, column = 0;
  std::string path;  ///< in a configuration object: `http.server[0]`
  bool operator==(const SourcePos &) const = default;
};

/// A value with variables: literal pieces and variable indexes in order. One literal part = a constant.
struct ComplexValue {
  struct Part {
    std::string literal;   ///< used when var < 0
    int32_t var = -1;      ///< index into Plan::variables, or -1
    int32_t capture = -1;  ///< n of $n, or -1
  };
  std::vector<Part> parts;
  bool is_constant() const { return parts.empty() || (parts.size() == 1 && parts[0].var < 0 && parts[0].capture < 0); }
  const std::string &constant() const {
    static const std::string none;
    return parts.empty() ? none : parts[0].literal;
  }
};

struct NamedValue {
  std::string name;
  ComplexValue value;
};

}  // namespace mw
