// SPDX-License-Identifier: MIT
// mirror, sub_filter, add_trailer, recursive_error_pages.
import { connect } from "node:net";
import test from "ava";
import { startServer } from "../helpers/api.js";
import { waitFor } from "../helpers/process.js";
import { rawServer } from "../helpers/upstream.js";

test("mirror: copies go out, their answers nowhere", async (t) => {
  const s = await startServer(t, {
    http: "lua_shared_dict seen 100k;",
    server: `location = /main { mirror /copy; mirror /other; content_by_lua_block {
        ngx.req.read_body() ngx.say("main ", ngx.req.get_body_data()) } }
      location = /plain { mirror /copy; mirror_request_body off; echo plain; }
      location = /off { mirror off; echo off; }
      location = /copy { internal; content_by_lua_block { ngx.req.read_body()
        ngx.shared.seen:set("copy", ngx.var.request_method .. " " .. ngx.var.request_uri .. " " .. ngx.var.args .. " "
          .. (ngx.req.get_body_data() or "-")) ngx.say("copy") } }
      location = /other { internal; content_by_lua_block { ngx.sleep(0.2) ngx.shared.seen:set("other", "late") ngx.exit(500) } }
      location = /seen { content_by_lua_block { ngx.print(ngx.shared.seen:get(ngx.var.arg_k)) } }`,
  });
  const seen = async (k) => (await s.get(`/seen?k=${k}`)).body;
  t.is((await s.get("/main?x=y", { method: "POST", body: "the body" })).body, "main the body\n");
  t.is(await seen("copy"), "POST /main?x=y x=y the body");
  await waitFor(async () => (await seen("other")) === "late", "the copy that takes longer than the answer");
  t.is((await s.get("/plain?x", { method: "POST", body: "b" })).body, "plain\n");
  t.is(await seen("copy"), "POST /plain?x x -");
  t.is((await s.get("/off")).body, "off\n");
});

test("mirror: a copy has the body of when it began, in memory or in a file, whatever becomes of the request's own", async (t) => {
  const copies = [];
  const port = await rawServer(t, async (socket) => {
    await waitFor(() => socket.received().endsWith("end") || socket.destroyed).catch(() => {});
    copies.push(socket.received());
    socket.end("HTTP/1.1 204 x\r\n\r\n");
  });
  const s = await startServer(t, {
    server: `location /memory { mirror /copy; content_by_lua_block { ngx.req.set_body_data(("y"):rep(4000)) ngx.say("ok") } }
      location /file { client_body_in_file_only clean; mirror /copy; content_by_lua_block { ngx.req.read_body()
        ngx.req.set_body_data(("y"):rep(4000)) ngx.say("ok") } }
      location = /copy { proxy_pass http://127.0.0.1:${port}; }`,
  });
  const body = "x".repeat(4000) + "end";
  for (const path of ["/memory", "/file"]) {
    t.is((await s.get(path, { method: "POST", body })).body, "ok\n");
    await waitFor(() => copies.length, "the copy");
    t.true(copies.pop().endsWith(`\r\n\r\n${body}`), path);
  }
});

test("sub_filter: across writes, without case, once or always", async (t) => {
  const s = await startServer(t, {
    server: `default_type text/html;
      location = /once { sub_filter hello bye; sub_filter WORLD "<$arg_w>"; echo "Hello world, HELLO World"; }
      location = /all { sub_filter hello bye; sub_filter_once off; echo "Hello, hello, hel, hello"; }
      location = /split { sub_filter needle pin; sub_filter_once off; content_by_lua_block {
        for c in ("a nee needle needl e NEEDLE nee"):gmatch(".") do ngx.print(c) ngx.flush(true) end } }
      location = /type { default_type text/plain; sub_filter a b; echo a; }
      location = /types { default_type text/plain; sub_filter_types text/plain; sub_filter a b; echo a; }`,
  });
  const body = async (path) => (await s.get(path)).body;
  t.is(await body("/once?w=x"), "bye <x>, HELLO World\n");
  t.is(await body("/all"), "bye, bye, hel, bye\n");
  t.is(await body("/split"), "a nee pin needl e pin nee");
  t.is(await body("/type"), "a\n");
  t.is(await body("/types"), "b\n");
});

