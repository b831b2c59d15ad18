// SPDX-License-Identifier: MIT
// ngx.exit, ngx.redirect, ngx.exec, ngx.req.set_uri with jump: where a handler leads.
import test from "ava";
import { apiCase, startServer } from "../helpers/api.js";

apiCase("ngx.exit(403) answers with the built-in page", {
  content: `ngx.exit(403) ngx.say("never")`,
  status: 403,
  body: /403 Forbidden/,
});

apiCase("ngx.exit(ngx.OK) in access goes on to the content phase", {
  server: `location /t { access_by_lua_block { ngx.exit(ngx.OK) error("no") } content_by_lua_block { ngx.say("content") } }`,
  body: "content\n",
});

apiCase("ngx.exit(200) in access ends the request", {
  server: `location /t { access_by_lua_block { ngx.say("access") ngx.exit(200) } content_by_lua_block { ngx.say("content") } }`,
  body: "access\n",
});

apiCase("a status of one's own and ngx.exit(HTTP_OK)", {
  content: `ngx.status = 410 ngx.say("gone") ngx.exit(ngx.HTTP_OK)`,
  status: 410,
  body: "gone\n",
});

apiCase("ngx.exit with another status after the header is logged, the response stands", {
  content: `ngx.say("hi") ngx.exit(404) ngx.say("never")`,
  body: "hi\n",
  log: /: \*\d+ attempt to set status 404 via ngx\.exit after sending out the response status 200/,
});

apiCase("ngx.exit with the status that was sent is silent, and ends the request in rewrite", {
  server: `location /t { rewrite_by_lua_block { ngx.status = 403 ngx.say("own") ngx.exit(403) }
                         content_by_lua_block { ngx.log(ngx.ERR, "content") } }`,
  status: 403,
  body: "own\n",
  noLog: /\[error\]/,
});

apiCase("ngx.exit(AGAIN) is refused", {
  content: `ngx.say(pcall(ngx.exit, ngx.AGAIN)) ngx.say(pcall(ngx.exit, ngx.DONE))`,
  body: /^(false.*bad argument to 'ngx\.exit': does not accept NGX_AGAIN or NGX_DONE\n){2}$/,
});

apiCase("ngx.exit(403) in the header filter replaces the response", {
  server: `location /t { content_by_lua_block { ngx.say("hi") } header_filter_by_lua_block { return ngx.exit(403) } }`,
  status: 403,
  body: /403 Forbidden/,
});

apiCase("ngx.exit(201) in the header filter leaves no body", {
  server: `location /t { content_by_lua_block { ngx.say("hi") } header_filter_by_lua_block { return ngx.exit(201) } }`,
  status: 201,
  body: "",
});

apiCase("ngx.exit(404) in the header filter of a static file", {
  files: { "html/a.txt": "file" },
  server: `location / { root html; header_filter_by_lua_block { return ngx.exit(404) } }`,
  path: "/a.txt",
  status: 404,
  body: /404 Not Found/,
});

for (const phase of ["body_filter", "log"])
  apiCase(`ngx.exit is refused in ${phase}`, {
    server: `location /t { content_by_lua_block { ngx.say("hi") }
      ${phase}_by_lua_block { local ok, err = pcall(ngx.exit, 403) ngx.log(ngx.ERR, "said: ", err) } }`,
    body: "hi\n",
    log: new RegExp(`said: .*API disabled in the context of ${phase}_by_lua\\*`),
  });

apiCase("ngx.redirect: 302 by default, the page says Found", {
  content: `ngx.redirect("http://x.test/foo?a=b") ngx.say("never")`,
  status: 302,
  body: /<title>302 Found<\/title>/,
  headers: { Location: "http://x.test/foo?a=b" },
});

for (const status of [301, 302, 303, 307, 308])
  apiCase(`ngx.redirect with ${status}; a relative target stays relative`, {
    content: `ngx.redirect("/foo", ${status})`,
    status,
    headers: { Location: "/foo" },
  });

apiCase("ngx.redirect refuses other statuses", {
  content: `ngx.redirect("/foo", 404)`,
  status: 500,
  log: /runtime error: content_by_lua.*only ngx\.HTTP_MOVED_TEMPORARILY, ngx\.HTTP_MOVED_PERMANENTLY, ngx\.HTTP_PERMANENT_REDIRECT, ngx\.HTTP_SEE_OTHER, and ngx\.HTTP_TEMPORARY_REDIRECT are allowed/,
});

