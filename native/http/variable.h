// SPDX-License-Identifier: MIT
// nginx variables: built in, by prefix (arg_, http_, cookie_, sent_http_) and declared by `set`. The table of a plan is built
// on the control thread and shared; values live in the request's arena.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "http/capture.h"
#include "http/request.h"

namespace mw {

/// A variable resolved by name. `get` answers false when it has no value; `set` is null when it cannot be changed.
struct VarDef {
  std::string name;   ///< lower case; for a family, what follows the prefix
  int32_t slot = -1;  ///< of `set` variables: index into Request::vars
  bool (*get)(Request *r, const VarDef &def, Str &out) = nullptr;
  bool (*set)(Request *r, const VarDef &def, Str value) = nullptr;
  int32_t table = -1;                                                ///< index into Plan::maps, geos or splits
  bool (*unset)(Request *r, const VarDef &def, Str &out) = nullptr;  ///< of `set $arg_x`: what it is before it is set
};

/// A row of a table of variables, written as a constant. In a table of families `name` is their prefix.
struct NamedVar {
  Str name;
  bool (*get)(Request *r, const VarDef &def, Str &out);
  bool (*set)(Request *r, const VarDef &def, Str value) = nullptr;
};

struct MapTable;

struct VarTable {
  std::vector<VarDef> defs;                           ///< by index of Plan::variables
  std::vector<ConfRegex> regexes;                     ///< by index of Plan::regexes
  std::vector<std::shared_ptr<const MapTable>> maps;  ///< by index of Plan::maps
};

/// Resolves every name of the plan and compiles its regexes; problems are unknown names and bad regexes.
std::shared_ptr<const VarTable> variable_build(const Plan &plan, Problems &problems);
/// Resolves one name (lower case, no '$'), declared in `plan` or built in. False when there is no such variable.
bool variable_resolve(const Plan &plan, Str name, VarDef &def);
/// Looks for `name` among `names`, then among the prefixes of `families`. False when it is in neither.
bool variable_find(std::span<const NamedVar> names, std::span<const NamedVar> families, Str name, VarDef &def);
/// The part of variable_resolve() for the variables of smaller modules (variable_modules.cpp).
bool module_variable_resolve(Str name, VarDef &def);

/// The value of plan variable `index`; empty when it has none.
Str variable_value(Request *r, int32_t index);
void variable_set(Request *r, int32_t index, Str value);
/// Where the value of a variable with a slot lies: with the request whose variables these are.
VarSlot &variable_slot(Request *r, const VarDef &def);
/// Evaluates a value with variables into the arena (constants are not copied); captures escaped where `escape_captures`.
Str complex_value(Request *r, const ComplexValue &value, bool escape_captures = false);
/// The connection's local end as a URL names it: "127.0.0.1" or "[::1]", and ":PORT" unless that is 80. Both empty for a unix
/// socket.
struct LocalName {
  char host[72] = "";
  char port[8] = "";
};
LocalName connection_local_name(const Request *r);
/// The value of the request's cookie `name`, the first of them. False without one.
bool cookie_value(const Request *r, Str name, Str &out);
/// $n of the last regex match; empty when unset.
Str variable_capture(const Request *r, int32_t n);

}  // namespace mw
