// SPDX-License-Identifier: MIT
// Looks embedded Lua files up by name in the generated, sorted table.
#include "script/embed.h"

#include <algorithm>
#include <cstring>

namespace mw {

extern const EmbeddedLua embedded_table[];
extern const size_t embedded_count;

const EmbeddedLua *embedded_begin() { return embedded_table; }
const EmbeddedLua *embedded_end() { return embedded_table + embedded_count; }

const EmbeddedLua *embedded_lua(const char *name) {
  const EmbeddedLua *it =
      std::lower_bound(embedded_begin(), embedded_end(), name,
                       [](const EmbeddedLua &e, const char *n) { return std::strcmp(e.name, n) < 0; });
  return it != embedded_end() && std::strcmp(it->name, name) == 0 ? it : nullptr;
}

}  // namespace mw
