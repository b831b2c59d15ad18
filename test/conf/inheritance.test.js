// SPDX-License-Identifier: MIT
// What an inner block takes from an outer one, directive by directive, and the defaults where nobody says anything.
import { tmpdir } from "node:os";
import test from "ava";
import { decodeValue } from "../../dist/conf/value.js";
import { directives } from "../../dist/conf/directives/index.js";
import { http, load, planOf } from "./load.js";

// The settings of http > server > location /a > location /a/b.
async function levels(t, { http: outer = "", server = "", location = "", nested = "" }, options) {
  const plan = await planOf(
    t,
    http(`${outer} server { ${server} location /a { ${location} location /a/b { ${nested} } } }`),
    {},
    options,
  );
  const s = plan.servers[0];
  return { plan, server: s, of: [s.conf, s.locations[0].conf, s.locations[0].children[0].conf] };
}

const nowhere = { file: "", line: 0, column: 0, path: "" };
const values = [
  [
    "a value comes from the nearest block",
    { http: "send_timeout 1;", location: "send_timeout 2;" },
    "send_timeout",
    [1000, 2000, 2000],
  ],
  [
    "add_header: a list of one's own replaces",
    { http: "add_header A 1; add_header B 1;", nested: "add_header C 1;" },
    (c) => c.add_headers.map((h) => h.name),
    [["A", "B"], ["A", "B"], ["C"]],
  ],
  [
    "error_page",
    { server: "error_page 404 /x;", nested: "error_page 500 /y;" },
    (c) => c.error_pages.map((p) => p.codes),
    [[[404]], [[404]], [[500]]],
  ],
  [
    "access_log, and its off",
    { http: "access_log /a;", location: "access_log /b; access_log /c;", nested: "access_log off;" },
    (c) => c.access_logs.map((l) => l.path),
    [["/a"], ["/b", "/c"], []],
  ],
  [
    "error_log",
    { http: "error_log /a info;", location: "error_log /b;" },
    (c) => c.error_logs.map((l) => l.path),
    [["/a"], ["/b"], ["/b"]],
  ],
  ["index", { http: "index a b;", location: "index c;" }, "index", [["a", "b"], ["c"], ["c"]]],
  ["root", { http: "root /a;", location: "root /b;" }, "root", ["/a", "/b", "/b"]],
  [
    "alias ends with root",
    { http: "root /a;", location: "alias /b/;", nested: "root /c;" },
    (c) => [c.root, c.alias],
    [
      ["/a", 0],
      ["/b/", 2],
      ["/c", 0],
    ],
  ],
  ["alias goes on inside", { location: "alias /b/;" }, (c) => c.alias, [0, 2, 2]],
  [
    "try_files is one's own",
    { server: "try_files a =404;", location: "try_files b /c;" },
    (c) => [c.has_try_files, c.try_files.paths],
    [
      [true, ["a"]],
      [true, ["b"]],
      [false, []],
    ],
  ],
  [
    "set and return are one's own",
    { server: "set $a 1; return 403;", nested: "set $a 2;" },
    (c) => c.rewrite.map((r) => r.kind),
    [[0, 1], [], [0]],
  ],
  ["internal is one's own", { location: "internal;" }, "internal", [false, true, false]],
  ["content_by_lua is one's own", { location: "content_by_lua_block { }" }, (c) => c.scripts[4], [-1, 0, -1]],
  ["server_rewrite_by_lua", { http: "server_rewrite_by_lua_block { }" }, (c) => c.scripts[0], [0, 0, 0]],
  ["types is replaced whole", { http: "types { a/a a; }", location: "types { b/b b; }" }, "types", [1, 2, 2]],
  ["merge_slashes", { http: "merge_slashes off;" }, "merge_slashes", [false, false, false]],
  [
    "keepalive_timeout sets both times",
    { location: "keepalive_timeout 5s 7s;" },
    (c) => [c.keepalive_timeout, c.keepalive_header_timeout],
    [
      [75000, 0],
      [5000, 7000],
      [5000, 7000],
    ],
  ],
];

for (const [title, blocks, member, expected] of values)
  test(title, async (t) => {
    const { of } = await levels(t, blocks);
    const got = of.map((conf) => (typeof member === "string" ? conf[member] : member(conf)));
    t.deepEqual(got, expected);
  });

for (const [i, phase] of ["rewrite", "access", "precontent"].entries())
  test(`${phase}_by_lua goes from http to nested locations`, async (t) => {
    const { of } = await levels(t, { http: `${phase}_by_lua_block { a() }`, nested: `${phase}_by_lua_block { b() }` });
    t.deepEqual(
      of.map((c) => c.scripts[i + 1]),
      [0, 0, 1],
    );
  });