test("add_trailer: behind a chunked body", async (t) => {
  const s = await startServer(t, {
    server: `location = /t { add_trailer X-End "$uri $status"; add_trailer X-No ""; return 200 body; }
      location = /err { add_trailer X-End no; return 404 none; } location = /any { add_trailer X-End yes always; return 404 none; }`,
  });
  const raw = async (path, version = "1.1") =>
    (await s.raw(`GET ${path} HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`)).toString();
  t.true((await raw("/t")).endsWith("\r\n\r\n4\r\nbody\r\n0\r\nX-End: /t 200\r\n\r\n"));
  t.true((await raw("/t", "1.0")).endsWith("\r\n\r\nbody"));
  t.true((await raw("/err")).endsWith("\r\n\r\nnone"));
  t.true((await raw("/any")).endsWith("0\r\nX-End: yes\r\n\r\n"));
});

test("recursive_error_pages", async (t) => {
  const s = await startServer(t, {
    server: `error_page 404 /e404; error_page 403 = /e403; location = /e404 { return 403; } location = /e403 { return 200 shown; }
      location /on/ { recursive_error_pages on; return 404; } location = /one { return 404; }
      location = /e404r { recursive_error_pages on; error_page 403 = /e403; return 403; }
      location = /two { recursive_error_pages on; error_page 404 /e404r; return 404; }`,
  });
  t.is((await s.get("/one")).status, 403);
  t.is((await s.get("/two")).body, "shown");
});

test("a filter that fails in a subrequest ends the request", async (t) => {
  const s = await startServer(t, {
    server: `location = /sub { echo hello; body_filter_by_lua 'return ngx.ERROR'; }
      location = /main { content_by_lua_block { ngx.say(ngx.location.capture("/sub").status) } }`,
  });
  await t.throwsAsync(s.get("/main"));
});

test("an error_page that redirects to another host is no error of its own", async (t) => {
  const s = await startServer(t, {
    server: `recursive_error_pages on; error_page 302 http://other.test/;
      location = /t { return 302 /x; }`,
  });
  const answer = await s.get("/t");
  t.is(answer.status, 302);
  t.is(answer.headers.location, "http://other.test/");
});

test("a copy or a post_action that answers 444 takes nothing from the answer", async (t) => {
  const s = await startServer(t, {
    files: { "a.txt": "whole" },
    server: `location /m { mirror /none; alias __PREFIX__/a.txt; }
      location /p { post_action /none; alias __PREFIX__/a.txt; } location /n { post_action @none; alias __PREFIX__/a.txt; }
      location = /none { return 444; } location @none { return 444; }`,
  });
  for (let i = 0; i < 5; i++) for (const path of ["/m", "/p", "/n"]) t.is((await s.get(path)).body, "whole", path);
});

test("a client that resets its connection ends what an upstream is asked, whatever subrequests there are", async (t) => {
  const ends = [];
  const port = await rawServer(t, (socket, text) => {
    socket.on("close", () => ends.push(/^GET (\S+)/.exec(text)[1]));
    if (text.startsWith("GET /page")) socket.write(`HTTP/1.1 200 x\r\n\r\n<!--#include virtual="/slow" -->`);
  });
  const s = await startServer(t, {
    server: `location / { mirror /slow; proxy_pass http://127.0.0.1:${port}; }
      location /page { ssi on; default_type text/html; ssi_types *; proxy_buffering off; proxy_pass http://127.0.0.1:${port}; }
      location = /slow { content_by_lua_block { ngx.log(ngx.ERR, "slow has begun") ngx.sleep(60) } }`,
  });
  for (const [i, path] of ["/copied", "/page"].entries()) {
    const client = connect(s.port, "127.0.0.1").on("error", () => {});
    client.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
    await waitFor(() => s.log().split("slow has begun").length === i + 2, "the subrequest");
    client.resetAndDestroy();
    await waitFor(() => ends[i] === path, `the end of ${path}`);
  }
  t.deepEqual(ends, ["/copied", "/page"]);
});
