// SPDX-License-Identifier: MIT
// `moonwire check`: every mistake in one run, one line each, with its place.
import test from "ava";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { serve, StartError } from "moonwire";
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

test("a module that starts a timer does not keep check from ending", async (t) => {
  const r = await check(t, { "moonwire.config.mjs": "setInterval(() => {}, 1000); export default { events: {} };" });
  t.is(r.stdout, "moonwire: configuration file moonwire.config.mjs is ok\n");
  t.is(r.code, 0);
});

for (const name of ["moonwire.config.mjs", "moonwire.config.ts"])
  test(`a top-level await that never settles is named: ${name}`, async (t) => {
    const cwd = makePrefix({
      [name]: "await new Promise(() => {}); export default {};",
      "test/a_spec.lua": 'it("is never run", function() end)',
    });
    t.teardown(() => removePrefix(cwd));
    for (const command of ["check", "serve", "test"]) {
      const r = await runMoonwire([command], { cwd });
      t.is(r.stderr, `${name}: a top-level await never settles\n`);
      t.is(r.code, 1);
    }
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

const onlyAtStart = `error_log /nonexistent/dir/x.log;
events { }
http {
  bogus on;
  map $uri $m { "~(" 1; }
  upstream u { server 127.0.0.1:1; server nosuch1.invalid:80; }
  access_log /nonexistent/a.log;
  server {
    listen 127.0.0.1:0;
    listen 127.0.0.2:0;
    server_name a.test "~((b)";
    valid_referers none ~(;
    rewrite "(" /x;
    location ~ "^/(" { }
    location /a {
      if ($uri ~ "[") { return 403; }
      proxy_pass http://nosuch2.invalid;
      proxy_redirect ~( /;
      proxy_cookie_path ~*+ /;
      proxy_cookie_flags ~( secure;
    }
    location /b { proxy_pass http://u; access_log off; error_log /nonexistent/b.log; }
    location /c { access_log /nonexistent/a.log; }
  }
}
`;
const open = (path) => `open() "/nonexistent/${path}" failed (2: No such file or directory)`;
const noParenthesis = (text) => `pcre2_compile() failed: missing closing parenthesis in "${text}"`;
const foundAtStart = [
  ["1:11", open("dir/x.log")],
  ["5:17", noParenthesis("(")],
  ["6:43", 'host not found in upstream "nosuch1.invalid:80"'],
  ["7:14", open("a.log")],
  ["11:24", noParenthesis("((b)")],
  ["12:25", noParenthesis("(")],
  ["13:13", noParenthesis("(")],
  ["14:16", noParenthesis("^/(")],
  ["16:18", 'pcre2_compile() failed: missing terminating ] for character class in "["'],
  ["17:18", 'host not found in upstream "nosuch2.invalid"'],
  ["18:22", noParenthesis("(")],
  ["19:25", 'pcre2_compile() failed: quantifier does not follow a repeatable item in "+" at "+"'],
  ["20:26", noParenthesis("(")],
  ["22:66", open("b.log")],
  ["23:30", open("a.log")],
];

test("on a TypeScript module's first line no column is the loader's", async (t) => {
  const missing = await check(
    t,
    { "a.config.ts": `import { foo } from "./none.js";\nexport default { http: { foo } };` },
    "a.config.ts",
  );
  t.regex(missing.stderr, /^a\.config\.ts:1:21: Error: Cannot find module '\.\/none\.js'\n/);
  const thrown = await check(t, { "a.config.ts": `throw new Error("boom");` }, "a.config.ts");
  t.is(thrown.stderr, "a.config.ts:1: Error: boom\n");
});

test("what otherwise only a start would find is listed too, among the rest", async (t) => {
  const r = await check(t, { "my.conf": onlyAtStart }, "my.conf");
  const expected = foundAtStart.map(([at, message]) => `my.conf:${at}: ${message}`);
  expected.splice(1, 0, 'my.conf:4:3: unknown directive "bogus"');
  t.deepEqual(r.stderr.trimEnd().split("\n"), expected);
  t.is(r.code, 1);
});

test("a start finds the same, says all of it in nginx's words, and serves nothing", async (t) => {
  const prefix = makePrefix({ "nginx.conf": onlyAtStart.replace("bogus on;", "access_log new.log;") });
  t.teardown(() => removePrefix(prefix));
  const file = join(prefix, "nginx.conf");
  const error = await t.throwsAsync(serve(file), { instanceOf: StartError, code: "SERVER_START" });
  const found = error.problems.map((p) => [`${p.line}:${p.column}`, p.message]);
  t.deepEqual(found, foundAtStart);
  t.true(error.message.includes('host not found in upstream "nosuch1.invalid:80" in '), error.message);
  t.regex(
    error.message,
    /^open\(\) "\/nonexistent\/a\.log" failed \(2: No such file or directory\) in \S*nginx\.conf:7$/m,
  );
  t.false(existsSync(join(prefix, "new.log")), "no log is created where the rest is wrong");
  const cli = await runMoonwire(["serve", "nginx.conf"], { cwd: prefix });
  t.is(cli.code, 1);
  for (const [at, message] of foundAtStart)
    t.true(cli.stderr.includes(`${message} in nginx.conf:${at.split(":")[0]}\n`), `${message} of ${cli.stderr}`);
});

test("a reload that would not start changes nothing", async (t) => {
  const conf = (inside) => `events { } http { server { listen 127.0.0.1:0; location / { ${inside} } } }`;
  const prefix = makePrefix({ "one.conf": conf("return 200 one;"), "two.conf": conf('rewrite "(" /; rewrite ")" /;') });
  t.teardown(() => removePrefix(prefix));
  const server = await serve(join(prefix, "one.conf"));
  t.teardown(() => server.close());
  const error = await t.throwsAsync(server.reload(join(prefix, "two.conf")), { instanceOf: StartError });
  t.is(error.problems.length, 2);
  t.is(await (await fetch(`http://${server.addresses[0]}/`)).text(), "one");
});

test("check creates no log files", async (t) => {
  const cwd = makePrefix({ "nginx.conf": "error_log e.log; events { } http { access_log a.log; }" });
  t.teardown(() => removePrefix(cwd));
  const r = await runMoonwire(["check"], { cwd });
  t.is(r.code, 0, r.stderr);
  for (const name of ["a.log", "e.log"]) t.false(existsSync(join(cwd, name)));
});

test("in a configuration object the place is its path", async (t) => {
  const server = { listen: "127.0.0.1:0", location: { "~ (": {} } };
  const { problems } = await t.throwsAsync(serve({ http: { server: [server] } }), { instanceOf: StartError });
  t.deepEqual(
    problems.map((p) => p.message),
    [`http.server[0].location["~ ("]: ${noParenthesis("(")}`],
  );
});