apiCase("ngx.redirect names an unsafe byte", {
  content: `ngx.redirect('http://x.test/"foo\\rbar')`,
  status: 500,
  log: /unsafe byte "0x0d" in redirect uri "http:\/\/x\.test\/\\x22foo\\x0Dbar"/,
});

apiCase("ngx.redirect after output is an error", {
  content: `ngx.say("x") ngx.say(pcall(ngx.redirect, "/foo"))`,
  body: /^x\nfalse.*attempt to call ngx\.redirect after sending out the headers\n$/,
});

apiCase("ngx.exec: path, arguments of both kinds", {
  server: `location /t { content_by_lua_block { ngx.exec("/other?a=3", { b = "4 5" }) } }
           location /other { content_by_lua_block {
             ngx.say(ngx.var.uri, " ", ngx.var.args, " ", ngx.var.request_uri, " ", ngx.req.is_internal()) } }`,
  body: "/other a=3&b=4%205 /t true\n",
});

apiCase("ngx.exec unescapes its path", {
  server: `location /t { content_by_lua_block { ngx.exec("/o%74her%20one?a=%31") } }
    location /other { content_by_lua_block { ngx.say(ngx.var.uri, " ", ngx.var.args) } }`,
  body: "/other one a=%31\n",
});

apiCase("ngx.exec to a path that leads up is an error", {
  content: `local _, one = pcall(ngx.exec, "/a/../t") local _, two = pcall(ngx.exec, "/%2e%2e/t") ngx.say(one, ", ", two)`,
  body: "unsafe uri, unsafe uri\n",
  log: /unsafe URI "\/a\/\.\.\/t" was detected/,
});

apiCase("ngx.exec to a named location keeps the uri", {
  server: `location /t { content_by_lua_block { ngx.exec("@named", "x=1") } }
           location @named { content_by_lua_block { ngx.say(ngx.var.uri, " ", ngx.var.arg_a) } }`,
  path: "/t?a=1",
  body: "/t 1\n",
});

apiCase("ngx.exec to an internal location", {
  server: `location /t { access_by_lua_block { ngx.exec("/in") } }
           location /in { internal; content_by_lua_block { ngx.say("in") } }`,
  body: "in\n",
});

apiCase("ngx.exec after output is an error", {
  content: `ngx.say("x") ngx.say(pcall(ngx.exec, "/foo"))`,
  body: /^x\nfalse.*attempt to call ngx\.exec after sending out response headers\n$/,
});

apiCase("a cycle of ngx.exec ends", {
  content: `ngx.exec("/t")`,
  status: 500,
  log: /rewrite or internal redirection cycle while internally redirecting to "\/t"/,
});

apiCase("set_uri with jump searches locations anew", {
  server: `location /t { rewrite_by_lua_block { ngx.req.set_uri("/there", true) error("no") } }
           location /there { content_by_lua_block { ngx.say("there ", ngx.var.uri) } }`,
  body: "there /there\n",
});

apiCase("set_uri without jump stays", {
  server: `location /t { rewrite_by_lua_block { ngx.req.set_uri("/there") } content_by_lua_block { ngx.say(ngx.var.uri) } }`,
  body: "/there\n",
});

apiCase("set_uri with jump is refused outside rewrite", {
  content: `ngx.say(pcall(ngx.req.set_uri, "/x", true))`,
  body: /^false.*API disabled in the context of content_by_lua\*\n$/,
});

apiCase("an error in a handler answers 500 and names the line", {
  content: `error("some trouble")`,
  status: 500,
  body: /500 Internal Server Error/,
  log: /lua entry thread aborted: runtime error: content_by_lua\(nginx\.conf:\d+\):1: some trouble\nstack traceback:\ncoroutine 0:\n\t\[C\]: in function 'error'\n\tcontent_by_lua\(nginx\.conf:\d+\):1: in main chunk/,
  ours: "nginx numbers the block's first line otherwise",
});

