// SPDX-License-Identifier: MIT
// The kinds of locations that the fuzzed server has. Each: `conf`, the location's directives; `query(r)`, what follows its path;
// `body`, whether it is mostly asked with one; `cut`, that its response may be broken off or missing; `check(answer, request)`,
// what is wrong with a whole answer, if it can be told; `last`, that nothing follows it on its connection; `failing`, that it may
// answer 500; `upgrade`, that requests ask for one.
import { gunzipSync } from "node:zlib";
import { cutKinds, originBody, originKinds } from "./origin.mjs";

/** Files below html/. */
export const files = {
  "html/small.txt": "small\n",
  "html/empty.txt": "",
  "html/page.html": "<p>a page with a needle in it</p>\n".repeat(700),
  "html/big.bin": "0123456789abcdef".repeat(40_000),
  "html/page.shtml": `<!--#set var="a" value="b" -->[<!--#include virtual="/sleep" -->|<!--#include virtual="/p-buf?o=ok" -->
<!--#if expr="$a = b" -->yes<!--#else -->no<!--#endif --><!--#include virtual="/static/page.html" --><!--#echo var="a" -->]
`,
  "html/index.html": "index\n",
  "temp/x": "",
  "dav/x": "",
  users: "user:{PLAIN}secret\n",
};

const plain = (answer) =>
  answer.headers["content-encoding"] ? gunzipSync(Buffer.from(answer.body, "latin1")).toString("latin1") : answer.body;
const same = (text, expected) =>
  text === expected ? undefined : `a body of ${text.length}, not ${expected.length} bytes`;
const is = (expected) => (a) => (a.status === 200 ? same(plain(a), expected) : undefined);
/** The request's body is the answer. */
const echoes = (a, q) => (a.status === 200 ? same(plain(a), q.body) : undefined);

const file = (a, q) => {
  const text = files[`html/${q.uri.replace(/^\/[^/]*\/|\?.*$/g, "")}`];
  if (a.status === 200) return same(plain(a), text);
  const range = a.status === 206 && /^bytes (\d+)-(\d+)\/\d+$/.exec(a.headers["content-range"]?.[0]);
  return range ? same(a.body, text.slice(Number(range[1]), Number(range[2]) + 1)) : undefined;
};
const fileName = (r) => `/${r.pick(["small.txt", "empty.txt", "page.html", "big.bin", "page.html", "none"])}`;

/** The origin's answer is that of this request, and whole. */
const origin = (a, q) => {
  const id = a.headers["x-origin-id"]?.[0];
  if (id !== undefined && id !== q.id) return `the origin's answer to ${id}`;
  const kind = /[?&]o=(\w+)/.exec(q.uri)?.[1] ?? "ok";
  if (a.status !== 200 || cutKinds.includes(kind) || /^(twolengths|badlength)$/.test(kind)) return undefined;
  return same(plain(a), kind === "inside" ? "returned\n" : originBody(/^(early|late)$/.test(kind) ? "ok" : kind));
};
const kind = (r) => `?o=${r.once(3) ? r.pick(["ok", "chunks", "fresh", "big"]) : r.pick(originKinds)}`;
const isCut = (q) => cutKinds.some((k) => q.uri.endsWith(`o=${k}`));
const proxy = (conf, more = {}) => ({
  conf: `${conf} proxy_pass http://up;`,
  query: kind,
  body: true,
  check: origin,
  cut: isCut,
  ...more,
});
const lua = (code, more = {}) => ({ conf: `content_by_lua_block { ${code} }`, ...more });
const answersBody = `local data = ngx.req.get_body_data()
  if not data then local name = ngx.req.get_body_file() if name then local f = assert(io.open(name)) data = f:read("*a") f:close() end end
  ngx.print(data or "")`;
const readsBody = `ngx.req.read_body() ${answersBody}`;
const asks = (text) => (a) => (a.status === 200 ? same(plain(a), text) : undefined);

