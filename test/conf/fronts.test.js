// SPDX-License-Identifier: MIT
// The two fronts give the same plan, byte for byte but for positions; modules of every kind are read.
import { join } from "node:path";
import test from "ava";
import { lua, luaFile } from "moonwire";
import { loadConfig } from "../../dist/conf/index.js";
import { decodeValue, encodeValue } from "../../dist/conf/value.js";
import { http, load, planOf } from "./load.js";

// The plan's bytes without what tells one front from the other: names and lines of files, the prefix.
function comparable({ plan, problems }, prefix) {
  const value = decodeValue(plan);
  value.conf_file = "";
  const strip = (v) => {
    if (typeof v === "string") return v.replaceAll(prefix, "").replace(/^(=\w+_by_lua)\(.*\)$/, "$1");
    if (v === null || typeof v !== "object") return v;
    if (Array.isArray(v)) return v.map(strip);
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, k === "pos" ? 0 : strip(x)]));
  };
  return { bytes: encodeValue(strip(value)).toString("latin1"), problems };
}

const pairs = [
  [
    "stream servers",
    `events { } stream { resolver 127.0.0.1; lua_socket_read_timeout 5s;
      server { listen 127.0.0.1:1; listen [::1]:2; content_by_lua_block { a() } log_by_lua_block { b() } }
      server { listen 127.0.0.1:3; content_by_lua_block { c() } } }`,
    {
      stream: {
        resolver: "127.0.0.1",
        luaSocketReadTimeout: "5s",
        server: [
          { listen: ["127.0.0.1:1", "[::1]:2"], contentByLua: " a() ", logByLua: " b() " },
          { listen: "127.0.0.1:3", contentByLua: " c() " },
        ],
      },
    },
  ],
  ["nothing", "events { }", {}],
  [
    "processes and logs",
    'worker_processes 2; env A; env "B=c d"; error_log stderr warn; error_log e.log; user a b; events { worker_connections 9; }',
    {
      workerProcesses: 2,
      env: ["A", "'B=c d'"],
      errorLog: [["stderr", "warn"], "e.log"],
      user: ["a", "b"],
      events: { workerConnections: 9 },
    },
  ],
  [
    "ways to choose a server",
    http(`upstream a { zone a 64k; hash "$uri x" consistent; server 127.0.0.1:1 max_conns=3; server 127.0.0.1:2; }
      upstream b { ip_hash; server 127.0.0.1:1; } upstream c { least_conn; server 127.0.0.1:1; }
      upstream d { random; server 127.0.0.1:1; } upstream e { random two least_conn; server 127.0.0.1:1; }
      server { listen 127.0.0.1:0; }`),
    {
      http: {
        upstream: {
          a: { zone: "a 64k", hash: ["$uri x", "consistent"], server: ["127.0.0.1:1 max_conns=3", "127.0.0.1:2"] },
          b: { ipHash: true, leastConn: false, server: "127.0.0.1:1" },
          c: { leastConn: true, server: "127.0.0.1:1" },
          d: { random: true, server: "127.0.0.1:1" },
          e: { random: "two least_conn", server: "127.0.0.1:1" },
        },
        server: { listen: "127.0.0.1:0" },
      },
    },
  ],
  [
    "MySQL servers",
    http(`upstream db { drizzle_server a:1 user=u "password=p q"; drizzle_server unix:/s dbname=d; drizzle_keepalive max=2 overflow=reject; }
      upstream_list l a b; rds_json on;
      server { listen 127.0.0.1:0; location / { set_hashed_upstream $x l $uri; rds_json_user_property a "b $uri"; drizzle_query "select $arg_a"; drizzle_pass db; } }`),
    {
      http: {
        upstream: {
          db: {
            drizzleServer: ["a:1 user=u 'password=p q'", "unix:/s dbname=d"],
            drizzleKeepalive: "max=2 overflow=reject",
          },
        },
        upstreamList: { l: ["a", "b"] },
        rdsJson: true,
        server: [
          {
            listen: "127.0.0.1:0",
            location: {
              "/": {
                setHashedUpstream: { $x: ["l", "$uri"] },
                rdsJsonUserProperty: { a: "b $uri" },
                drizzleQuery: "select $arg_a",
                drizzlePass: "db",
              },
            },
          },
        ],
      },
    },
  ],
  [
    "servers and locations",
    http(`lua_shared_dict d 64k; lua_shared_dict e 1m; keepalive_timeout 5s 6s; client_body_temp_path t 1 2;
      log_format f escape=json "$uri " "b c"; access_log a.log f; index a.html b.html;
      server { listen 127.0.0.1:0; listen [::1]:0 ipv6only=on; server_name a.com *.b.com; large_client_header_buffers 2 4k;
        location = /x { content_by_lua_file l.lua; add_header A "b c" always; add_header B 1; access_log off; }
        location ~* \\.php$ { set $v "a b"; return 200 "n $uri"; error_page 403 @n; error_page 404 500 =200 /e; internal; }
        location /n/ { try_files $uri $uri/ =404; location /n/m { root "/a b"; sendfile on; } }
        location @n { types { text/x x y; } default_type a/b; } }
      server { listen 8081; }`),
    {
      http: {
        luaSharedDict: { d: "64k", e: "1m" },
        keepaliveTimeout: ["5s", "6s"],
        clientBodyTempPath: ["t", 1, 2],
        logFormat: { f: ["escape=json", "$uri ", "b c"] },
        accessLog: "a.log f",
        index: ["a.html", "b.html"],
        server: [
          {
            listen: ["127.0.0.1:0", "[::1]:0 ipv6only=on"],
            serverName: "a.com *.b.com",
            largeClientHeaderBuffers: [2, "4k"],
            location: {
              "= /x": {
                contentByLua: luaFile("l.lua"),
                addHeader: { A: ["b c", "always"], B: 1 },
                accessLog: false,
              },
              "~* \\.php$": {
                set: { $v: "a b" },
                return: [200, "n $uri"],
                errorPage: { 403: "@n", "404 500": ["=200", "/e"] },
                internal: true,
              },
              "/n/": { tryFiles: "$uri $uri/ =404", location: { "/n/m": { root: "/a b", sendfile: true } } },
              "@n": { types: { "text/x": ["x", "y"] }, defaultType: "a/b" },
            },
          },
          { listen: 8081 },
        ],
      },
    },
  ],
  [
    "Lua in every phase",
    http(`init_by_lua_block { a() } init_worker_by_lua_block { b() } exit_worker_by_lua_block { c() }
      server { server_rewrite_by_lua_block { d() } rewrite_by_lua_block { e() } access_by_lua_block { f() }
        precontent_by_lua_block { g() } header_filter_by_lua_block { h() } body_filter_by_lua_block { i() }
        log_by_lua_block { j() } location / { content_by_lua_block { k("}", "\\n") } } }`),
    {
      http: {
        initByLua: " a() ",
        initWorkerByLua: lua` b() `,
        exitWorkerByLua: " c() ",
        server: {
          serverRewriteByLua: " d() ",
          rewriteByLua: " e() ",
          accessByLua: " f() ",
          precontentByLua: " g() ",
          headerFilterByLua: " h() ",
          bodyFilterByLua: " i() ",
          logByLua: " j() ",
          location: { "/": { contentByLua: lua` k("}", "\n") ` } },
        },
      },
    },
  ],
];

