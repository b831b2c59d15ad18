// SPDX-License-Identifier: MIT
// node test/fuzz/conf-lexer.fuzz.mjs [SECONDS [SEED]]: mutated nginx.confs through lexer, parser and compiler. Nothing may
// throw or hang, every position lies inside the text, a mistake is never without a plan missing. One seed, one run.
import { Compiler } from "../../dist/conf/compile.js";
import { Lexer } from "../../dist/conf/lexer.js";
import { parseText } from "../../dist/conf/parser.js";
import { Problems } from "../../dist/conf/tree.js";
import { decodeValue, encodeValue } from "../../dist/conf/value.js";
import { Random } from "./random.mjs";

const seconds = Number(process.argv[2] ?? 10);
const seed = Number(process.argv[3] ?? process.env.MOONWIRE_FUZZ_SEED ?? 20240607);

const random = new Random(seed);
const below = (n) => random.below(n);
const pick = (list) => random.pick(list);

const seeds = [
  `worker_processes 2; error_log stderr info; events { worker_connections 9; }
http { lua_shared_dict d 1m; log_format f escape=json '$uri' "$status"; keepalive_timeout 5s 1m;
  server { listen 127.0.0.1:80 default_server; server_name .a.com www.b.* ~^c(\\d+)$;
    location = /x { content_by_lua_block { ngx.say("}", '}', [==[ } ]==]) -- }
 } add_header A "b c" always; }
    location ~* "\\.php$" { set $v "a\${uri}b"; return 200 "n $1\\n"; error_page 404 =200 @n; }
    location @n { try_files $uri $uri/ =404; } } }`,
  `events{}http{types{text/html html htm;}server{location /a{alias /b/;location /a/b{internal;}}}}`,
  `events { } http { init_by_lua 'x = "\\'"'; rewrite_by_lua "a\\nb"; access_log off; # comment }
 server { location / { root "a b"; } } }`,
];
const parts = [
  ..."{};#'\"\\$ \t\r\n[]=-()\0\u00e9\ud800\udc80",
  "${",
  "${a}",
  "$1",
  "[[",
  "]]",
  "[==[",
  "]==]",
  "--",
  "--[[",
  "\\\\",
  "content_by_lua_block {",
  "location / {",
  "server {",
  "include x*;",
  "include /dev/null;",
  "listen [::]:80;",
  "99999999999999999999",
  "1h30m",
  "on",
  "a".repeat(5000),
  "{".repeat(80),
];

function mutated() {
  let text = pick(seeds);
  for (let n = below(8) + 1; n > 0; n--) {
    const at = below(text.length + 1);
    const end = Math.min(text.length, at + below(pick([1, 4, 40])));
    const other = pick(seeds);
    const from = below(other.length);
    text = text.slice(0, at) + pick(["", pick(parts), other.slice(from, from + below(60))]) + text.slice(end);
  }
  return text;
}

function isInside(text, { line, column }, lines) {
  return line >= 1 && line <= lines.length && column >= 1 && column <= lines[line - 1].length + 2;
}

function check(text) {
  const lines = text.split("\n");
  const lexed = new Problems();
  const lexer = new Lexer(text, "f", lexed);
  for (let i = 0, t = lexer.next(); t.kind !== "end"; t = lexer.next()) {
    if (!isInside(text, t, lines)) throw new Error(`token at ${t.line}:${t.column}`);
    if (i++ > text.length) throw new Error("more tokens than characters");
  }
  const problems = new Problems();
  const tree = parseText(text, "f", problems);
  const compiler = new Compiler(problems, {
    confFile: "f",
    prefix: "/nonexistent/",
    defaults: "moonwire",
    hasCheck: false,
  });
  compiler.main(tree, {});
  for (const p of problems.list) {
    if (p.file === "f" && !isInside(text, p, lines)) throw new Error(`problem at ${p.line}:${p.column}: ${p.message}`);
    if (typeof p.message !== "string" || p.message === "") throw new Error("a problem without words");
  }
  if (!problems.isFatal) decodeValue(encodeValue(compiler.plan, { raw: true }));
}

const end = Date.now() + seconds * 1000;
let runs = 0;
let slowest = 0;
while (Date.now() < end) {
  const text = mutated();
  const began = performance.now();
  try {
    check(text);
  } catch (e) {
    console.error(`conf-lexer: seed ${seed}, run ${runs}: ${e.stack}\n${JSON.stringify(text)}`);
    process.exit(1);
  }
  slowest = Math.max(slowest, performance.now() - began);
  runs++;
  if (slowest > 2000) {
    console.error(`conf-lexer: seed ${seed}, run ${runs}: ${Math.round(slowest)} ms for\n${JSON.stringify(text)}`);
    process.exit(1);
  }
}
console.log(`conf-lexer: seed ${seed}, ${runs} configurations, slowest ${slowest.toFixed(1)} ms`);
