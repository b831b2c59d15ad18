// SPDX-License-Identifier: MIT
// lua_check_client_abort and ngx.on_abort: a client that closes before its answer.
import { connect } from "node:net";
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

/** Sends a request and closes: `after` ms later, or with the request. */
function leave(s, path, after = 50) {
  return new Promise((done) => {
    const socket = connect(s.port, "127.0.0.1", () => {
      const head = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
      if (after === 0) socket.end(head, done);
      else socket.write(head, () => setTimeout(() => socket.end(done), after));
    });
    socket.resume().on("error", () => {});
  });
}

const log = (text) => `ngx.log(ngx.NOTICE, "${text}")`;
const server = `
  location / { lua_check_client_abort on;
    location /end { access_log logs/access.log s; content_by_lua_block { ngx.sleep(0.3) ${log("main done")} } log_by_lua_block { ${log("logged")} } }
    location /told { content_by_lua_block { assert(ngx.on_abort(function() ngx.sleep(0.05) ${log("told")} end)) ngx.sleep(0.3) ${log("main done")} } }
    location /ended { content_by_lua_block { assert(ngx.on_abort(function() ${log("told")} ngx.exit(444) end)) ngx.sleep(0.3) ${log("main done")} } }
    location /twice { content_by_lua_block { ngx.on_abort(print) ngx.say(select(2, ngx.on_abort(print))) } }
    location /stays { content_by_lua_block { assert(ngx.on_abort(function() ${log("told")} end)) ngx.sleep(0.01) ngx.say("ok") } }
    location /capture { content_by_lua_block { ngx.location.capture("/sub") ${log("main done")} } }
    location /bad { content_by_lua_block { ngx.say(select(2, pcall(ngx.on_abort, 1))) } }
  }
  location /sub { content_by_lua_block { ngx.sleep(0.3) ${log("sub done")} } }
  location /off { content_by_lua_block { ngx.sleep(0.1) ${log("main done")} } }
`;
const start = (t) => startMoonwire(t, { http: "log_format s '$uri $status';", server });
const pause = (ms) => new Promise((next) => setTimeout(next, ms));

for (const after of [50, 0])
  test(`a handler whose client has gone ends with 499; it left ${after} ms after the request`, async (t) => {
    const s = await start(t);
    await leave(s, "/end", after);
    await waitFor(() => s.log().includes("logged"), "the log phase", 1000);
    t.regex(s.log(), /\[info\] .*epoll_wait\(\) reported that client prematurely closed connection, client: 127/);
    t.is(s.log("logs/access.log"), "/end 499\n");
    await pause(400);
    t.notRegex(s.log(), /main done/);
  });

test("the callback runs as a light thread beside the handler", async (t) => {
  const s = await start(t);
  await leave(s, "/told");
  await waitFor(() => s.log().includes("main done"), "the handler's end");
  t.regex(s.log(), /told[^]*main done/);
});

test("the callback may end the handler", async (t) => {
  const s = await start(t);
  await leave(s, "/ended");
  await waitFor(() => s.log().includes("told"), "the callback");
  await pause(400);
  t.notRegex(s.log(), /main done|\[error\]/);
});

test("pending subrequests go with it", async (t) => {
  const s = await start(t);
  await leave(s, "/capture");
  await pause(500);
  t.notRegex(s.log(), /done|\[error\]/);
  t.is((await s.get("/stays")).body, "ok\n");
});

test("nothing is called while the client stays, and one callback is all", async (t) => {
  const s = await start(t);
  t.is((await s.get("/stays")).body, "ok\n");
  t.is((await s.get("/twice")).body, "duplicate call\n");
  t.regex((await s.get("/bad")).body, /bad argument #1 .*function expected, got number/);
  t.notRegex(s.log(), /told/);
});

test("without lua_check_client_abort the handler runs on", async (t) => {
  const s = await start(t);
  await leave(s, "/off");
  await waitFor(() => s.log().includes("main done"), "the handler's end");
  t.pass();
});
