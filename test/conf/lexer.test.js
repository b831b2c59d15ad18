// SPDX-License-Identifier: MIT
// The lexer's corners: quoting, escapes, comments, variables in braces, Lua blocks, bytes that are no UTF-8, positions.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { loadConfig } from "../../dist/conf/index.js";
import { Lexer } from "../../dist/conf/lexer.js";
import { Problems } from "../../dist/conf/tree.js";
import { load, location, planOf } from "./load.js";

function tokens(text) {
  const problems = new Problems();
  const lexer = new Lexer(text, "f", problems);
  const out = [];
  for (let t = lexer.next(); t.kind !== "end"; t = lexer.next()) out.push(t);
  return { out, problems: problems.list.map((p) => `${p.line}:${p.column} ${p.message}`) };
}

const words = [
  ["a b;c", ["a", "b", ";", "c"]],
  ["a{b}", ["a", "{", "b}"]],
  ["a { b }", ["a", "{", "b", "}"]],
  ["a;#b\nc # d;", ["a", ";", "c"]],
  ["a#b;", ["a#b", ";"]],
  ["'a b' \"c 'd'\";", ["a b", "c 'd'", ";"]],
  ["'a\\'b' \"a\\\"b\" 'a\\\"b';", ["a'b", 'a"b', 'a"b', ";"]],
  ["a\\ b\\;c a\\{b;", ["a\\ b\\;c", "a\\{b", ";"]],
  ["\\t \\n \\r \\\\ \\d \\$x;", ["\t", "\n", "\r", "\\", "\\d", "\\$x", ";"]],
  ["${a}b a${b}c a$b{c", ["${a}b", "a${b}c", "a$b", "{", "c"]],
  ["a\\${b", ["a\\$", "{", "b"]],
  ["''  \"\";", ["", "", ";"]],
  ["a\"b'c;", ["a\"b'c", ";"]],
  ["'a')", ["a", ")"]],
  ["'a'{", ["a", "{"]],
  ["'a\nb';", ["a\nb", ";"]],
  ["\ufeffa;", ["a", ";"]],
  ["a\r\nb;", ["a", "b", ";"]],
  ["a\\", ["a\\"]],
  ["$", ["$"]],
];

for (const [text, expected] of words)
  test(`words of ${JSON.stringify(text)}`, (t) => {
    const { out, problems } = tokens(text);
    t.deepEqual(
      out.map((token) => token.text),
      expected,
    );
    t.deepEqual(problems, []);
  });

test("tokens know their line and column", (t) => {
  const { out } = tokens("a 'b\nc' d;\n  # x\n\te");
  t.deepEqual(
    out.map(({ line, column, text }) => [line, column, text]),
    [
      [1, 1, "a"],
      [1, 3, "b\nc"],
      [2, 4, "d"],
      [2, 5, ";"],
      [4, 2, "e"],
    ],
  );
});

const blocks = [
  " local s = \"}\" .. '}' .. [[ } ]] .. [==[ ]] } ]==] -- }\n",
  ' --[[ } ]] local t = { { "\\"}" } } return function() end ',
  " --[==[ }\n ]] } ]==] x = a[b[1]] ",
  " x = t[ [[}]] ] ",
  " -- it's a comment with one quote }\n x() ",
  " s = 'a\\\\' t = '}' ",
  ' s = "a\\\n}" ',
  "",
  " -- [[ not long }\n ",
  " --[=x } \n ",
];

for (const source of blocks)
  test(`the Lua block ${JSON.stringify(source)}`, async (t) => {
    const plan = await planOf(t, location(`content_by_lua_block {${source}} root x;`));
    t.is(plan.scripts[0].source, source);
    t.is(plan.scripts[0].chunkname, "=content_by_lua(nginx.conf:2)");
    t.regex(plan.servers[0].locations[0].conf.root, /\/x$/);
  });

test("a Lua string form is unescaped as nginx does", async (t) => {
  const plan = await planOf(t, location(`content_by_lua 'ngx.say("a\\\\n", "\\'")';`));
  t.is(plan.scripts[0].source, `ngx.say("a\\n", "'")`);
});

test("bytes that are no UTF-8 reach the plan as they are", async (t) => {
  const { prefix } = await load(t, "");
  const conf = Buffer.from(location(`return 200 "a\u00ff-\u00e9";`), "latin1");
  writeFileSync(join(prefix, "nginx.conf"), conf);
  const { plan, problems } = await loadConfig(join(prefix, "nginx.conf"));
  t.deepEqual(problems, []);
  t.true(plan.includes(Buffer.from("a\u00ff-\u00e9", "latin1")));
});
