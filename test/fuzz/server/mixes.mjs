// SPDX-License-Identifier: MIT
// Locations that are put together by chance: a content handler and what else a location may have. The seed decides.
import { Random } from "../random.mjs";
import { originKinds } from "./origin.mjs";

const reads = "ngx.req.read_body()";
/** Directive to what it may be given; at most one of each stands in a location. */
const extras = {
  rewrite_by_lua_block: [
    "{ ngx.sleep(0.001) }",
    `{ ${reads} }`,
    "{ ngx.req.discard_body() }",
    `{ ${reads} ngx.req.set_body_data(("s"):rep(9000)) }`,
    "{ ngx.req.set_header('X-New', 'n') ngx.req.set_uri_args('o=ok') }",
  ],
  access_by_lua_block: [
    "{ ngx.sleep(0.003) }",
    "{ ngx.location.capture('/sleep') }",
    `{ ${reads} ngx.location.capture_multi({{ '/p-buf?o=chunks' }, { '/read', { method = ngx.HTTP_POST } }}) }`,
    "{ ngx.thread.spawn(function() ngx.sleep(0.004) end) }",
    "{ ngx.print('early') ngx.flush(true) ngx.exit(200) }",
  ],
  precontent_by_lua_block: ["{ ngx.sleep(0.001) }", `{ ${reads} }`],
  header_filter_by_lua_block: ["{ ngx.sleep(0.002) }", "{ ngx.header.content_length = nil }", "{ ngx.status = 201 }"],
  body_filter_by_lua_block: [
    "{ ngx.sleep(0.001) }",
    "{ if ngx.arg[2] then ngx.arg[1] = ngx.arg[1] .. 'end' end }",
    "{ ngx.arg[1] = nil }",
    "{ if #ngx.arg[1] > 5000 then ngx.arg[2] = true end }",
  ],
  log_by_lua_block: ["{ ngx.sleep(0.003) }", "{ ngx.timer.at(0, function() end) }"],
  auth_request: ["/allow", "/p-buf", "/phases"],
  mirror: ["/copy", "/p-unbuf", "/read"],
  post_action: ["/sleep", "@posted", "/p-buf"],
  satisfy: ["any"],
  deny: ["all"],
  auth_delay: ["5ms"],
  error_page: ["403 404 500 502 504 /sleep", "403 404 413 502 504 = @named", "404 502 /p-buf?o=ok"],
  gzip: ["on"],
  gunzip: ["on"],
  ssi: ["on"],
  ssi_types: ["*"],
  sub_filter: ["e EE", "ok kokoko"],
  sub_filter_types: ["*"],
  limit_rate: ["200k"],
  postpone_output: ["0", "1", "8k"],
  client_body_in_file_only: ["clean"],
  client_body_buffer_size: ["100", "1k"],
  client_max_body_size: ["5k"],
  lua_check_client_abort: ["on"],
  lua_need_request_body: ["on"],
  reset_timedout_connection: ["on"],
  send_timeout: ["100ms"],
  chunked_transfer_encoding: ["off"],
  lingering_close: ["off", "always"],
  keepalive_timeout: ["0", "100ms"],
  output_buffers: ["1 1k"],
  add_trailer: ["X-Trailer t"],
  echo_before_body: ["before"],
  echo_after_body: ["after"],
  if_modified_since: ["off"],
  proxy_buffering: ["off"],
  proxy_request_buffering: ["off"],
  proxy_ignore_client_abort: ["on"],
  proxy_intercept_errors: ["on"],
  proxy_cache: ["zone"],
  proxy_cache_valid: ["200 1s"],
  proxy_buffers: ["2 1k"],
  proxy_buffer_size: ["1k"],
  proxy_busy_buffers_size: ["1k"],
  proxy_next_upstream: ["error timeout http_404"],
  proxy_limit_rate: ["100k"],
  proxy_pass_request_body: ["off"],
  proxy_store: ["__PREFIX__/temp/stored"],
  limit_conn: ["conn 3"],
};
const names = Object.keys(extras);

const handlers = [
  "proxy_pass http://up;",
  "proxy_pass http://up;",
  "proxy_pass http://up;",
  "root html; try_files /page.html =404;",
  "alias __PREFIX__/html/big.bin;",
  "alias __PREFIX__/html/page.shtml;",
  "echo a; echo_location /p-buf?o=big; echo_location_async /phases; echo b;",
  "return 200 returned;",
  "return 404;",
  `content_by_lua_block { ${reads} ngx.print(("c"):rep(30000)) ngx.sleep(0.002) ngx.print("d") }`,
  'content_by_lua_block { for i = 1, 30 do ngx.print(("c"):rep(9000)) ngx.flush(true) end }',
  'content_by_lua_block { local r = ngx.location.capture("/p-buf", { share_all_vars = true }) ngx.print(r.body) ngx.exec("/read") }',
  `content_by_lua_block { local s = ngx.req.socket() if s then s:settimeout(200) s:receive(10) end ngx.say("socket") }`,
  "set $memcached_key halfbody; memcached_pass mc;",
];

/** `size`: a buffer that proxy_busy_buffers_size must not exceed; these three stand together or not at all. */
function together(chosen) {
  const buffers = ["proxy_buffers", "proxy_buffer_size", "proxy_busy_buffers_size"];
  if (buffers.some((name) => chosen.has(name))) buffers.forEach((name) => chosen.add(name));
  if (chosen.has("proxy_store")) chosen.delete("proxy_cache");
}

/** Some locations of that seed, in the form of locations.mjs. */
export function mixes(seed, count = 40) {
  const r = Random.of(seed, 0x6d6978);
  const out = {};
  for (let i = 0; i < count; i++) {
    const chosen = new Set();
    for (let n = 1 + r.below(7); n > 0; n--) chosen.add(r.pick(names));
    together(chosen);
    const directives = [...chosen].map(
      (name) => `${name} ${r.pick(extras[name])}${name.endsWith("_block") ? "" : ";"}`,
    );
    out[`mix${i}`] = {
      conf: `${directives.join(" ")} ${r.pick(handlers)}`,
      query: (q) => `?o=${q.once(2) ? q.pick(originKinds) : q.pick(["ok", "big", "chunks", "slow", "ssi"])}`,
      body: true,
      cut: true,
      failing: true,
    };
  }
  return out;
}
