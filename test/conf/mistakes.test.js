// SPDX-License-Identifier: MIT
// Every mistake has its line and nginx's wording, and none hides another.
import { join } from "node:path";
import test from "ava";
import { loadConfig } from "../../dist/conf/index.js";
import { makePrefix, removePrefix } from "../helpers/files.js";

async function problemsOf(t, conf) {
  const prefix = makePrefix({ "nginx.conf": conf });
  t.teardown(() => removePrefix(prefix));
  const { plan, problems } = await loadConfig(join(prefix, "nginx.conf"));
  t.is(plan === null, problems.length > 0);
  return problems.map((p) => `${p.line}:${p.column} ${p.message}`);
}

const location = (text) => `events { }\nhttp { server {\n location / {\n${text}\n } } }`;

const cases = [
  ["bogus on;", '1:1 unknown directive "bogus"'],
  ["events { worker_connections x; }", '1:29 invalid number "x"'],
  ["events { } listen 80;", '1:12 "listen" directive is not allowed here'],
  ["events { } http { sendfile; }", '1:19 invalid number of arguments in "sendfile" directive'],
  ["events { } http { sendfile yes; }", '1:28 invalid value "yes" in "sendfile" directive, it must be "on" or "off"'],
  ["events { } http { sendfile on; sendfile on; }", '1:32 "sendfile" directive is duplicate'],
  ["events { } http { sendfile on }", '1:31 unexpected "}"'],
  ["events { } http { sendfile on { } }", '1:19 directive "sendfile" is not terminated by ";"'],
  ["events;", '1:1 directive "events" has no opening "{"'],
  ["events {", '1:9 unexpected end of file, expecting "}"'],
  ["events { } env A", '1:17 unexpected end of file, expecting ";" or "}"'],
  ["events { } }", '1:12 unexpected "}"'],
  ["events { } ;", '1:12 unexpected ";"'],
  ['env "a"b;', '1:8 unexpected "b"'],
  ["http { }", '0:0 no "events" section in configuration'],
  ["events { } include nope.conf;", /1:12 open\(\) ".*nope\.conf" failed \(2: No such file or directory\)/],
  ["events { } http { lua_shared_dict d 1x; }", '1:37 invalid lua shared dict size "1x"'],
  ["events { } http { server { listen 1.2.3.4:99999; } }", /1:35 invalid port/],
  ["events { } http { server { location /a { location /b { } } } }", '1:42 location "/b" is outside location "/a"'],
  ["events { } http { server { location / { } location / { } } }", '1:43 duplicate location "/"'],
  [location("return nope;"), '4:8 invalid return code "nope"'],
  [location("set x 1;"), '4:5 invalid variable name "x"'],
  [location("return 200 $nope;"), '4:12 unknown "nope" variable'],
  [location("error_page 200 /x;"), '4:12 value "200" must be between 300 and 599'],
  [
    location("content_by_lua_block { {{{{{"),
    "4:22 unexpected end of file, expecting terminating characters for lua code block",
  ],
  [location("access_log x.log nope;"), '4:18 unknown log format "nope"'],
];

for (const [conf, expected] of cases)
  test(conf.replaceAll("\n", " "), async (t) => {
    const found = await problemsOf(t, conf);
    t.is(found.length, 1, found.join("\n"));
    if (expected instanceof RegExp) t.regex(found[0], expected);
    else t.is(found[0], expected);
  });

test("ten mistakes are ten messages, in the order of the file", async (t) => {
  const bad = Array.from({ length: 10 }, (_, i) => `  bogus${i} on;`).join("\n");
  const found = await problemsOf(t, `events { }\nhttp {\n${bad}\n}`);
  t.deepEqual(
    found,
    Array.from({ length: 10 }, (_, i) => `${i + 3}:3 unknown directive "bogus${i}"`),
  );
});

test("mistakes of an object say where in it", async (t) => {
  const { problems } = await loadConfig({
    http: { server: [{ location: { "/": { rooot: "x", sendfile: "maybe" } } }] },
    htpp: {},
  });
  t.deepEqual(problems.map((p) => p.message).sort(), [
    'htpp: unknown directive "htpp"',
    'http.server[0].location["/"].rooot: unknown directive "rooot"',
    'http.server[0].location["/"].sendfile: invalid value "maybe" in "sendfile" directive, it must be "on" or "off"',
  ]);
});
