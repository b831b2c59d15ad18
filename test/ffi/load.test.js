// SPDX-License-Identifier: MIT
// ffi.load of a library that Node holds a version of, too: its inner calls stay its own.
import test from "ava";
import { spawnSync } from "node:child_process";
import { LuaVm } from "moonwire";
import { makePrefix, removePrefix, runMoonwire } from "../helpers/index.js";

// Sanitizers do not let a library put its own symbols first.
const unsanitized = process.env.MW_TEST_SANITIZER ? test.skip : test;

unsanitized("zlib deflates through streams of its own", async (t) => {
  const vm = await LuaVm.create();
  t.teardown(() => vm.close());
  const { size, same } = await vm.run(`
    local ffi = require "ffi"
    local ok, z = pcall(ffi.load, "libz.so.1")
    if not ok then return { size = -1 } end
    ffi.cdef [[
      typedef struct { const uint8_t *next_in; unsigned avail_in; unsigned long total_in; uint8_t *next_out; unsigned avail_out;
        unsigned long total_out; const char *msg; void *state, *zalloc, *zfree, *opaque; int data_type; unsigned long adler, reserved;
      } zlib_stream;
      const char *zlibVersion(void);
      int deflateInit2_(zlib_stream *, int, int, int, int, int, const char *, int);
      int deflate(zlib_stream *, int);
      int deflateEnd(zlib_stream *);
      int uncompress(uint8_t *, unsigned long *, const uint8_t *, unsigned long);
    ]]
    local text, out, back = ("moonwire "):rep(1000), ffi.new("uint8_t[4096]"), ffi.new("uint8_t[10000]")
    local s = ffi.new("zlib_stream")
    assert(z.deflateInit2_(s, 6, 8, 15, 8, 0, z.zlibVersion(), ffi.sizeof(s)) == 0)
    s.next_in, s.avail_in, s.next_out, s.avail_out = text, #text, out, 4096
    assert(z.deflate(s, 4) == 1)
    local size = tonumber(s.total_out)
    assert(z.deflateEnd(s) == 0)
    local length = ffi.new("unsigned long[1]", 10000)
    assert(z.uncompress(back, length, out, size) == 0)
    return { size = size, same = ffi.string(back, length[0]) == text }`);
  if (size === -1) return t.pass("no libz here");
  t.true(size > 10 && size < 500);
  t.true(same);
});

test("a C++ library finds the streams, one in C the environment, that the executable holds", async (t) => {
  const cwd = makePrefix({
    "own.cpp": `#include <iostream>
      extern char **environ;
      extern "C" int say(int n) { std::cout << n << std::endl; return std::cout.good() && environ && environ[0]; }\n`,
  });
  t.teardown(() => removePrefix(cwd));
  const { status } = spawnSync("c++", ["-shared", "-fPIC", "-o", "libown.so", "own.cpp"], { cwd });
  if (status !== 0) return t.pass("no C++ compiler");
  const code = `local ffi = require "ffi" ffi.cdef "int say(int n);" print(ffi.load("${cwd}/libown.so").say(5))`;
  const { stdout, stderr } = await runMoonwire(["run", "-e", code], { cwd });
  t.is(stdout, "5\n1\n", stderr);
});
