// SPDX-License-Identifier: MIT
// The set_misc module's directives, in one order with `set`, and ndk.set_var.
import { createHash, createHmac } from "node:crypto";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

const hash = (name, text) => createHash(name).update(text).digest("hex");

// Directive, text as nginx.conf writes it, value.
const cases = [
  ["set_quote_sql_str", `"a'b\\\\\\n"`, `'a\\'b\\\\\\n'`],
  ["set_quote_sql_str", `""`, "''"],
  ["set_quote_json_str", `"a\\"b\\t\\\\\\r/é"`, `"a\\"b\\t\\\\\\r/é"`],
  ["set_quote_json_str", `""`, "null"],
  ["set_unescape_uri", "a%20b%zz+c", "a b%zz c"],
  ["set_escape_uri", `" :/a"`, "%20%3A%2Fa"],
  ["set_encode_base32", "abcde", "c5h66p35"],
  ["set_encode_base32", "a", "c4======"],
  ["set_decode_base32", "c4======", "a"],
  ["set_decode_base32", "C5H66P35", "abcde"],
  ["set_decode_base32", "c5h!", ""],
  ["set_encode_base64", `"a>>?"`, "YT4+Pw=="],
  ["set_decode_base64", "YT4+Pw==", "a>>?"],
  ["set_decode_base64", "*", ""],
  ["set_encode_base64url", `"a>>?"`, "YT4-Pw"],
  ["set_decode_base64url", "YT4-Pw", "a>>?"],
  ["set_encode_hex", "aé", "61c3a9"],
  ["set_decode_hex", "61C3a9", "aé"],
  ["set_decode_hex", "61c", ""],
  ["set_decode_hex", "6x", ""],
  ["set_md5", "abc", hash("md5", "abc")],
  ["set_md5", `""`, hash("md5", "")],
  ["set_sha1", "abc", hash("sha1", "abc")],
];

test("functions of one text", async (t) => {
  const locations = cases.map(([name, text], i) => `location = /${i} { ${name} $v ${text}; return 200 $v; }`);
  const own = cases.map(([name, text], i) => `location = /own${i} { set $v ${text}; ${name} $v; return 200 $v; }`);
  const s = await startMoonwire(t, { server: [...locations, ...own].join("\n") });
  for (const [i, [name, text, value]] of cases.entries()) {
    t.is((await s.get(`/${i}`)).body, value, `${name} ${text}`);
    t.is((await s.get(`/own${i}`)).body, value, `${name} of its own variable: ${text}`);
  }
});

test("in the order of the file, with variables, in an if", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / {
      set $a $arg_x; set_unescape_uri $a; set_encode_hex $b $a; set $a later;
      if ($arg_y) { set_md5 $b $arg_y; }
      set_if_empty $c none; set_if_empty $b none;
      return 200 "$a $b $c";
    }`,
  });
  t.is((await s.get("/?x=%41b")).body, "later 4162 none");
  t.is((await s.get("/")).body, "later none none");
  t.is((await s.get("/?y=abc")).body, `later ${hash("md5", "abc")} none`);
});

test("set_hashed_upstream: by the key, of all of the list", async (t) => {
  const s = await startMoonwire(t, {
    http: "upstream_list three one two 3;",
    server: 'location / { set_hashed_upstream $u three $arg_k; return 200 "[$u]"; }',
  });
  const of = async (key) => (await s.get(`/?k=${key}`)).body;
  t.is(await of(""), "[]");
  t.is(await of("a"), "[two]"); // 97 % 3
  t.is(await of("A"), "[two]");
  t.is(await of("b"), "[3]");
  t.is(await of("ab"), "[one]"); // 97 * 31 + 98
});

test("numbers, times and HMAC", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /random { set_random $r 7 5; return 200 $r; }
      location = /one { set_random $r 3 3; return 200 $r; }
      location = /today { set_local_today $d; set_formatted_local_time $e %Y-%m-%d; return 200 "$d $e"; }
      location = /gmt { set_formatted_gmt_time $d "%Y %H"; return 200 $d; }
      location = /hmac { set_hmac_sha1 $h key $arg_x; set_encode_hex $h; return 200 $h; }`,
  });
  const seen = new Set();
  for (let i = 0; i < 100; i++) seen.add((await s.get("/random")).body);
  t.deepEqual([...seen].sort(), ["5", "6", "7"]);
  t.is((await s.get("/one")).body, "3");
  t.regex((await s.get("/today")).body, /^(\d{4}-\d\d-\d\d) \1$/);
  t.regex((await s.get("/gmt")).body, new RegExp(`^${new Date().getUTCFullYear()} \\d\\d$`));
  t.is((await s.get("/hmac?x=text")).body, createHmac("sha1", "key").update("text").digest("hex"));
});

test("ndk.set_var", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /ok { content_by_lua_block {
        local set_var = require("ndk").set_var
        ngx.say(set_var.set_unescape_uri("a%20b"), set_var.set_escape_uri(1.5), set_var.set_quote_json_str(nil),
                #ndk.set_var.set_encode_hex(("x"):rep(1e6)))
      } }
      location = /unknown { content_by_lua_block { ndk.set_var.content_by_lua(" ") } }
      location = /two { content_by_lua_block { ndk.set_var.set_md5("a", "b") } }
      location = /random { content_by_lua_block { ndk.set_var.set_random("1") } }`,
  });
  t.is((await s.get("/ok")).body, "a b1.5null2000000\n");
  for (const path of ["/unknown", "/two", "/random"]) t.is((await s.get(path)).status, 500, path);
  t.regex(s.log(), /ndk\.set_var: directive "content_by_lua" not found or does not use ndk_set_var_value/);
  t.regex(s.log(), /expecting one argument/);
});
