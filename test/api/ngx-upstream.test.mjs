// SPDX-License-Identifier: MIT
// ngx.upstream: what it tells of upstream blocks, and servers that it takes out and in again.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

const http = `
  upstream one { server 127.0.0.1:1 weight=4 max_fails=100 fail_timeout=53; server 127.0.0.2:2 down; server 127.0.0.3:3 backup; }
  upstream two { server 127.0.0.1:__PORT__; server localhost:__PORT__; zone z 64k; }
  upstream lone { server 127.0.0.1:__PORT__; }
`;
const server = `
  listen 127.0.0.1:__PORT__;
  location /two { proxy_pass http://two/answer; log_by_lua_block { went = require("ngx.upstream").current_upstream_name() } }
  location /lone { proxy_pass http://lone/answer; }
  location /answer { return 200 ok; }
  location /constant { proxy_pass http://127.0.0.1:__PORT__/answer; }
  location /lua { content_by_lua_block {
    local args = ngx.req.get_uri_args()
    local u = require "ngx.upstream"
    local function show(value)
      if type(value) ~= "table" then return tostring(value) end
      local keys = {}
      for key in pairs(value) do keys[#keys + 1] = key end
      table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
      for i, key in ipairs(keys) do keys[i] = key .. "=" .. show(value[key]) end
      return "{" .. table.concat(keys, " ") .. "}"
    end
    local f = assert(loadstring("local u, went = ... return " .. args.run))
    local a, b = f(u, went)
    ngx.say(show(a), " ", show(b))
  } }`;

async function start(t) {
  const s = await startMoonwire(t, { http, server });
  s.lua = async (code) => (await s.get(`/lua?run=${encodeURIComponent(code)}`)).body.trimEnd();
  return s;
}

test("blocks, servers as written, and what is remembered of each address", async (t) => {
  const s = await start(t);
  t.is(await s.lua("u.get_upstreams()"), "{1=one 2=two 3=lone} nil");
  const one =
    "{1={addr=127.0.0.1:1 fail_timeout=53 max_fails=100 name=127.0.0.1:1 weight=4} " +
    "2={addr=127.0.0.2:2 down=true fail_timeout=10 max_fails=1 name=127.0.0.2:2 weight=1} " +
    "3={addr=127.0.0.3:3 backup=true fail_timeout=10 max_fails=1 name=127.0.0.3:3 weight=1}} nil";
  t.is(await s.lua("u.get_servers('one')"), one);
  const peer = (id, name, more) =>
    `{conns=0 current_weight=0 ${id === 1 ? "down=true " : ""}effective_weight=${more[0]} fail_timeout=${more[1]} fails=0 id=${id} max_fails=${more[2]} name=${name} weight=${more[0]}}`;
  t.is(
    await s.lua("u.get_primary_peers('one')"),
    `{1=${peer(0, "127.0.0.1:1", [4, 53, 100])} 2=${peer(1, "127.0.0.2:2", [1, 10, 1])}} nil`,
  );
  t.is(await s.lua("u.get_backup_peers('one')"), `{1=${peer(0, "127.0.0.3:3", [1, 10, 1])}} nil`);
  t.is(await s.lua("u.get_backup_peers('two')"), "{} nil");
  for (const name of ["get_servers", "get_primary_peers", "get_backup_peers"])
    t.is(await s.lua(`u.${name}('none')`), "nil upstream not found");
  t.regex(await s.lua("pcall(u.get_servers)"), /^false .*string expected, got nil/);
});

test("a server that is set down is not asked until it is set up; the group of a request is known", async (t) => {
  const s = await start(t);
  t.is((await s.get("/lone")).body, "ok");
  t.is(await s.lua("u.set_peer_down('lone', false, 0, true)"), "true nil");
  t.is((await s.get("/lone")).status, 502);
  t.regex(s.log(), /no live upstreams while connecting to upstream.*"http:\/\/lone\/answer"/);
  t.is(await s.lua("u.set_peer_down('lone', false, 0, false)"), "true nil");
  t.is((await s.get("/lone")).body, "ok");

  t.is((await s.get("/two")).body, "ok");
  t.is(await s.lua("went"), "two nil");
  const count = Number(await s.lua("#u.get_primary_peers('two')").then((text) => text.split(" ")[0]));
  for (let id = 0; id < count; ++id) t.is(await s.lua(`u.set_peer_down('two', false, ${id}, true)`), "true nil");
  t.is((await s.get("/two")).status, 502);
  t.is(await s.lua("u.get_primary_peers('two')[1].down"), "true nil");
  t.is(await s.lua("u.set_peer_down('two', false, 0, false)"), "true nil");
  t.is((await s.get("/two")).body, "ok");

  t.is(await s.lua(`u.set_peer_down('two', false, ${count}, true)`), "nil bad peer id");
  t.is(await s.lua("u.set_peer_down('two', true, 0, true)"), "nil bad peer id");
  t.is(await s.lua("u.set_peer_down('none', false, 0, true)"), "nil upstream not found");
  t.is(await s.lua("u.current_upstream_name()"), "nil nil");
});
