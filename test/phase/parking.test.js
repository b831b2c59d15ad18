// SPDX-License-Identifier: MIT
// Handlers that wait where nginx's may not: in filters, in log, at start and end. What goes out stays whole and in order.
import test from "ava";
import { connect } from "node:net";
import { startMoonwire } from "../helpers/index.js";
import { waitFor } from "../helpers/process.js";

const marks = `body_filter_by_lua_block {
  ngx.sleep(math.random() / 500) if ngx.arg[1] ~= "" then ngx.arg[1] = "<" .. ngx.arg[1] .. ">" end }`;

test("a body filter that waits at every chunk keeps their order, for many requests at once", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { ${marks} content_by_lua_block {
      for i = 1, 10 do ngx.print(i) ngx.flush(true) if i % 3 == 0 then ngx.sleep(0.001) end end } }`,
  });
  const answers = await Promise.all(Array.from({ length: 40 }, () => s.get()));
  for (const { body } of answers) t.is(body, "<1><2><3><4><5><6><7><8><9><10>");
});

test("a filter that waits and a writer that does not: chunks without a flush between", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { ${marks} content_by_lua_block { for i = 1, 50 do ngx.print("x", i) end ngx.eof() ngx.sleep(0.01) } }`,
  });
  t.is((await s.get()).body.replace(/[<>]/g, ""), Array.from({ length: 50 }, (_, i) => `x${i + 1}`).join(""));
});

test("a header filter that waits: nothing goes out before it, headers it sets do", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/a.txt": "file" },
    server: `root html;
      header_filter_by_lua_block { ngx.sleep(0.005) ngx.header["X-Late"] = "yes" ngx.header.content_length = nil }
      location /lua { content_by_lua_block { ngx.say("a") ngx.say("b") } }
      location /flush { content_by_lua_block { ngx.say("a") ngx.flush(true) ngx.say("b") } }
      location /return { return 201 "returned"; }
      location /error { return 404; }`,
  });
  for (const [path, status, body] of [
    ["/lua", 200, "a\nb\n"],
    ["/flush", 200, "a\nb\n"],
    ["/return", 201, "returned"],
    ["/a.txt", 200, "file"],
    ["/error", 404, /404 Not Found/],
  ])
    for (const method of ["GET", "HEAD"]) {
      const answer = await s.get(path, { method });
      t.is(answer.status, status, path);
      t.is(answer.headers["x-late"], "yes", path);
      if (method === "HEAD") t.is(answer.body, "", path);
      else if (body instanceof RegExp) t.regex(answer.body, body);
      else t.is(answer.body, body, path);
    }
});

test("body filters that wait: static files large and small, return, error pages", async (t) => {
  const large = "0123456789abcdef".repeat(40_000);
  const s = await startMoonwire(t, {
    files: { "html/a.txt": "file", "html/large.txt": large, "html/404.html": "own page" },
    server: `root html; error_page 404 /404.html;
      header_filter_by_lua_block { ngx.header.content_length = nil }
      body_filter_by_lua_block { ngx.sleep(0.002) ngx.arg[1] = ngx.arg[1]:upper() }
      location /return { return 200 "returned"; }`,
  });
  t.is((await s.get("/a.txt")).body, "FILE");
  t.true((await s.get("/large.txt")).body === large.toUpperCase());
  t.is((await s.get("/return")).body, "RETURNED");
  const missing = await s.get("/none");
  t.is(missing.status, 404);
  t.is(missing.body, "OWN PAGE");
});

test("pipelined requests behind one whose filter waits are answered in order", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block { ngx.print(ngx.var.arg_n) }
      header_filter_by_lua_block { if ngx.var.arg_n == "1" then ngx.sleep(0.02) end }
      body_filter_by_lua_block { if ngx.var.arg_n == "2" then ngx.sleep(0.01) end } }`,
  });
  const one = (n, more = "") => `GET /?n=${n} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
  const answer = await s.raw(one(1) + one(2) + one(3) + one(4, "Connection: close\r\n"));
  t.deepEqual(
    [...answer.toString().matchAll(/\r\n\r\n(?:1\r\n)?(\d)/g)].map((m) => m[1]),
    ["1", "2", "3", "4"],
  );
});

test("a log handler that waits delays neither its response nor the next request of the connection", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block { ngx.ctx.n = ngx.var.arg_n ngx.print(ngx.var.arg_n) }
      log_by_lua_block { local status = ngx.status ngx.sleep(1)
        ngx.log(ngx.ERR, "logged ", ngx.ctx.n, " ", ngx.var.arg_n, " ", status, " ", ngx.var.uri) } }`,
  });
  const one = (n, more = "") => `GET /?n=${n} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
  const answer = await s.raw(one(1) + one(2) + one(3, "Connection: close\r\n"));
  t.false(s.log().includes("logged"), "the answers are here before the first handler has woken");
  t.is(answer.toString().match(/200 OK/g).length, 3);
  for (const n of [1, 2, 3]) await waitFor(() => s.log().includes(`logged ${n} ${n} 200 /`), `log ${n}`);
});

