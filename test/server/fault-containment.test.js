// SPDX-License-Identifier: MIT
// lua_fault_containment: a fault in Lua's machine code or a foreign function ends its VM. The culprit gets a 500, what waits in
// that VM a 503 on a connection that stays, and another VM serves. In processes of their own: a fault that is not contained
// ends one.
import test from "ava";
import { startProcess, waitFor } from "../helpers/index.js";
import { existsSync } from "node:fs";
import { Agent, get } from "node:http";

const ffi = `local ffi = require("ffi")`;
const interpreted = `require("jit").off(true, true)`;
const faults = {
  "reads a null pointer": `${ffi} ngx.say(ffi.cast("int *", 0)[0])`,
  "reads a null pointer, interpreted": `${interpreted} ${ffi} ngx.say(ffi.cast("int *", 0)[0])`,
  "writes a wild pointer in a compiled loop": `${ffi} local a, p = ffi.new("int[1]") local wild = ffi.cast("int *", 64)
    for i = 1, 1000 do p = i < 900 and ffi.cast("int *", a) or wild p[0] = i end`,
  "ffi.string of a wild pointer": `${ffi} ngx.say(ffi.string(ffi.cast("char *", 64)))`,
  "strlen(NULL)": `${ffi} ffi.cdef("size_t strlen(const char *);") ngx.say(tostring(ffi.C.strlen(nil)))`,
  "memcpy to NULL in a compiled loop": `${ffi} local a = ffi.new("char[64]")
    for i = 1, 1000 do ffi.copy(i < 900 and a or ffi.cast("char *", 64), a, 64) end`,
  "a call of NULL": `${ffi} ffi.cast("void (*)(void)", 0)()`,
  "abort()": `${ffi} ffi.cdef("void abort(void);") ffi.C.abort()`,
  "in a user coroutine": `${ffi} coroutine.wrap(function() ngx.say(ffi.cast("int *", 0)[0]) end)()`,
  "under pcall": `${ffi} pcall(function() return ffi.cast("int *", 0)[0] + 1 end) ngx.say("caught")`,
  "after a wait": `${ffi} ngx.sleep(0.01) ngx.say(ffi.cast("int *", 0)[0])`,
  "in a light thread": `${ffi} ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(0) return ffi.cast("int *", 0)[0] end))`,
};

/** Under a sanitizer, which reports faults itself, none is contained. */
const contained = process.env.MW_TEST_SANITIZER ? test.skip : test;

const config = (locations, http = "") => ({
  conf: `worker_processes 1; error_log logs/error.log info; events {} http { access_log off; ${http}
    server { listen 127.0.0.1:__PORT__; ${locations}
      location /after { content_by_lua_block { ngx.say("ok") } } } }`,
});

/** A GET on a kept connection: status, body, and the connection's local port. */
const ask = (agent, s, path) =>
  new Promise((resolve, reject) => {
    get(s.url + path, { agent }, (res) => {
      let body = "";
      const port = res.socket.localPort;
      res.on("data", (d) => (body += d)).on("end", () => resolve({ status: res.statusCode, body, port }));
    }).on("error", reject);
  });

