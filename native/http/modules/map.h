// SPDX-License-Identifier: MIT
// nginx's map module: variables that are looked up by a text when they are first asked for. Tables are built with the
// variables of a plan on the control thread and shared by the workers; a value found stays with its request.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "config.h"
#include "http/variable.h"

namespace mw {

/// The keys of one map, by kind; what they lead to is an index of MapConf::entries.
struct MapTable {
  /// Texts are looked up without a std::string being made of them.
  struct Hash : std::hash<Str> {
    using is_transparent = void;
  };
  using Keys = std::unordered_map<std::string, size_t, Hash, std::equal_to<>>;

  const MapConf *conf = nullptr;  ///< of the plan, which lives at least as long
  Keys exact, wildcard_start, wildcard_end;
  std::vector<size_t> regexes;  ///< in the order of the file
};

/// The tables of `plan`, by index of Plan::maps.
std::vector<std::shared_ptr<const MapTable>> map_build(const Plan &plan);
/// Finds the map that gives the variable `name` its value; the last one counts, as in nginx. -1: none.
int32_t map_of_variable(const Plan &plan, Str name);
/// VarDef::get of such a variable.
bool map_get(Request *r, const VarDef &def, Str &out);

}  // namespace mw