for (const [title, conf, object] of pairs)
  test(`both fronts: ${title}`, async (t) => {
    const nginx = await load(t, conf, { "l.lua": "" });
    const own = await loadConfig(object, { prefix: nginx.prefix });
    t.deepEqual([nginx.problems, own.problems], [[], []]);
    const [a, b] = [nginx, own].map((loaded) => comparable(loaded, nginx.prefix));
    t.deepEqual(a.problems, []);
    t.deepEqual(b.problems, []);
    t.is(a.bytes, b.bytes);
  });

test("include takes patterns, in order, relative to the configuration", async (t) => {
  const plan = await planOf(t, http(`include conf.d/*.conf; include none/*.conf; include conf.d/[ab].x;`), {
    "conf.d/2.conf": "server { server_name two; }",
    "conf.d/1.conf": "server { server_name one; include conf.d/inner; }",
    "conf.d/inner": "location /i { }",
    "conf.d/.hidden.conf": "bogus;",
    "conf.d/b.x": "server { server_name three; }",
  });
  t.deepEqual(
    plan.servers.map((s) => s.primary_name),
    ["one", "two", "three"],
  );
  t.is(plan.servers[0].locations[0].name, "/i");
});

test("include mime.types is an ordinary types block", async (t) => {
  const plan = await planOf(t, http("include mime.types; server { }"), {
    "mime.types": "types {\n text/html html HTM;\n}",
  });
  t.deepEqual(plan.types[plan.servers[0].conf.types], { html: "text/html", htm: "text/html" });
});