apiCase("ngx.exit in the header filter goes to the error_page, whose own header filter has the last word", {
  server: `error_page 482 = /page; error_page 403 /page;
    location /t { echo ok; header_filter_by_lua_block { return ngx.exit(482) } }
    location = /page { echo page; header_filter_by_lua_block { ngx.header["X-Page"] = "1" return ngx.exit(302) } }`,
  status: 302,
  body: /302 Found/,
  headers: { "X-Page": [] },
});

apiCase("ngx.exit in the header filter of a handler that goes on writing: the error_page answers once it has ended", {
  server: `error_page 482 =201 /page;
    location /t {
      content_by_lua_block { ngx.say("hi") ngx.sleep(0.01) ngx.say(("x"):rep(100000)) ngx.flush(true) }
      header_filter_by_lua_block { ngx.header["X-Old"] = "1" return ngx.exit(482) }
    }
    location = /page { content_by_lua_block { ngx.say("page of ", ngx.status) } }`,
  status: 201,
  body: "page of 201\n",
  headers: { "X-Old": [] },
});

apiCase("the status of ngx.exit stays with an error_page that sets none, as of any other handler", {
  server: `error_page 404 = /page;
    location = /t { content_by_lua_block { ngx.exit(404) } }
    location = /page { content_by_lua_block { ngx.say("page of ", ngx.status) } }`,
  status: 404,
  body: "page of 404\n",
});

test("ngx.exit(ngx.DECLINED) in content answers nothing", async (t) => {
  const s = await startServer(t, { server: `location /t { content_by_lua_block { ngx.exit(ngx.DECLINED) } }` });
  t.is((await s.raw("GET /t HTTP/1.1\r\nHost: a\r\n\r\n")).toString(), "");
});

apiCase("ngx.redirect and a jump are refused while another light thread waits for a subrequest", {
  server: `location /t { rewrite_by_lua_block {
      ngx.thread.spawn(function()
        ngx.sleep(0.01)
        ngx.ctx.seen = { select(2, pcall(ngx.redirect, "/x")), select(2, pcall(ngx.req.set_uri, "/x", true)) }
      end)
      ngx.location.capture("/sleep")
      ngx.say(ngx.ctx.seen[1], "\\n", ngx.ctx.seen[2], " ", ngx.status)
      ngx.exit(ngx.HTTP_OK)
    } }
    location = /sleep { echo_sleep 0.05; }`,
  body: /^(.*attempt to abort with pending subrequests.?){2} 0\n$/s,
});

test("an error behind output ends the connection: nothing that is cut looks complete", async (t) => {
  const s = await startServer(t, {
    server: `location = /fine { content_by_lua_block { ngx.say("fine") } }
      location = /said { content_by_lua_block { ngx.say("{") error("cut") } }
      location = /access { access_by_lua_block { ngx.say("{") error("cut") } content_by_lua_block { } }
      location = /sent { content_by_lua_block { ngx.say("sent") ngx.flush(true) ngx.sleep(0.01) error("cut") } }
      location = /filter { content_by_lua_block { ngx.say("{") error("cut") } body_filter_by_lua_block { } }
      location = /proxy { proxy_http_version 1.1; proxy_pass http://127.0.0.1:$server_port/said; }`,
  });
  const close = "Host: x\r\nConnection: close\r\n\r\n";
  const raw = async (text) => String(await s.raw(text));
  for (const path of ["/said", "/access"]) t.is(await raw(`GET ${path} HTTP/1.1\r\n${close}`), "");
  t.is(await raw(`GET /filter HTTP/1.1\r\n${close}`), "");
  const sent = await raw(`GET /sent HTTP/1.1\r\n${close}`);
  t.regex(sent, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n5\r\nsent\n\r\n$/);
  const both = await raw(`GET /fine HTTP/1.1\r\nHost: x\r\n\r\nGET /said HTTP/1.1\r\n${close}`);
  t.regex(both, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nfine\n$/); // an answer before it is not lost
  t.is((await s.get("/proxy")).status, 502);
  // What HTTP/1.0 would have been given at the end was never begun.
  t.regex(await raw("GET /said HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 500 [^]*500 Internal Server Error/);
});

apiCase("ngx.req.set_uri with jump leads into an internal location", {
  server: `location /t { rewrite_by_lua_block { ngx.req.set_uri("/int", true) } }
    location = /int { internal; content_by_lua_block { ngx.say(ngx.req.is_internal()) } }`,
  body: "true\n",
});
