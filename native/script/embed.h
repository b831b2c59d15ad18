// SPDX-License-Identifier: MIT
// The Lua half as text inside the binary: every native/lua/**/*.lua under its module name ("ngx.re", "moonwire.abi"), and
// the ABI declarations under "mw_abi.h". Written by scripts/embed.mjs at build time.
// Constant data, any thread; nothing is owned.
#pragma once
#include <cstddef>

namespace mw {

/// One embedded file. `data` ends with a NUL that `size` does not count.
struct EmbeddedLua {
  const char *name;
  const char *data;
  size_t size;
};

/// The file of that module name, or null.
const EmbeddedLua *embedded_lua(const char *name);

/// All files, ordered by name: embedded_begin() <= it < embedded_end().
const EmbeddedLua *embedded_begin();
const EmbeddedLua *embedded_end();

}  // namespace mw