test("servers share an address; names become what the router looks up", async (t) => {
  const plan = await planOf(
    t,
    http(`server { listen 8080; server_name .c.org; }
      server { listen *:8080 default_server backlog=9; listen [::]:80 ipv6only=off; server_name www.d.* ~^E(\\d+)$ ""; }
      server { listen 8080; server_name *.X.org; }`),
  );
  t.like(plan.listens[0], { address: "0.0.0.0:8080", servers: [0, 1, 2], default_server: 1, backlog: 9 });
  t.like(plan.listens[1], { address: "[::]:80", ipv6only: false });
  t.deepEqual(
    plan.servers.map((s) => s.primary_name),
    ["c.org", "www.d.*", "*.x.org"],
  );
  const namesOf = (i) => plan.servers[i].names.map(({ kind, name }) => ({ kind, name }));
  t.deepEqual(namesOf(0), [
    { kind: 0, name: "c.org" },
    { kind: 1, name: ".c.org" },
  ]);
  t.deepEqual(namesOf(1), [
    { kind: 2, name: "www.d." },
    { kind: 3, name: "^E(\\d+)$" },
    { kind: 0, name: "" },
  ]);
});

test("a lua template knows its own file and line", async (t) => {
  const { plan } = await loadConfig({ http: { server: { location: { "/": { contentByLua: lua`ngx.say(1)` } } } } });
  const [script] = decodeValue(plan).scripts;
  t.regex(script.chunkname, /^=content_by_lua\(fronts\.test\.js:\d+\)$/);
  t.is(script.pos.file, "test/conf/fronts.test.js");
});

test("overrides win over the configuration", async (t) => {
  const overrides = { port: 1234, host: "::1", workers: 3 };
  const { plan } = await loadConfig({ http: { server: [{ listen: ["80"] }, { listen: ["unix:/x"] }] } }, { overrides });
  const { listens, worker_processes } = decodeValue(plan);
  t.is(worker_processes, 3);
  t.is(listens.length, 1);
  t.like(listens[0], { address: "[::1]:1234", servers: [0, 1], default_server: 0 });
});

const modules = {
  "c.mjs": "export default {\n  http: {\n    bogus: 1,\n  },\n};\n",
  "c.js": "module.exports = {\n  http: {\n    bogus: 1,\n  },\n};\n",
  "c.json": '{\n  "http": {\n    "bogus": 1\n  }\n}\n',
  "c.ts": "const n: number = 1;\nexport default {\n    http: { bogus: n } };\n",
};

for (const [name, text] of Object.entries(modules))
  test(`a mistake in ${name} has the line of its property`, async (t) => {
    const { prefix } = await load(t, "", { [name]: text });
    const { problems, plan } = await loadConfig(join(prefix, name));
    t.is(plan, null);
    t.deepEqual(
      problems.map((p) => `${p.line} ${p.message}`),
      ['3 http.bogus: unknown directive "bogus"'],
    );
    t.true(problems[0].file.endsWith(name));
  });

