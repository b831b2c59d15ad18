// SPDX-License-Identifier: MIT
// nginx's C functions, as libraries declare them and call them through ffi.C. What is expected was seen with nginx 1.22.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

async function run(t, code) {
  const s = await startMoonwire(t, {
    server: `location /t { content_by_lua_block { local ffi = require "ffi" ${code} } }`,
  });
  return (await s.get("/t")).body.trimEnd().split("\n");
}

test("hexadecimal and decimal numbers", async (t) => {
  const lines = await run(
    t,
    `ffi.cdef [[
      typedef unsigned char u_char;
      typedef intptr_t ngx_int_t;
      u_char *ngx_hex_dump(u_char *dst, const u_char *src, size_t len);
      ngx_int_t ngx_hextoi(u_char *line, size_t n);
      intptr_t ngx_atoi(const unsigned char *line, size_t n);
    ]]
    local buf = ffi.new("uint8_t[?]", 10)
    ngx.say(ffi.C.ngx_hex_dump(buf, "\\0\\1\\127\\171\\255", 5) - buf, " ", ffi.string(buf, 10))
    local u_char = ffi.typeof "u_char *"
    local function hex(s) return tostring(ffi.C.ngx_hextoi(ffi.cast(u_char, s), #s)) end
    local function dec(s) return tostring(ffi.C.ngx_atoi(s, #s)) end
    ngx.say(hex "fF", " ", hex "", " ", hex "g", " ", hex "-1", " ", hex "7fffffffffffffff", " ", hex "8000000000000000")
    ngx.say(dec "128", " ", dec "", " ", dec "1a", " ", dec "-1", " ", dec "9223372036854775807", " ", dec "9223372036854775808")`,
  );
  t.deepEqual(lines, [
    "10 00017fabff",
    "255LL -1LL -1LL -1LL 9223372036854775807LL -1LL",
    "128LL -1LL -1LL -1LL 9223372036854775807LL -1LL",
  ]);
});

test("MurmurHash2", async (t) => {
  const lines = await run(
    t,
    `ffi.cdef "typedef unsigned char u_char; uint32_t ngx_murmur_hash2(u_char *data, size_t len);"
    for _, s in ipairs { "", "a", "hello, world" } do
      ngx.say(tonumber(ffi.C.ngx_murmur_hash2(ffi.cast("uint8_t *", s), #s)))
    end`,
  );
  t.deepEqual(lines, ["0", "2456313694", "1263312256"]);
});

test("escaping: by type, and counted", async (t) => {
  const lines = await run(
    t,
    `ffi.cdef "uintptr_t ngx_escape_uri(unsigned char *dst, unsigned char *src, size_t size, uintptr_t type);"
    local s = "/a b\\"'%?#&;+~|}!"
    for kind = 0, 6 do
      local src = ffi.new("unsigned char[?]", #s + 1, s)
      local n = tonumber(ffi.C.ngx_escape_uri(nil, src, #s, kind))
      local dst = ffi.new("unsigned char[?]", #s + 2 * n)
      local stop = ffi.C.ngx_escape_uri(dst, src, #s, kind)
      ngx.say(n, " ", stop == ffi.cast("uintptr_t", dst + #s + 2 * n), " ", ffi.string(dst, #s + 2 * n))
    end`,
  );
  t.deepEqual(lines, [
    "7 true /a%20b%22'%25%3F%23&;+~%7C%7D!",
    "10 true /a%20b%22'%25%3F%23%26%3B%2B~%7C%7D!",
    "13 true %2Fa%20b%22%27%25%3F%23%26%3B%2B~%7C%7D%21",
    "7 true /a%20b%22%27%25?%23&;+~%7C%7D!",
    "5 true /a%20b%22%27%?#&;+%7E%7C}!",
    "2 true /a%20b\"'%25?#&;+~|}!",
    "2 true /a%20b\"'%25?#&;+~|}!",
  ]);
});

test("unescaping: in place, by type, bad escapes", async (t) => {
  const lines = await run(
    t,
    `ffi.cdef "void ngx_unescape_uri(unsigned char **dst, unsigned char **src, size_t size, uintptr_t type);"
    local function unescape(s, kind)
      local buf = ffi.new("unsigned char[?]", #s + 1, s)
      local dst, src = ffi.new("unsigned char *[1]", buf), ffi.new("unsigned char *[1]", buf)
      ffi.C.ngx_unescape_uri(dst, src, #s, kind)
      return kind .. " " .. tonumber(src[0] - buf) .. " " .. ffi.string(buf, dst[0] - buf)
    end
    for kind = 0, 2 do ngx.say(unescape("a%20b+%41%2f%25%7f?c%20", kind)) ngx.say(unescape("x%3fy%20", kind)) end
    for _, s in ipairs { "%", "a%4", "%4gb", "%g4b", "%%41", "%c3%A4" } do ngx.say(unescape(s, 0)) end`,
  );
  t.deepEqual(lines, [
    "0 23 a b+A/%\x7f?c ",
    "0 8 x?y ",
    "1 19 a b+A/%\x7f?",
    "1 4 x?",
    "2 19 a%20b+A/%25%7f?",
    "2 4 x?",
    "0 1 ",
    "0 3 a",
    "0 4 b",
    "0 4 g4b",
    "0 4 %41",
    "0 6 ä",
  ]);
});
