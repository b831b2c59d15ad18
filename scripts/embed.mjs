// SPDX-License-Identifier: MIT
// node embed.mjs NATIVE OUT.cpp DIR: writes every NATIVE/lua/**/*.lua, DIR/**/*.lua (LuaJIT's jit.*) and NATIVE/abi/mw_abi.h as
// string literals into one C++ file, the table behind native/script/embed.h. A module's name is its path with dots for slashes.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [native, out, ...more] = process.argv.slice(2);
const files = [join(native, "lua"), ...more].flatMap((lua) =>
  readdirSync(lua, { recursive: true })
    .filter((f) => f.endsWith(".lua"))
    .map((f) => ({ name: f.slice(0, -4).replaceAll("/", "."), path: join(lua, f) })),
);
files.push({ name: "mw_abi.h", path: join(native, "abi/mw_abi.h") });
files.sort((a, b) => (a.name < b.name ? -1 : 1));

/// One C++ literal per line of the file; octal escapes always have three digits, so nothing that follows joins them.
function literal(bytes) {
  let text = "";
  for (const byte of bytes) {
    const c = String.fromCharCode(byte);
    if (c === "\n") text += '\\n"\n"';
    else if (c === '"' || c === "\\" || c === "?") text += `\\${c}`;
    else if (byte < 32 || byte > 126) text += `\\${byte.toString(8).padStart(3, "0")}`;
    else text += c;
  }
  return `"${text}"`;
}

let code = '// Written by scripts/embed.mjs.\n#include "script/embed.h"\n\nnamespace mw {\n';
code +=
  "extern const EmbeddedLua embedded_table[];\nextern const size_t embedded_count;\nconst EmbeddedLua embedded_table[] = {\n";
for (const { name, path } of files) {
  const bytes = readFileSync(path);
  code += `{"${name}",\n${literal(bytes)},\n${bytes.length}},\n`;
}
code += `};\nconst size_t embedded_count = ${files.length};\n}  // namespace mw\n`;
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, code);