for (const [i, phase] of ["header_filter", "body_filter", "log"].entries())
  test(`${phase}_by_lua goes from http to nested locations`, async (t) => {
    const { of } = await levels(t, { http: `${phase}_by_lua_block { a() }`, nested: `${phase}_by_lua_block { b() }` });
    t.deepEqual(
      of.map((c) => c.scripts[i + 5]),
      [0, 0, 1],
    );
  });

test("http after its servers still holds for them; log formats are found wherever they stand", async (t) => {
  const plan = await planOf(t, http("server { location / { } access_log /x f; } send_timeout 3; log_format f '$uri';"));
  t.is(plan.servers[0].locations[0].conf.send_timeout, 3000);
  t.is(plan.log_formats[plan.servers[0].conf.access_logs[0].format].name, "f");
});

test("settings of the server come from http", async (t) => {
  const { server } = await levels(t, {
    http: "client_header_timeout 5; large_client_header_buffers 2 4k;",
    server: "client_header_buffer_size 2k;",
  });
  t.like(server, {
    client_header_timeout: 5000,
    client_header_buffer_size: 2048,
    large_client_header_buffers_n: 2,
    large_client_header_buffers_size: 4096,
    ignore_invalid_headers: true,
  });
});

test("moonwire's places for logs and files where nothing is said", async (t) => {
  const { plan, of } = await levels(t, {});
  t.deepEqual(plan.error_logs, [{ path: "stderr", level: 4, pos: nowhere }]);
  t.deepEqual(of[0].access_logs, []);
  t.is(of[0].client_body_temp_path, tmpdir());
});

test("nginx's places for logs and files, when asked for", async (t) => {
  const { plan, of } = await levels(t, {}, { defaults: "nginx" });
  t.deepEqual(plan.error_logs, [{ path: `${plan.prefix}/logs/error.log`, level: 4, pos: nowhere }]);
  t.deepEqual(of[2].access_logs, [
    {
      path: `${plan.prefix}/logs/access.log`,
      format: 0,
      has_condition: false,
      condition: "",
      buffer: 0,
      flush: 0,
      gzip: 0,
      pos: nowhere,
    },
  ]);
  t.is(of[0].client_body_temp_path, `${plan.prefix}/client_body_temp`);
});

test("what the control plane uses itself", async (t) => {
  const { control, prefix } = await load(t, "daemon off; pid run.pid; events { }");
  t.deepEqual(control, { daemon: false, master_process: true, pid: `${prefix}/run.pid` });
});

test("memcached_pass and memc_pass take no settings of proxy_pass", async (t) => {
  const settings = `proxy_bind 127.0.0.2 transparent; proxy_store on; proxy_limit_rate 1k; proxy_force_ranges on; proxy_buffering off;
    proxy_next_upstream_tries 2; proxy_next_upstream_timeout 3s; proxy_buffers 2 1k; proxy_cookie_flags a secure;
    proxy_hide_header X; proxy_intercept_errors on; proxy_set_header A b; proxy_redirect off;`;
  const passes = "location /a { memcached_pass 127.0.0.1:1; } location /b { memc_pass 127.0.0.1:1; }";
  const confs = async (more) => {
    const plan = await planOf(t, http(`server { ${more} ${passes} }`));
    return plan.upstream_confs.map(({ pos: _, ...conf }) => conf);
  };
  const changed = await confs(settings);
  t.is(changed.length, 2);
  t.deepEqual(changed, await confs(""));
});

test("open_log_file_cache min_uses=0", async (t) => {
  const plan = await planOf(t, http("server { open_log_file_cache max=1 min_uses=0; }"));
  t.deepEqual([plan.log_caches[0].max, plan.log_caches[0].min_uses], [1, 0]);
});

test("valid_referers: a word of every object is a host's name", async (t) => {
  const plan = await planOf(t, http("server { location / { valid_referers constructor; } }"));
  t.like(plan.servers[0].locations[0].conf.referers, [{ kind: 0, name: "constructor" }]);
});

test("every default in the table is one that its own directive takes", async (t) => {
  for (const [name, spec] of Object.entries(directives)) {
    if (!spec.default || spec.store === "none") continue;
    const where = ["main", "events", "http", "server", "location"].find((context) => spec.in.includes(context));
    const at = (context, text) => (context === where ? text : "");
    const conf = (text) =>
      `${at("main", text)} events { ${at("events", text)} } http { ${at("http", text)}
         server { ${at("server", text)} location / { ${at("location", text)} } } }`;
    const said = conf(`${name} ${spec.default};`);
    const plain = await load(t, conf(""), {}, { defaults: "nginx" });
    const same = await load(t, said, {}, { defaults: "nginx" });
    t.deepEqual(same.problems, [], name);
    const text = ({ plan, prefix }) =>
      JSON.stringify(decodeValue(plan))
        .replaceAll(prefix, "")
        .replace(/"pos":\{[^}]*\}/g, "");
    t.is(text(same), text(plain), name);
  }
});