test("light threads, semaphores and timers in log, many at once, leave nothing", async (t) => {
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 100k;",
    server: `location / { content_by_lua_block { ngx.say("hi") } log_by_lua_block {
        local sem = require("ngx.semaphore").new()
        local waiter = ngx.thread.spawn(function() assert(sem:wait(5)) return 1 end)
        ngx.timer.at(0.002, function() sem:post() end)
        local ok, n = ngx.thread.wait(waiter)
        ngx.shared.d:incr("n", ok and n or 100, 0) } }
      location /n { content_by_lua_block { ngx.print(ngx.shared.d:get("n")) } log_by_lua_block { local _ = 1 } }`,
  });
  await Promise.all(Array.from({ length: 60 }, () => s.get()));
  await waitFor(async () => (await s.get("/n")).body === "60", "60 log handlers");
  await waitFor(() => s.server.stats()[0].timersPending === 0 && s.server.stats()[0].timersRunning === 0, "no timers");
  t.pass();
});

test("a client that goes while filters and log wait harms nobody", async (t) => {
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 100k;",
    server: `location / { access_by_lua_block { ngx.shared.d:incr("begun", 1, 0) }
        content_by_lua_block { for i = 1, 20 do ngx.say(("x"):rep(1000)) ngx.flush() end }
        header_filter_by_lua_block { ngx.sleep(0.01) } body_filter_by_lua_block { ngx.sleep(0.002) }
        log_by_lua_block { ngx.sleep(0.01) ngx.shared.d:incr("n", 1, 0) } }
      location /n { content_by_lua_block { ngx.print((ngx.shared.d:get("n") or 0) - ngx.shared.d:get("begun")) } }`,
  });
  for (let i = 0; i < 20; i++) {
    const socket = connect(s.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await new Promise((next) => setTimeout(next, i));
    if (i % 2) socket.resetAndDestroy();
    else socket.destroy();
  }
  t.is((await s.get()).status, 200);
  await waitFor(async () => (await s.get("/n")).body === "0", "as many log handlers as requests");
});

test("init and init_worker wait: the server answers when they are done", async (t) => {
  const s = await startMoonwire(t, {
    files: { "slow.lua": `ngx.sleep(0.01) return { value = "loaded" }` },
    http: `lua_package_path "__PREFIX__/?.lua;;";
      init_by_lua_block { ngx.sleep(0.01) slow = require "slow" }
      init_worker_by_lua_block {
        local sem = require("ngx.semaphore").new() ngx.timer.at(0.01, function() ngx.sleep(0.01) sem:post() end)
        assert(sem:wait(5)) ready = true }`,
    server: `location / { content_by_lua_block { ngx.print(slow.value, " ", ready) } }`,
  });
  t.is((await s.get()).body, "loaded true");
});

test("an error after a wait: in filters and log one entry for each run, with its place", async (t) => {
  const s = await startMoonwire(t, {
    server: ["header_filter", "body_filter", "log"]
      .map(
        (p) => `location /${p} { content_by_lua_block { ngx.say("hi") }
          ${p}_by_lua_block { ngx.sleep(0.002) error("oops in ${p}") } }`,
      )
      .join("\n"),
  });
  for (const phase of ["header_filter", "body_filter", "log"]) {
    await s.get(`/${phase}`).catch(() => {});
    await waitFor(
      () => new RegExp(`\\[error\\].*${phase}_by_lua\\(nginx\\.conf:\\d+\\):\\d: oops in ${phase}`).test(s.log()),
      s.log(),
      2000,
    );
    // The body filter is called for the chunk and for the end, as in nginx.
    t.is(s.log().split(`oops in ${phase}`).length - 1, phase === "body_filter" ? 2 : 1, s.log());
  }
});

test("handlers that wait in all eight phases while the server reloads, then drains: no request is lost", async (t) => {
  const waits = ["rewrite", "access", "precontent", "header_filter", "body_filter"];
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 100k;",
    server: `server_rewrite_by_lua_block { ngx.sleep(0.003) }
      location / { ${waits.map((p) => `${p}_by_lua_block { ngx.sleep(0.003) }`).join("\n")}
        content_by_lua_block { ngx.sleep(0.003) ngx.say("a") ngx.flush(true) ngx.say("b") }
        log_by_lua_block { ngx.sleep(0.02) ngx.log(ngx.ERR, "logged") } }`,
  });
  const answers = [];
  for (let i = 0; i < 5; i++) {
    for (let k = 0; k < 10; k++) answers.push(s.get());
    await new Promise((next) => setTimeout(next, 4 * i));
    await s.server.reload();
  }
  for (const { body } of await Promise.all(answers)) t.is(body, "a\nb\n");
  await s.server.close({ drainMs: 5000 });
  t.is(s.log().match(/ logged while logging request,/g).length, 50);
});
