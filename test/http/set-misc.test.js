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
  ["set_quote_pgsql_str", `""`, "''"],
  ["set_quote_pgsql_str", `"a\\n\\r\\t'\\"\\\\ äö"`, `E'a\\n\\r\\t\\'\\"\\\\ äö'`],
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
  ["set_encode_base64url", `"a>>?"`, "YT4-Pw"],
  ["set_decode_base64url", "YT4-Pw", "a>>?"],
  ["set_encode_hex", "aé", "61c3a9"],
  ["set_decode_hex", "61C3a9", "aé"],
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

test("base32 in another alphabet, without padding, by block and if; dollars in SQL", async (t) => {
  const s = await startMoonwire(t, {
    http: "set_base32_padding off;",
    server: `
      set_base32_alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZ234567;
      location /dollar { set_quote_sql_str $a $arg_x; set_quote_pgsql_str $b $arg_x; return 200 "$a $b"; }
      location / { set_encode_base32 $a $arg_x; set_decode_base32 $b $a; set_decode_base32 $c mfra; return 200 "$a $b $c"; }
      location /old { set_misc_base32_padding on; set_encode_base32 $a $arg_x; return 200 $a; }
      location /if { if ($arg_p) { set_base32_padding on; set_encode_base32 $a x; } set_encode_base32 $b x; return 200 "$a$b"; }
      location /lua { set_base32_padding on; content_by_lua_block {
        ngx.print(ndk.set_var.set_encode_base32("ab"), ndk.set_var.set_decode_base32("MFRA")) } }`,
  });
  t.is((await s.get("/?x=ab")).body, "MFRA ab ab");
  t.is((await s.get("/old?x=ab")).body, "MFRA====");
  t.is((await s.get("/dollar?x=a$b")).body, "'a\\$b' E'a\\$b'");
  t.is((await s.get("/if?p=1")).body, "PA======PA======");
  t.is((await s.get("/lua")).body, "MFRA====ab");
});

test("what a directive does not take is answered with 500 and logged", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location /base64 { set_decode_base64 $a *; return 200 "[$a]"; } location /hex { set_decode_hex $a 6x; return 200 "[$a]"; }
      location /random { set_random $a $arg_f $arg_t; return 200 $a; }
      location /letters { set_secure_random_alphanum $a $arg_n; return 200 $a; }
      location /rotate { set_rotate $a $arg_f $arg_t; return 200 $a; }
      location /list { set_hashed_upstream $u $arg_l key; return 200 "[$u]"; }
      location /lua { content_by_lua_block { ngx.say(ndk.set_var.set_decode_hex("x")) } }`,
  });
  const lines = {
    "/base64": "set_decode_base64: invalid value",
    "/hex": "set_decode_hex: invalid value",
    "/random?f=-1&t=2": 'set_random: bad "from" argument: -1',
    "/random?f=1": 'set_random: bad "to" argument: ',
    "/letters?n=0": 'set_random: bad "length" argument: 0',
    "/letters?n=65": 'set_random: bad "length" argument: 65',
    "/rotate?f=x&t=2": 'set_rotate: bad "from" argument value: "x"',
    "/rotate?f=2&t=-2": 'set_rotate: bad "to" argument value: "-2"',
    "/list?l=none": 'set_hashed_upstream: upstream list "none" not defined yet',
    "/lua": "set_decode_hex: invalid value",
  };
  for (const [path, line] of Object.entries(lines)) {
    t.is((await s.get(path)).status, 500, path);
    t.true(s.log().includes(line), line);
  }
});

test("set_rotate: from its variable, else from the location's last", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location /own { set $n $arg_n; set_rotate $n 3 1; return 200 $n; }
      location /one { set_rotate $n 0 2; return 200 $n; }
      location /other { set_rotate $n 5 6; return 200 $n; }`,
  });
  for (const [given, next] of Object.entries({ 1: "2", 2: "3", 3: "1", 0: "1", 9: "1" }))
    t.is((await s.get(`/own?n=${given}`)).body, next, given);
  const seen = [];
  for (let i = 0; i < 4; i++) seen.push((await s.get("/one")).body, (await s.get("/other")).body);
  t.deepEqual(seen, ["0", "5", "1", "6", "2", "5", "0", "6"]);
  t.is((await s.get("/own?n=x")).body, "2", "after the location's 1");
  t.regex(s.log(), /set_rotate: bad current value: "x"/);
});

test("a variable of a family is what it was until it is set", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location /empty { set_if_empty $arg_a 15; return 200 $arg_a; }
      location /set { if ($arg_b) { set $http_x mine; } return 200 "$http_x $arg_a"; }`,
  });
  t.is((await s.get("/empty?a=71")).body, "71");
  t.is((await s.get("/empty")).body, "15");
  t.is((await s.get("/set?a=1", { headers: { X: "theirs" } })).body, "theirs 1");
  t.is((await s.get("/set?a=1&b=1", { headers: { X: "theirs" } })).body, "mine 1");
  t.notRegex(s.log(), /uninitialized/);
});

test("set_hashed_upstream: by the key, of all of the list", async (t) => {
  const s = await startMoonwire(t, {
    http: "upstream_list three one two 3;",
    server: `upstream_list pair x y; location / { set_hashed_upstream $u three $arg_k; return 200 "[$u]"; }
      location /by { set $l $arg_l; set_hashed_upstream $u $l $arg_k; return 200 "[$u]"; }`,
  });
  const of = async (key) => (await s.get(`/?k=${key}`)).body;
  t.is(await of(""), "[one]");
  t.is(await of("a"), "[two]"); // 97 % 3
  t.is(await of("A"), "[two]");
  t.is(await of("b"), "[3]");
  t.is(await of("ab"), "[one]"); // 97 * 31 + 98
  t.is(await of("hello%20world"), "[3]"); // in 32 bits
  t.is((await s.get("/by?l=pair&k=b")).body, "[x]");
});

test("numbers, times and HMAC", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /random { set_random $r 7 5; return 200 $r; }
      location = /one { set_random $r 3 3; return 200 $r; }
      location = /today { set_local_today $d; set_formatted_local_time $e %Y-%m-%d; return 200 "$d $e"; }
      location = /gmt { set_formatted_gmt_time $d "%Y %H"; return 200 $d; }
      location = /hmac { set_hmac_sha1 $h key $arg_x; set_encode_hex $h; return 200 $h; }
      location = /hmac256 { set_hmac_sha256 $h $arg_k $arg_x; set_encode_hex $h; return 200 $h; }
      location = /letters { set_secure_random_alphanum $a 64; set_secure_random_lcalpha $b 1; return 200 "$a $b"; }`,
  });
  const seen = new Set();
  for (let i = 0; i < 100; i++) seen.add((await s.get("/random")).body);
  t.deepEqual([...seen].sort(), ["5", "6", "7"]);
  t.is((await s.get("/one")).body, "3");
  t.regex((await s.get("/today")).body, /^(\d{4}-\d\d-\d\d) \1$/);
  t.regex((await s.get("/gmt")).body, new RegExp(`^${new Date().getUTCFullYear()} \\d\\d$`));
  t.regex((await s.get("/letters")).body, /^[a-zA-Z0-9]{64} [a-z]$/);
  t.not((await s.get("/letters")).body, (await s.get("/letters")).body);
  for (const key of ["", "key", "k".repeat(64), "k".repeat(65)])
    t.is((await s.get(`/hmac256?k=${key}&x=text`)).body, createHmac("sha256", key).update("text").digest("hex"));
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
