// SPDX-License-Identifier: MIT
// How each dependency is built: from `src` (read only), in the scratch folder `work`, into `out`/{include,lib}. Flags and
// the text of `build` are part of the cache key, so a changed recipe builds anew.
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addToCjson, version as cjsonVersion } from "./cjson-additions.mjs";

const cFlags = "-O2 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -g0 -w";
/// For CMake: __FILE__ in the binary is no path of the machine that builds it.
const cmakeFlags = `-DCMAKE_C_FLAGS=${cFlags} -ffile-prefix-map=@SRC@=.`;

function copyHeaders(from, out, names) {
  for (const f of names) cpSync(join(from, f), join(out, "include", f));
}

/// A CMake project's static library, cross-compiled when the chain says so.
function cmake({ src, work, out, chain, flags, run }, target, library) {
  const cross = chain.cross ? ["-DCMAKE_SYSTEM_NAME=Linux", `-DCMAKE_SYSTEM_PROCESSOR=${chain.system}`] : [];
  run("cmake", [
    "-S",
    src,
    "-B",
    work,
    `-DCMAKE_C_COMPILER=${chain.cc}`,
    ...cross,
    "-DCMAKE_BUILD_TYPE=None",
    ...flags.map((f) => f.replace("@SRC@", src)),
  ]);
  run("cmake", ["--build", work, "-j2", "--target", target]);
  const found = readdirSync(work, { recursive: true }).find((f) => f.endsWith(library));
  cpSync(join(work, found), join(out, "lib", library));
}

export const recipes = {
  // LUA52COMPAT as OpenResty's own builds; CHECKHOOK lets a debug hook stop compiled loops. Why no W^X: native/script/mcode.cpp.
  luajit: {
    flags: [
      "-DLUAJIT_ENABLE_LUA52COMPAT",
      "-DLUAJIT_ENABLE_CHECKHOOK",
      `-DLUAJIT_SECURITY_MCODE=${process.env.MOONWIRE_WX ? 1 : 0}`,
    ],
    build({ src, work, out, chain, flags, run }) {
      cpSync(src, work, { recursive: true });
      // Machine code comes from the addon's own arena: in the one-file build, lj_mcode.c alone sees mmap and munmap renamed.
      const amalg = join(work, "src", "ljamalg.c");
      const wrapped =
        "#include <sys/mman.h>\nextern void *mw_mcode_mmap(void *, size_t, int, int, int, off_t);\n" +
        "extern int mw_mcode_munmap(void *, size_t);\n#define mmap mw_mcode_mmap\n#define munmap mw_mcode_munmap\n" +
        '#include "lj_mcode.c"\n#undef mmap\n#undef munmap\n';
      const text = readFileSync(amalg, "utf8");
      for (const name of ["lj_mcode.c", "lj_clib.c"])
        if (!text.includes(`#include "${name}"`)) throw new Error(`ljamalg.c does not include ${name}`);
      // ffi.load opens through the addon, see native/script/clib.cpp.
      const opened =
        "#include <dlfcn.h>\nextern void *mw_clib_dlopen(const char *, int);\n#define dlopen mw_clib_dlopen\n" +
        '#include "lj_clib.c"\n#undef dlopen\n';
      // An allocation that fails under compiled code: its error looks for a frame at L->base, which such code does not keep.
      const settle =
        "\nvoid mw_luajit_settle(lua_State *L) {\n  TValue *base = tvref(G(L)->jit_base);\n" +
        "  if (base) gco2th(gcref(G(L)->cur_L))->base = base;\n}\n";
      const changed = text.replace('#include "lj_mcode.c"', wrapped).replace('#include "lj_clib.c"', opened);
      writeFileSync(amalg, "#define _GNU_SOURCE\n" + changed + settle);
      const cross = chain.cross ? ["HOST_CC=gcc", `CROSS=${chain.cross}`, "TARGET_SYS=Linux"] : [];
      run("make", [
        "-C",
        join(work, "src"),
        "-j2",
        "libluajit.a",
        "jit/vmdef.lua",
        "LJCORE_O=ljamalg.o",
        "BUILDMODE=static",
        "CCDEBUG=",
        "TARGET_CFLAGS=-fPIC",
        `XCFLAGS=${flags.join(" ")}`,
        ...cross,
      ]);
      cpSync(join(work, "src", "libluajit.a"), join(out, "lib", "libluajit.a"));
      // The tools of jit.*: tables of this very VM, and the disassemblers of its architecture.
      const jit = join(work, "src", "jit");
      const isWanted = (f) => !/^dis_/.test(f) || (chain.arch === "arm64" ? /^dis_arm64/ : /^dis_x/).test(f);
      for (const f of readdirSync(jit).filter(isWanted)) cpSync(join(jit, f), join(out, "lua", "jit", f));
      copyHeaders(join(work, "src"), out, ["lua.h", "lualib.h", "lauxlib.h", "luaconf.h", "luajit.h"]);
    },
  },
  pcre2: {
    flags: [
      "-DBUILD_SHARED_LIBS=OFF",
      "-DPCRE2_SUPPORT_JIT=ON",
      "-DPCRE2_BUILD_PCRE2GREP=OFF",
      "-DPCRE2_BUILD_TESTS=OFF",
      "-DPCRE2_STATIC_PIC=ON",
      cmakeFlags,
    ],
    build(ctx) {
      cmake(ctx, "pcre2-8-static", "libpcre2-8.a");
      copyHeaders(ctx.work, ctx.out, ["pcre2.h"]);
    },
  },
  cares: {
    flags: ["-DCARES_STATIC=ON", "-DCARES_SHARED=OFF", "-DCARES_STATIC_PIC=ON", "-DCARES_BUILD_TOOLS=OFF", cmakeFlags],
    build(ctx) {
      cmake(ctx, "c-ares", "libcares.a");
      copyHeaders(join(ctx.src, "include"), ctx.out, ["ares.h", "ares_dns.h", "ares_rules.h", "ares_version.h"]);
      copyHeaders(ctx.work, ctx.out, ["ares_build.h"]);
    },
  },
  // After luajit in the manifest: it compiles against its headers, which are stable (Lua 5.1), so no key depends on them.
  // LuaJIT has luaL_setfuncs, lua-cjson 2.1.0 brings its own of that name: rename the latter.
  cjson: {
    flags: [
      ...cFlags.split(" "),
      "-DNDEBUG",
      "-DluaL_setfuncs(l,r,n)=cjson_setfuncs(l,r,n)",
      `-DMW_ADDITIONS=${cjsonVersion}`,
    ],
    build({ src, work, out, chain, flags, run, headers }) {
      const objects = [];
      writeFileSync(join(work, "lua_cjson.c"), addToCjson(readFileSync(join(src, "lua_cjson.c"), "utf8")));
      for (const name of ["lua_cjson", "strbuf", "fpconv"]) {
        objects.push(join(work, `${name}.o`));
        const file = join(name === "lua_cjson" ? work : src, `${name}.c`);
        run(chain.cc, [...flags, `-I${headers}`, `-I${src}`, "-c", file, "-o", objects.at(-1)]);
      }
      run(chain.ar, ["rcs", join(out, "lib", "libcjson.a"), ...objects]);
    },
  },
};