for (const [name, text, message] of [
  ["empty.ts", "", "no default export"],
  ["const.ts", "const x = 1;", "no default export"],
  ["named.ts", "export const http = {};", "no default export"],
  ["undefined.ts", "export default undefined;", "no default export"],
  ["null.ts", "export default null;", "expected an object of directives, not null"],
  ["empty.mjs", "", "no default export"],
  ["named.mjs", "export const http = {};", "no default export"],
  ["null.mjs", "export default null;", "expected an object of directives, not null"],
  ["empty.js", "const x = 1;", "no default export"],
  ["null.json", "null", "expected an object of directives, not null"],
])
  test(`a module that exports no configuration is a mistake: ${name}`, async (t) => {
    const { prefix } = await load(t, "", { [name]: text });
    const { problems, plan } = await loadConfig(join(prefix, name));
    t.is(plan, null);
    t.deepEqual(
      problems.map((p) => p.message),
      [message],
    );
  });

for (const [name, text, said] of [
  ["syn.mjs", "export default {\n  a: 1 b: 2 };", "2:8 SyntaxError: Unexpected identifier 'b'"],
  ["syn.cjs", "module.exports = {\n  a: 1 b: 2 };", "2:8 SyntaxError: Unexpected identifier 'b'"],
  ["syn.ts", "export default { foo(1 2) };", "1:21 SyntaxError: Unexpected token"],
  ["imp.mjs", '\nimport x from "./nowhere.js";', /^2:15 Error: Cannot find module '.*nowhere\.js'/],
  ["package.mjs", '\nimport x from "nopkg/deep.js";', /^2:15 Error: Cannot find package 'nopkg'/],
])
  test(`a module that cannot be loaded is a mistake with its place: ${name}`, async (t) => {
    const { prefix } = await load(t, "", { [name]: text });
    const [p] = (await loadConfig(join(prefix, name))).problems;
    const line = `${p.line}:${p.column} ${p.message}`;
    if (typeof said === "string") t.is(line, said);
    else t.regex(line, said);
  });

test("a byte order mark before JSON is no part of it", async (t) => {
  const { prefix } = await load(t, "", { "c.json": '\uFEFF{ "workerProcesses": 3 }' });
  t.is(decodeValue((await loadConfig(join(prefix, "c.json"))).plan).worker_processes, 3);
});

for (const name of ["c.js", "c.cjs", "c.cts"])
  test(`module.exports is a configuration: ${name}`, async (t) => {
    const { prefix } = await load(t, "", { [name]: "module.exports = { workerProcesses: 3 };" });
    const { plan } = await loadConfig(join(prefix, name));
    t.is(decodeValue(plan).worker_processes, 3);
  });

test("properties of the same name are told apart by their order", async (t) => {
  const text = `export default { http: { server: [
    { location: { "/": { root: "a" } } },
    { location: { "/": { root: "b",
       sendfile: "x" } } },
  ] } };`;
  const { prefix } = await load(t, "", { "c.mjs": text });
  const { problems } = await loadConfig(join(prefix, "c.mjs"));
  t.deepEqual(
    problems.filter((p) => p.severity === "emerg").map((p) => `${p.line}:${p.column} ${p.message.slice(0, 39)}`),
    ['4:8 http.server[1].location["/"].sendfile: '.slice(0, 43)],
  );
});

test("JSON that does not parse has its place; a module that throws has its line", async (t) => {
  const { prefix } = await load(t, "", { "c.json": '{\n  "http": x }', "c.mjs": "\nthrow new Error('no');" });
  const json = await loadConfig(join(prefix, "c.json"));
  t.is(json.problems[0].line, 2);
  const module = await loadConfig(join(prefix, "c.mjs"));
  t.like(module.problems[0], { line: 2, message: "Error: no" });
});
