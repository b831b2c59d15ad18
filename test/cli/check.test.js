// SPDX-License-Identifier: MIT
// `moonwire check`: every mistake in one run, one line each, with its place.
import test from "ava";
import { makePrefix, removePrefix, runMoonwire } from "../helpers/index.js";

function check(t, files, ...args) {
  const cwd = makePrefix(files);
  t.teardown(() => removePrefix(cwd));
  return runMoonwire(["check", ...args], { cwd });
}

test("a configuration without mistakes", async (t) => {
  const r = await check(t, { "nginx.conf": "events { } http { server { listen 127.0.0.1:0; } }" });
  t.is(r.stderr, "");
  t.is(r.stdout, "moonwire: configuration file nginx.conf is ok\n");
  t.is(r.code, 0);
});

test("every mistake of an nginx.conf is listed with file:line:column", async (t) => {
  const conf = `events { }
http {
  bogus on;
  server {
    listen 127.0.0.1:99999;
    location / { keepalive_timeout fast; }
  }
}
`;
  const r = await check(t, { "my.conf": conf }, "my.conf");
  const lines = r.stderr.trimEnd().split("\n");
  t.is(lines.length, 3, r.stderr);
  t.regex(lines[0], /^my\.conf:3:3: unknown directive "bogus"/);
  t.regex(lines[1], /^my\.conf:5:\d+: .*99999/);
  t.regex(lines[2], /^my\.conf:6:\d+: .*keepalive_timeout/);
  t.is(r.code, 1);
});

test("the syntax of Lua blocks and files is checked; each error has its line in the configuration or the file", async (t) => {
  const conf = `events { }
http { server { listen 127.0.0.1:0;
  location /a { content_by_lua_block {
    ngx.say("fine")
    local x = = 1
  } }
  location /b { content_by_lua_file bad.lua; }
  location /c { content_by_lua_file nope.lua; }
  location /d { content_by_lua_block { return "fine" } } } }
`;
  const r = await check(t, { "my.conf": conf, "bad.lua": "local y = 1\ny = }\n" }, "my.conf");
  t.deepEqual(
    r.stderr
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/"?\/[^ ]*\/(\w+\.lua)/g, "$1")),
    [
      "my.conf:5:1: content_by_lua(my.conf:3):3: unexpected symbol near '='",
      'my.conf:8:37: warning: open() nope.lua" failed (2: No such file or directory)',
      "bad.lua:2:1: bad.lua:2: unexpected symbol near '}'",
    ],
  );
  t.is(r.code, 1);
});

test("a configuration module that does not parse is named with its line, without a stack trace", async (t) => {
  const r = await check(t, { "moonwire.config.mjs": "export default {\n  http: {{\n};\n" });
  t.is(r.code, 1);
  t.regex(r.stderr, /^moonwire\.config\.mjs:2/);
  t.notRegex(r.stderr, /\n\s+at /);
});

test("a TypeScript configuration is read without a build", async (t) => {
  const config = `import { defineConfig, lua } from "moonwire";
const text: string = "hi";
export default defineConfig({ http: { server: [{ listen: ["127.0.0.1:0"], location: { "/": { contentByLua: lua\`ngx.say("hi")\` } } }] } });
void text;
`;
  const r = await check(t, { "moonwire.config.ts": config });
  t.is(r.stderr, "");
  t.is(r.code, 0);
});