/** Name to location; the path is `/NAME`, and what begins with it. */
export const locations = {
  return: { conf: 'return 200 "returned\\n";', check: is("returned\n") },
  moved: { conf: "return 301 /return;" },
  static: { conf: "alias __PREFIX__/html;", query: fileName, check: file, fields: ["Range", "If-None-Match"] },
  gzipped: {
    conf: "alias __PREFIX__/html; gzip on; gzip_min_length 1; gzip_types *; gzip_comp_level 1;",
    query: fileName,
    check: file,
    fields: ["Accept-Encoding", "Range"],
  },
  try: { conf: "root html; try_files $uri /static/small.txt;", query: fileName, check: is("small\n") },
  tryn: { conf: "try_files /none @named;", check: is("named\n") },
  slash: { conf: "alias __PREFIX__/html/; autoindex on; index none;", query: (r) => r.pick(["", "/"]) },
  echo: { conf: "echo one; echo_flush; echo_sleep 0.002; echo_duplicate 3000 two; echo_after_body end;" },
  echosub: {
    conf: "echo a; echo_location_async /sleep; echo_location /p-buf?o=ok; echo_location_async /flush; echo_subrequest_async POST /read -b body; echo z;",
  },
  echobody: { conf: "echo_read_request_body; echo_request_body;", body: true, check: echoes },
  abortparent: { conf: "echo a; echo_location_async /aborts; echo b;", cut: true },
  aborts: { conf: "internal; echo x; echo_abort_parent;" },
  sleep: lua('ngx.sleep(0.002) ngx.say("slept")', { check: is("slept\n") }),
  capture: lua(
    `local r = ngx.location.capture("/read", { method = ngx.HTTP_POST, body = ("x"):rep(tonumber(ngx.var.arg_n)) }) ngx.print(#r.body)`,
    { query: (r) => `?n=${r.pick([0, 1, 9, 7000, 70_000])}`, check: (a, q) => is(q.uri.split("=")[1])(a) },
  ),
  captures: lua(
    `ngx.req.read_body() local a, b, c, d = ngx.location.capture_multi({{"/sleep"}, {"/p-buf?o=" .. ngx.var.arg_o}, {"/phases"}, {"/static/page.html"}})
     ngx.say(a.status, " ", #a.body, " ", b.status, " ", c.status, " ", #d.body)`,
    { query: kind, body: true },
  ),
  phases: {
    conf: `set_by_lua_block $s { return ngx.var.uri }
      rewrite_by_lua_block { ngx.sleep(0.001) } access_by_lua_block { ngx.sleep(0) ngx.ctx.a = 1 }
      precontent_by_lua_block { ngx.sleep(0.001) } content_by_lua_block { ngx.say("phases") }
      header_filter_by_lua_block { ngx.sleep(0.001) ngx.header["X-Filter"] = "1" }
      body_filter_by_lua_block { ngx.sleep(0.001) } log_by_lua_block { ngx.sleep(0.002) }`,
    check: is("phases\n"),
  },
  filtered: {
    conf: `alias __PREFIX__/html; header_filter_by_lua_block { ngx.header.content_length = nil }
      body_filter_by_lua_block { ngx.sleep(0.001) ngx.arg[1] = ngx.arg[1]:gsub("needle", "NEEDLE") }`,
    query: (r) => r.pick(["/page.html", "/big.bin"]),
  },
  read: lua(readsBody, { body: true, check: echoes }),
  mixed: {
    conf: `set $a b;
      rewrite_by_lua_block { ngx.sleep(0.001) } access_by_lua_block { ngx.req.read_body() ngx.sleep(0.001) }
      content_by_lua_block { ${answersBody} }`,
    body: true,
    check: echoes,
  },
  needbody: { conf: `lua_need_request_body on; content_by_lua_block { ${answersBody} }`, body: true, check: echoes },
  bodyfile: {
    conf: `client_body_in_file_only clean; content_by_lua_block { ${readsBody} }`,
    body: true,
    check: echoes,
  },
  single: {
    conf: `client_body_in_single_buffer on; client_body_buffer_size 1k; content_by_lua_block { ${readsBody} }`,
    body: true,
    check: echoes,
  },
  socket: lua(
    `local s, e = ngx.req.socket() if not s then ngx.say(e) return end s:settimeout(300)
     local n = 0 repeat local d, e, p = s:receive(100) n = n + #(d or p or "") until not d ngx.say(n)`,
    { body: true, failing: true },
  ),
  raw: lua(
    `local s, e = ngx.req.socket(true) if not s then ngx.log(ngx.INFO, e) return ngx.exit(444) end s:settimeout(100)
     local d = s:receiveany(1000) s:send("HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n" .. (d or "none"))`,
    { body: true, last: true, cut: true, failing: true },
  ),
  setbody: {
    conf: `rewrite_by_lua_block { ngx.req.read_body() ngx.req.set_body_data(("y"):rep(#(ngx.var.arg_n or "") * 3000)) }
      proxy_pass http://up;`,
    query: (r) => `?o=ok&n=${"n".repeat(r.below(4))}`,
    body: true,
    check: origin,
  },
  replaced: lua(
    `ngx.req.set_body_data("z") local r = ngx.location.capture("/read", { always_forward_body = true }) ngx.print(r.body)`,
    {
      body: true,
      failing: true,
    },
  ),
  append: lua(
    `ngx.req.read_body() ngx.req.init_body(16) ngx.req.append_body(("q"):rep(40)) ngx.req.finish_body() ${answersBody}`,
    { body: true, check: is("q".repeat(40)) },
  ),
  discard: lua('ngx.req.discard_body() ngx.sleep(0.001) ngx.say("discarded")', {
    body: true,
    check: is("discarded\n"),
  }),
  ignores: lua('ngx.say("ignored")', { body: true, check: is("ignored\n") }),
  flush: lua('for i = 1, 20 do ngx.print(("f"):rep(50 * i)) ngx.flush(i % 2 == 0) end', {
    check: is("f".repeat(50 * 210)),
  }),
  much: lua('for i = 1, 60 do ngx.print(("m"):rep(10000)) ngx.flush(true) end', { check: is("m".repeat(600_000)) }),
  eof: lua('ngx.say("eof") ngx.eof() ngx.sleep(0.003)', { check: is("eof\n") }),
  abort: {
    conf: `lua_check_client_abort on; content_by_lua_block { ngx.on_abort(function() ngx.sleep(0.001) ngx.exit(499) end)
      ngx.sleep(0.005) ngx.req.read_body() ngx.say("here") ngx.flush(true) ngx.sleep(0.002) }`,
    body: true,
    cut: true, // the pipelined request that follows is no sign of life
  },
  threads: lua(
    `local a = ngx.thread.spawn(function() ngx.sleep(0.001) ngx.print("a") end)
     local b = ngx.thread.spawn(function() ngx.sleep(5) end) local c = ngx.thread.spawn(ngx.req.read_body)
     ngx.thread.wait(a) ngx.thread.kill(b) ngx.thread.wait(c)
     ngx.timer.at(0.001, function() ngx.sleep(0.001) end) ngx.print("b")`,
    { body: true, check: is("ab") },
  ),
  cosocket: lua(
    `local s = ngx.socket.tcp() s:settimeout(200) if not s:connect("127.0.0.1", __ORIGIN__) then return ngx.exit(502) end
     s:send("GET /?o=" .. ngx.var.arg_o .. " HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
     local head, e = s:receiveuntil("\\r\\n\\r\\n")() if not head then ngx.say(e) s:close() return end
     local d = s:receive(tonumber(head:match("Length: (%d+)") or 0)) if d then s:setkeepalive(100, 4) end ngx.say(#head)`,
    { query: kind, failing: true },
  ),
  logsocket: {
    conf: `return 200 "logged"; log_by_lua_block { local s = ngx.socket.tcp() s:settimeout(100)
      if s:connect("127.0.0.1", __ORIGIN__) then s:send("GET /?o=" .. ngx.var.arg_o .. " HTTP/1.1\\r\\n\\r\\n") s:receive() s:close() end }`,
    query: kind,
    check: is("logged"),
  },
  luaerror: lua('ngx.print(("e"):rep(5000)) ngx.flush() ngx.sleep(0.001) error("as told")', { cut: true }),
  failed: { conf: 'access_by_lua_block { ngx.sleep(0.001) error("as told") } echo x;', failing: true, body: true },
  exec: lua('ngx.req.read_body() ngx.sleep(0) ngx.exec("/read")', { body: true, check: echoes }),
  execn: lua('ngx.exec("@named")', { body: true, check: is("named\n") }),
  redirect: { conf: 'rewrite_by_lua_block { ngx.sleep(0) ngx.redirect("/return") }', body: true },
  rewritten: { conf: "rewrite ^ /read last;", body: true, check: echoes },
  errorpage: { conf: "error_page 403 =200 /sleep; deny all;", body: true, check: is("slept\n") },
  errornamed: { conf: "error_page 404 500 =200 @named; return 404;", body: true, check: is("named\n") },
  exits: {
    conf: "access_by_lua_block { ngx.exit(tonumber(ngx.var.arg_s)) } echo x;",
    query: (r) => `?s=${r.pick([200, 204, 301, 403, 404, 410, 500, 503])}`,
    body: true,
    failing: true,
  },
  444: { conf: "return 444;", cut: true },
  lua444: lua("ngx.sleep(0.001) ngx.exit(444)", { cut: true, body: true }),
  "p-buf": proxy(""),
  "p-small": proxy("proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k; proxy_max_temp_file_size 0;"),
  "p-temp": proxy("proxy_buffers 2 4k; proxy_busy_buffers_size 4k; proxy_limit_rate 10m;"),
  "p-unbuf": proxy("proxy_buffering off;"),
  "p-stream": proxy("proxy_request_buffering off;"),
  "p-both": proxy("proxy_request_buffering off; proxy_buffering off; proxy_ignore_client_abort on;"),
  "p-error": proxy("proxy_intercept_errors on; error_page 404 413 502 504 = @named;", { check: undefined }),
  "p-filter": proxy(
    `gzip on; gzip_types *; gunzip on; header_filter_by_lua_block { ngx.sleep(0.001) }
    body_filter_by_lua_block { ngx.sleep(0) }`,
    { fields: ["Accept-Encoding"] },
  ),
  "p-gunzip": proxy("gunzip on;"),
  "p-next": {
    ...proxy("proxy_next_upstream error timeout invalid_header http_404; proxy_next_upstream_tries 2;"),
    check: undefined,
  },
  "p-lua": proxy(
    `rewrite_by_lua_block { ngx.req.read_body() ngx.sleep(0.001) } access_by_lua_block { ngx.location.capture("/sleep") }`,
  ),
  "p-cache": proxy(
    `proxy_cache zone; proxy_cache_key $uri$args; proxy_cache_valid 200 404 1s; proxy_cache_lock on; proxy_hide_header X-Origin-Id;
     proxy_cache_use_stale error timeout updating http_404; proxy_cache_background_update on; proxy_cache_revalidate on;`,
    { check: undefined, fields: ["Range"] },
  ),
  "p-up": proxy("proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;", {
    upgrade: true,
    check: undefined,
  }),
  memcached: {
    conf: "set $memcached_key $arg_k; memcached_pass mc; memcached_read_timeout 200ms;",
    query: (r) => `?k=${r.pick(["ok", "none", "halfbody", "halfhead", "badline", "reset", "never"])}`,
    cut: (q) => q.uri.endsWith("halfbody"),
    check: (a, q) => (q.uri.endsWith("k=ok") ? asks(originBody("ok"))(a) : undefined),
  },
  memc: {
    conf: "set $memc_cmd set; set $memc_key k$arg_k; memc_pass mc; memc_read_timeout 200ms;",
    query: (r) => `?k=${r.pick(["ok", "bad"])}`,
    body: true,
  },
  mirror: {
    conf: "mirror /copy; mirror /p-stream?o=slow; proxy_pass http://up;",
    query: kind,
    body: true,
    check: origin,
    cut: isCut,
  },
  mirrorlua: { conf: `mirror /copy; content_by_lua_block { ${readsBody} }`, body: true, check: echoes },
  copy: { conf: "internal; proxy_request_buffering off; proxy_pass http://up;" },
  action: { conf: "post_action /sleep; echo acted;", body: true, check: is("acted\n") },
  actionp: { conf: "post_action @posted; proxy_pass http://up;", query: kind, body: true, check: origin, cut: isCut },
  ssi: { conf: "alias __PREFIX__/html/page.shtml; ssi on; ssi_types *;" },
  "p-ssi": proxy("ssi on; sub_filter ok OK;", { query: (r) => `?o=${r.pick(["ssi", "chunks"])}` }),
  sub: {
    conf: "alias __PREFIX__/html; sub_filter needle pin; sub_filter_once off;",
    query: (r) => r.pick(["/page.html", "/empty.txt"]),
  },
  rate: {
    conf: "alias __PREFIX__/html/page.html; limit_rate 400k; limit_rate_after 4k;",
    check: (a) => asks(files["html/page.html"])(a),
  },
  limited: { conf: "limit_req zone=req burst=3; echo limited;", body: true },
  conn: { conf: "limit_conn conn 2; echo_sleep 0.002; echo conn;", body: true },
  auth: { conf: "auth_request /allow; echo in;", body: true, check: is("in\n") },
  authp: { conf: "auth_request /p-buf; echo in;", query: kind, body: true, failing: true },
  allow: { conf: "content_by_lua_block { ngx.sleep(0.001) ngx.exit(200) }" },
  basic: { conf: "auth_delay 20ms; auth_basic x; auth_basic_user_file users; echo in;", body: true },
  any: {
    conf: "satisfy any; deny all; auth_request /p-buf; access_by_lua_block { ngx.sleep(0.001) } echo in;",
    query: kind,
    body: true,
    failing: true,
  },
  postpone: {
    conf: 'postpone_output 1; content_by_lua_block { for i = 1, 30 do ngx.print("p") end }',
    check: is("p".repeat(30)),
  },
  gif: { conf: "empty_gif;" },
  timeouts: {
    conf: `client_body_timeout 200ms; send_timeout 200ms; reset_timedout_connection on; content_by_lua_block { ${readsBody} }`,
    body: true,
    cut: true,
  },
  put: {
    conf: "root dav; dav_methods PUT DELETE; create_full_put_path on; client_body_temp_path temp;",
    method: "PUT",
    body: true,
  },
};

/** Adds locations to them. */
export function addLocations(more) {
  Object.assign(locations, more);
}
