// SPDX-License-Identifier: MIT
// Every mistake has its place and nginx's wording, and none hides another.
import test from "ava";
import { loadConfig } from "../../dist/conf/index.js";
import { mistakes } from "./mistakes.js";
import { load, location, problemsOf } from "./load.js";

for (const [conf, expected] of mistakes)
  test(conf.replaceAll("\n", " "), async (t) => {
    const found = await problemsOf(t, conf);
    t.is(found.length, 1, found.join("\n"));
    if (expected instanceof RegExp) t.regex(found[0], expected);
    else t.is(found[0], expected);
  });

test("ten mistakes of all kinds are ten messages, in the order of the file", async (t) => {
  const conf = `worker_processes none;
events { worker_connections x; }
http {
  bogus on;
  sendfile "on"x;
  server {
    listen 80 ssl;
    location / { return 200 $nope }
    location / { root a; root b; }
    location ^ /x { }
  }
  types { a b; c { } }
}
;
`;
  t.deepEqual(await problemsOf(t, conf), [
    '1:1 "worker_processes" directive invalid value',
    '2:29 invalid number "x"',
    '4:3 unknown directive "bogus"',
    '5:16 unexpected "x"',
    '7:15 the "ssl" parameter requires ngx_http_ssl_module',
    '8:35 unexpected "}"',
    '9:5 duplicate location "/"',
    '9:26 "root" directive is duplicate',
    '10:5 invalid location modifier "^"',
    '12:16 unexpected "{"',
    '14:1 unexpected ";"',
  ]);
});

test("a listen with a mistake is not taken for the default port", async (t) => {
  const conf = "events { } http { server { listen x:y; } server { } }";
  t.deepEqual(await problemsOf(t, conf), ['1:35 host not found in "x:y" of the "listen" directive']);
});

test("mistakes in an included file name that file", async (t) => {
  const { problems } = await load(t, "events { }\ninclude a.conf;\nbogus;", { "a.conf": "\n  foo;\n" });
  t.deepEqual(
    problems.map((p) => `${p.file.split("/").at(-1)}:${p.line}:${p.column} ${p.message}`),
    ['nginx.conf:3:1 unknown directive "bogus"', 'a.conf:2:3 unknown directive "foo"'],
  );
});

test("mistakes of an object say where in it", async (t) => {
  const { problems } = await loadConfig({
    http: {
      server: [
        { location: { "/": { rooot: "x", sendfile: "maybe", contentByLua: 1, root: ["a", "b"] } } },
        { listen: {}, location: ["x"], serverName: "a" },
        7,
      ],
      content_by_lua: "x",
    },
    htpp: {},
  });
  t.deepEqual(problems.map((p) => p.message).sort(), [
    'htpp: unknown directive "htpp"',
    'http.content_by_lua: unknown directive "content_by_lua"',
    'http.server[0].location["/"].contentByLua: expected lua`...`, luaFile(...) or a string, not a value of type number',
    'http.server[0].location["/"].rooot: unknown directive "rooot"',
    'http.server[0].location["/"].root: invalid value: an array',
    'http.server[0].location["/"].sendfile: invalid value "maybe" in "sendfile" directive, it must be "on" or "off"',
    "http.server[1].listen: invalid value: a value of type object",
    "http.server[1].location: expected an object, not an array",
    'http.server[2]: conflicting server name "" on 0.0.0.0:80, ignored',
    "http.server[2]: expected an object of directives, not a value of type number",
  ]);
});

test("what is no file of a configuration is one problem", async (t) => {
  const { plan, problems } = await loadConfig("/nonexistent/nginx.conf");
  t.is(plan, null);
  t.is(problems.length, 1);
  t.regex(problems[0].message, /^open\(\) "\/nonexistent\/nginx\.conf" failed \(2: No such file or directory\)$/);
});

test("checkLua sees every chunk; its line is found in the configuration", async (t) => {
  const seen = [];
  const checkLua = (source, chunkname) => {
    seen.push([source, chunkname.replace(/.*\//, "@")]);
    return source.includes("bad") ? `${chunkname.slice(1)}:2: '=' expected near 'bad'` : null;
  };
  const conf = location("content_by_lua_block { good()\n bad bad }\nlog_by_lua_file l.lua;");
  const { problems } = await load(t, conf, { "l.lua": "#!/usr/bin/lua\nx()" }, { checkLua });
  t.deepEqual(
    problems.map((p) => `${p.line} ${p.message}`),
    ["3 content_by_lua(nginx.conf:2):2: '=' expected near 'bad'"],
  );
  t.deepEqual(seen, [
    [" good()\n bad bad ", "=content_by_lua(nginx.conf:2)"],
    ["\nx()", "@l.lua"],
  ]);
});
