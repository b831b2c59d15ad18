// SPDX-License-Identifier: MIT
// The two fronts give one plan, and nginx.conf is read as nginx reads it: quoting, includes, Lua blocks, inheritance.
import { join } from "node:path";
import test from "ava";
import { lua, luaFile } from "moonwire";
import { loadConfig } from "../../dist/conf/index.js";
import { decodeValue } from "../../dist/conf/value.js";
import { makePrefix, removePrefix } from "../helpers/files.js";

async function planOf(t, conf, files = {}) {
  const prefix = makePrefix({ "nginx.conf": conf, ...files });
  t.teardown(() => removePrefix(prefix));
  const { plan, problems } = await loadConfig(join(prefix, "nginx.conf"), { prefix });
  t.deepEqual(problems, []);
  return { ...decodeValue(plan), prefix };
}

const http = (text) => `events { } http { ${text} }`;

test("TypeScript and nginx.conf give the same plan", async (t) => {
  const conf = `worker_processes 2; events { worker_connections 9; }
    http { lua_shared_dict d 64k; keepalive_timeout 5s;
      server { listen 127.0.0.1:0; server_name a.com *.b.com;
        location = /x { content_by_lua_file lua/x.lua; add_header A "b c" always; }
        location ~* \\.php$ { return 200 "n $uri"; error_page 404 500 =200 /e; internal; } } }`;
  const object = {
    workerProcesses: 2,
    events: { workerConnections: 9 },
    http: {
      luaSharedDict: { d: "64k" },
      keepaliveTimeout: "5s",
      server: [
        {
          listen: ["127.0.0.1:0"],
          serverName: "a.com *.b.com",
          location: {
            "= /x": { contentByLua: luaFile("lua/x.lua"), addHeader: { A: ["b c", "always"] } },
            "~* \\.php$": { return: [200, "n $uri"], errorPage: ["404", "500", "=200", "/e"], internal: true },
          },
        },
      ],
    },
  };
  const expected = await planOf(t, conf, { "lua/x.lua": "" });
  const { plan, problems } = await loadConfig(object, { prefix: expected.prefix });
  t.deepEqual(problems, []);
  const strip = (key, v) => (key === "pos" || key === "conf_file" || key === "prefix" ? undefined : v);
  t.deepEqual(JSON.parse(JSON.stringify(decodeValue(plan), strip)), JSON.parse(JSON.stringify(expected, strip)));
});

test("quotes and backslashes", async (t) => {
  const plan = await planOf(t, http(`server { listen 127.0.0.1:0; location / { return 200 'a\\'b "c"\\t\\d\\\\'; } }`));
  t.is(plan.servers[0].locations[0].conf.rewrite[0].value, 'a\'b "c"\t\\d\\');
});

test("Lua blocks end at their own brace, whatever strings and comments hold", async (t) => {
  const source = ` local s = "}" .. '}' .. [[ } ]] .. [==[ ]] } ]==] -- }
    --[[ } ]] local t = { { "\\"}" } } return function() end `;
  const plan = await planOf(t, http(`server { location / { content_by_lua_block {${source}} } }`));
  t.is(plan.scripts[0].source, source);
  t.is(plan.scripts[0].chunkname, "=content_by_lua(nginx.conf:1)");
});

test("include takes patterns, in order, relative to the configuration", async (t) => {
  const plan = await planOf(t, http(`include conf.d/*.conf;`), {
    "conf.d/2.conf": "server { server_name two; }",
    "conf.d/1.conf": "server { server_name one; }",
    "conf.d/.hidden.conf": "bogus;",
  });
  t.deepEqual(
    plan.servers.map((s) => s.primary_name),
    ["one", "two"],
  );
});

test("inner blocks inherit, replace lists whole, and never take set, return or content", async (t) => {
  const plan = await planOf(
    t,
    http(`send_timeout 5; add_header A 1; add_header B 2; log_by_lua_block { x() }
      server { set $v 1; rewrite_by_lua_block { y() }
        location / { send_timeout 6; content_by_lua_block { z() } location /in { add_header C 3; } } }`),
  );
  const outer = plan.servers[0].locations[0];
  const inner = outer.children[0];
  t.is(inner.conf.send_timeout, 6000);
  t.deepEqual(
    outer.conf.add_headers.map((h) => h.name),
    ["A", "B"],
  );
  t.deepEqual(
    inner.conf.add_headers.map((h) => h.name),
    ["C"],
  );
  t.deepEqual(inner.conf.rewrite, []);
  t.deepEqual(outer.conf.scripts, [-1, 1, -1, -1, 2, -1, -1, 0]);
  t.deepEqual(inner.conf.scripts, [-1, 1, -1, -1, -1, -1, -1, 0]);
});

test("servers share an address; names become what the router looks up", async (t) => {
  const plan = await planOf(
    t,
    http(`server { listen 8080; server_name .c.org; }
      server { listen *:8080 default_server; listen [::]:80 ipv6only=off; server_name www.d.* ~^e(\\d+)$ ""; }`),
  );
  t.like(plan.listens[0], { address: "0.0.0.0:8080", servers: [0, 1], default_server: 1 });
  t.like(plan.listens[1], { address: "[::]:80", ipv6only: false });
  t.deepEqual(plan.servers[0].names, [
    { kind: 0, name: "c.org" },
    { kind: 1, name: ".c.org" },
  ]);
  t.deepEqual(plan.servers[1].names, [
    { kind: 2, name: "www.d." },
    { kind: 3, name: "^e(\\d+)$" },
    { kind: 0, name: "" },
  ]);
});

test("a lua template knows its own file and line", async (t) => {
  const { plan } = await loadConfig({ http: { server: { location: { "/": { contentByLua: lua`ngx.say(1)` } } } } });
  t.regex(decodeValue(plan).scripts[0].chunkname, /^=content_by_lua\(fronts\.test\.js:\d+\)$/);
});

test("overrides win over the configuration", async (t) => {
  const overrides = { port: 1234, host: "::1", workers: 3 };
  const { plan } = await loadConfig({ http: { server: [{ listen: ["80"] }, { listen: ["unix:/x"] }] } }, { overrides });
  const { listens, worker_processes } = decodeValue(plan);
  t.is(worker_processes, 3);
  t.is(listens.length, 1);
  t.like(listens[0], { address: "[::1]:1234", servers: [0, 1], default_server: 0 });
});
