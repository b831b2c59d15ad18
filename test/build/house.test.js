// SPDX-License-Identifier: MIT
// The lints of scripts/check-house.mjs complain about what they should, and only that.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "ava";
import { cdef, includes, members, sizes, spdx } from "../../scripts/check-house.mjs";

/** Writes a small tree, runs a lint in it, returns its complaints. */
function complaints(lint, tree) {
  const dir = mkdtempSync(join(tmpdir(), "moonwire-house-"));
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  const before = process.cwd();
  process.chdir(dir);
  try {
    return lint(Object.keys(tree));
  } finally {
    process.chdir(before);
  }
}

test("includes go down only", (t) => {
  const tree = {
    "native/http/a.cpp": '#include "net/b.h"\n#include "config.h"\n#include "http/modules/m.h"\n',
    "native/net/bad.cpp": '#include "http/a.h"\n',
    "native/shm/bad.cpp": '#include "base/str.h"\n#include "loop/loop.h"\n',
    "native/script/ok.cpp": '#include "abi/abi.h"\n#include "shm/dict.h"\n',
    "native/http/bad.cpp": '#include "script/vm.h"\n',
    "native/worker.cpp": '#include "server.h"\n#include "script/vm.h"\n',
    "native/worker/bad.cpp": '#include "addon/addon.h"\n',
    "native/loop/bad.h": '#include "loop.h"\n',
  };
  t.deepEqual(complaints(includes, tree), [
    'native/net/bad.cpp:1: net must not include http ("http/a.h")',
    'native/shm/bad.cpp:2: shm must not include loop ("loop/loop.h")',
    'native/http/bad.cpp:1: http must not include script ("script/vm.h")',
    'native/worker/bad.cpp:1: worker must not include addon ("addon/addon.h")',
    'native/loop/bad.h:1: include "loop.h" by its path below native/',
  ]);
});

test("800 lines are the end of a file", (t) => {
  t.deepEqual(complaints(sizes, { "native/base/a.cpp": "x\n".repeat(800), "lib/b.ts": "x\n".repeat(801) }), [
    "lib/b.ts: 801 lines; split it (800 at most)",
  ]);
});

test("one cdef of ours", (t) => {
  const tree = {
    "native/lua/moonwire/abi.lua": "ffi.cdef(cdef)\n",
    "native/lua/ngx/re.lua": "ffi.cdef[[ int x(void); ]]\n",
    "native/lua/resty/sha.lua": "ffi.cdef[[ int SHA1_Init(void *); ]]\n",
    "native/lua/resty/bad.lua": "ffi.cdef [==[ int mw_crypto_md5(void *); ]==]\n",
  };
  t.deepEqual(complaints(cdef, tree), [
    "native/lua/ngx/re.lua: ffi.cdef belongs in native/abi/mw_abi.h",
    "native/lua/resty/bad.lua: ffi.cdef declares mw_crypto_md5, which is mw_abi.h's",
  ]);
});

test("what the plan says is read by somebody", (t) => {
  const tree = {
    "native/config.h": "bool etag = true, rewrite_log = false, gzip = false;\n",
    "native/config.cpp": "  MEMBER(etag);\n  MEMBER(rewrite_log);\n  MEMBER(gzip);\n",
    "native/config_location.cpp": "if (c.gzip) c.filters |= 1;\n",
    "native/http/static.cpp": "if (conf->etag) put();\n",
    "test/native/config_test.cpp": '"rewrite_log"\n',
  };
  t.deepEqual(complaints(members, tree), [
    "native/config.cpp:2: nothing reads rewrite_log: its directive has no effect",
  ]);
});

test("each file opens with its licence", (t) => {
  const tree = { "lib/a.ts": "// SPDX-License-Identifier: MIT\n", "native/lua/b.lua": "local x\n", "README.md": "" };
  t.deepEqual(complaints(spdx, tree), ["native/lua/b.lua: b.lua does not open with its SPDX line"]);
});