for (const [name, code] of Object.entries(faults)) {
  contained(name, async (t) => {
    const s = await startProcess(t, config(`location / { content_by_lua_block { ${code} } }`));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.teardown(() => agent.destroy());
    t.is((await ask(agent, s, "/")).status, 500);
    const after = await ask(agent, s, "/after");
    t.is(after.body, "ok\n");
    t.regex(s.log(), /\[alert\] .*lua VM lost \(the worker's 1\.\): .* content_by_lua\(nginx\.conf:\d+\)\S*; another/);
  });
}

contained("what waits in the lost VM gets a 503 on connections that stay; timers and dictionaries", async (t) => {
  const s = await startProcess(
    t,
    config(
      `location /wait { content_by_lua_block { ngx.shared.d:incr("waiting", 1, 0) ngx.sleep(30) ngx.say("no") } }
       location /count { content_by_lua_block { ngx.say(ngx.shared.d:get("waiting"), " ", ngx.shared.d:get("starts")) } }
       location /wild { content_by_lua_block { require("ffi").cast("int *", 0)[0] = 1 } }`,
      `lua_shared_dict d 1m; init_worker_by_lua_block {
         ngx.shared.d:incr("starts", 1, 0) ngx.timer.every(0.02, function() ngx.shared.d:incr("ticks", 1, 0) end) }`,
    ),
  );
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const waiting = Array.from({ length: 20 }, () => ask(agent, s, "/wait"));
  await waitFor(async () => (await s.get("/count")).body === "20 1\n", "20 requests to wait");
  t.is((await s.get("/wild")).status, 500);
  const answers = await Promise.all(waiting);
  t.deepEqual([...new Set(answers.map((a) => a.status))], [503]);
  const ports = new Set(answers.map((a) => a.port));
  const again = await Promise.all(answers.map(() => ask(agent, s, "/after")));
  t.true(again.every((a) => a.body === "ok\n" && ports.has(a.port)));
  t.is((await s.get("/count")).body, "20 2\n");
  for (let i = 0; i < 5; ++i) t.is((await s.get("/wild")).status, 500);
  t.is((await s.get("/after")).body, "ok\n");
});

contained("a fault in a captured subrequest, and in one of that one's", async (t) => {
  const wild = `require("ffi").cast("int *", 0)[0] = 1`;
  const s = await startProcess(
    t,
    config(`error_page 500 502 /page;
      location /page { content_by_lua_block { ngx.say("page of ", ngx.status) } }
      location /wild { content_by_lua_block { ${wild} } }
      location /header { content_by_lua_block { ngx.say("x") } header_filter_by_lua_block { ${wild} } }
      location /rewrite { rewrite_by_lua_block { ${wild} } content_by_lua_block { ngx.say("x") } }
      location /late { content_by_lua_block { ngx.sleep(0.01) ${wild} } }
      location /inner { content_by_lua_block { ngx.print(ngx.location.capture("/wild").status) } }
      location /capture { content_by_lua_block {
        ngx.location.capture("/after")
        local ok, res = pcall(ngx.location.capture, "/" .. ngx.var.arg_u)
        ngx.log(ngx.ERR, "went on") ngx.say(ok and res.status) }
        log_by_lua_block { ngx.log(ngx.WARN, "logged ", ngx.status) } }
      location /multi { content_by_lua_block { ngx.location.capture_multi({ { "/after" }, { "/wild" }, { "/after" } }) } }`),
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  let lost = 0;
  for (const path of ["wild", "header", "rewrite", "late", "inner"].map((u) => `/capture?u=${u}`).concat("/multi")) {
    t.is((await ask(agent, s, path)).status, 503, path);
    t.is((await ask(agent, s, "/after")).body, "ok\n", path);
    t.is(s.log().match(/lua VM lost/g).length, ++lost, path);
  }
  t.notRegex(s.log(), /went on/);
  t.is(s.log().match(/logged 503/g).length, 5);
});

contained("a fault in a log handler and in a timer", async (t) => {
  const wild = `require("ffi").cast("int *", 0)[0] = 1`;
  const s = await startProcess(
    t,
    config(`location /log { content_by_lua_block { ngx.say("ok") } log_by_lua_block { ${wild} } }
      location /timer { content_by_lua_block { ngx.timer.at(0, function() ${wild} end) ngx.say("ok") } }`),
  );
  t.is((await s.get("/log")).body, "ok\n");
  t.is((await s.get("/timer")).body, "ok\n");
  await waitFor(() => (s.log().match(/lua VM lost/g) ?? []).length >= 2, "both faults");
  t.is((await s.get("/after")).body, "ok\n");
});

contained("timers that the culprit made are gone with their VM, those due at once too", async (t) => {
  const s = await startProcess(
    t,
    config(`location /wild { content_by_lua_block {
        ngx.timer.at(0, function() ngx.log(ngx.ERR, "ran in the lost VM") end)
        require("ffi").cast("int *", 0)[0] = 1 } }`),
  );
  t.is((await s.get("/wild")).status, 500);
  t.is((await s.get("/after")).body, "ok\n");
  t.notRegex(s.log(), /ran in the lost VM/);
  t.is(s.log().match(/lua VM lost/g).length, 1);
});

contained("the ngx.ctx that a capture is given stays with the lost VM", async (t) => {
  const s = await startProcess(
    t,
    config(
      `location /capture { content_by_lua_block { ngx.location.capture("/waits", { ctx = { of = "the lost VM" } }) } }
       location /waits { proxy_pass http://127.0.0.1:__PORT__/sleeps; log_subrequest on;
         log_by_lua_block { ngx.log(ngx.ERR, "ctx of ", tostring(ngx.ctx.of)) } }
       location /sleeps { content_by_lua_block { ngx.shared.d:set("sleeps", 1) ngx.sleep(30) } }
       location /sleeping { content_by_lua_block { ngx.say(ngx.shared.d:get("sleeps")) } }
       location /ctx { content_by_lua_block { ngx.ctx.of = "another" ngx.sleep(0.3) ngx.say(ngx.ctx.of) } }
       location /wild { content_by_lua_block { require("ffi").cast("int *", 0)[0] = 1 } }`,
      "lua_shared_dict d 1m;",
    ),
  );
  const capture = s.get("/capture");
  await waitFor(async () => (await s.get("/sleeping")).body === "1\n", "the upstream's handler");
  t.is((await s.get("/wild")).status, 500);
  const others = await Promise.all([1, 2, 3].map(() => s.get("/ctx")));
  t.is((await capture).status, 503);
  t.deepEqual(
    others.map((r) => r.body),
    ["another\n", "another\n", "another\n"],
  );
  t.notRegex(s.log(), /ctx of (the lost VM|another)/);
});

contained("a premature timer that faults does not keep a server from ending", async (t) => {
  const s = await startProcess(
    t,
    config(
      "",
      `init_worker_by_lua_block { ngx.timer.every(30, function(premature)
         if premature then require("ffi").cast("int *", 0)[0] = 1 end end) }`,
    ),
  );
  t.is((await s.get("/after")).body, "ok\n");
  s.kill("SIGQUIT");
  t.is((await s.exit).code, 0);
  t.regex(s.log(), /lua VM lost/);
});

contained("a process of --processes is replaced after a fault, and finishes what it has", async (t) => {
  const s = await startProcess(t, {
    ...config(`
      location /pid { content_by_lua_block { ngx.say(ngx.worker.pid()) } }
      location /slow { content_by_lua_block { ngx.sleep(2) ngx.say(ngx.worker.pid()) } }
      location /wild { rewrite_by_lua_block { ngx.header.pid = ngx.worker.pid() }
        content_by_lua_block { require("ffi").cast("int *", 0)[0] = 1 } }`),
    args: ["--processes", "1"],
  });
  const pid = async () => Number((await s.get("/pid")).body);
  const first = await pid();
  await new Promise((next) => setTimeout(next, 1000)); // a young process is given its time
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  t.is((await ask(agent, s, "/wild")).status, 500);
  const slow = ask(agent, s, "/slow"); // of whichever has the socket now: it is answered all the same
  const second = await waitFor(async () => {
    const now = await pid(); // both serve for a moment
    return now !== first && now;
  }, "the next process");
  t.is((await slow).status, 200);
  await waitFor(() => !existsSync(`/proc/${first}`), "the first process's end");
  t.is(await pid(), second);
  t.regex(s.log(), new RegExp(`worker process ${first} is replaced`));
});

test("a fault in the allocator, or with containment off, ends the process", async (t) => {
  const untrusted = `local ffi = require("ffi") ffi.cdef("void free(void *);") ffi.C.free(ffi.cast("void *", 4096))`;
  const wild = `require("ffi").cast("int *", 0)[0] = 1`;
  for (const [code, http] of [
    [untrusted, ""],
    [wild, "lua_fault_containment off;"],
  ]) {
    const s = await startProcess(t, config(`location / { content_by_lua_block { ${code} } }`, http));
    await t.throwsAsync(s.get("/"), undefined, s.log());
    t.notRegex(s.log(), /lua VM lost/);
  }
});
