// SPDX-License-Identifier: MIT
// What keeps a plan from being served: found where it is compiled, resolved and opened, all of it in one go. Control thread.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "config_value.h"

namespace mw {

/// One of them, in nginx's words. Without a file in `pos`, of the whole configuration.
struct Problem {
  std::string message;
  SourcePos pos;
};

/// In the order in which they are found.
struct Problems {
  std::vector<Problem> list;

  bool empty() const { return list.empty(); }
  /// What several blocks inherit, or several addresses share, is said once.
  void add(std::string message, const SourcePos &pos = {}) {
    for (const Problem &p : list)
      if (p.message == message && p.pos == pos) return;
    list.push_back({std::move(message), pos});
  }
};

}  // namespace mw
