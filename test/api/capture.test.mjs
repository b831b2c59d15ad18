// SPDX-License-Identifier: MIT
// ngx.location.capture and capture_multi: what a subrequest sees, what comes back, and what happens when either side ends early.
// The special responses' expectations were read off nginx with lua-nginx-module.
import { connect } from "node:net";
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

const show = `
  local function show(res)
    local names = {}
    for k, v in pairs(res.header) do names[#names + 1] = k .. "=" .. (type(v) == "table" and table.concat(v, ",") or v) end
    table.sort(names)
    ngx.say(res.status, " [", res.body, "] ", res.truncated, " ", table.concat(names, " "))
  end`;

test("status, body, headers and truncation of every kind of end", async (t) => {
  const s = await startMoonwire(t, {
    http: "default_type text/plain;",
    server: `
      location /cap { content_by_lua_block { ${show}
        show(ngx.location.capture("/" .. ngx.var.arg_u, { method = ngx["HTTP_" .. (ngx.var.arg_m or "GET")] })) } }
      location = /ok { add_header X y; content_by_lua_block { ngx.header.a = "b"; ngx.header.c = { "1", "2" }; ngx.say("hi") ngx.exit(200) } }
      location = /error { content_by_lua_block { error("x") } }
      location = /403 { content_by_lua_block { ngx.exit(403) } }
      location = /404 { error_page 404 /ok; return 404; }
      location = /late { content_by_lua_block { ngx.say("a") error("x") } }
      location = /late-exit { content_by_lua_block { ngx.say("a") ngx.exit(500) } }
      location = /redirect { content_by_lua_block { ngx.redirect("/foo") } }
      location = /301 { return 301 /foo; }
      location = /text { return 200 "text"; }
      location = /filtered { content_by_lua_block { ngx.status = 201 ngx.print("hi") }
        header_filter_by_lua_block { ngx.header.hf = "1" } body_filter_by_lua_block { ngx.arg[1] = "[" .. ngx.arg[1] .. "]" } }
      location = /waiting { content_by_lua_block { ngx.print("hi") }
        header_filter_by_lua_block { ngx.sleep(0.01) ngx.header.hf = "1" } body_filter_by_lua_block { ngx.sleep(0.01) ngx.arg[1] = "[" .. ngx.arg[1] .. "]" } }
      location = /-1 { content_by_lua_block { ngx.exit(-1) } }
      location = /204 { content_by_lua_block { ngx.exit(204) } }
      location = /refused { more_set_headers -s 503 "X: y"; content_by_lua_block { ngx.exit(503) } header_filter_by_lua_block { ngx.header.hf = "1" } }
      location = /exec { content_by_lua_block { ngx.exec("/text") } }
      location = /rewrite { rewrite_by_lua_block { ngx.req.set_uri("/text", true) } }
      location = /named { content_by_lua_block { ngx.exec("@n") } }
      location @n { content_by_lua_block { ngx.print("named ", ngx.var.uri) } }
      location = /internal { internal; return 200 "in"; }
      location = /big { content_by_lua_block { for i = 1, 3000 do ngx.print(("x"):rep(100)) end } }
      location = /sum { content_by_lua_block { local b = ngx.location.capture("/big").body ngx.print(#b, b == ("x"):rep(300000)) } }
      location /file { root __PREFIX__; }`,
    files: { "file/a.txt": "file\n", "file/b.txt": "y".repeat(100000) },
  });
  const cases = {
    "u=ok": "200 [hi\n] false Content-Type=text/plain a=b c=1,2\n",
    "u=ok&m=HEAD": "200 [] true Content-Type=text/plain a=b c=1,2\n",
    "u=error": "500 [] true Content-Type=text/plain\n",
    "u=403": "403 [] true Content-Type=text/plain\n",
    "u=404": "404 [] true Content-Type=text/plain\n",
    "u=nowhere": "404 [] true Content-Type=text/plain\n",
    "u=late": "200 [a\n] true Content-Type=text/plain\n",
    "u=late-exit": "200 [a\n] false Content-Type=text/plain\n",
    "u=redirect": "302 [] true Content-Type=text/plain Location=/foo\n",
    "u=301": "301 [] true Content-Type=text/plain Location=/foo\n",
    "u=filtered": "201 [[hi][]] false Content-Type=text/plain hf=1\n",
    "u=waiting": "200 [[hi][]] false Content-Type=text/plain hf=1\n",
    "u=-1": "500 [] true \n",
    "u=204": "204 [] true Content-Type=text/plain\n",
    "u=refused": "503 [] true Content-Type=text/plain X=y hf=1\n",
    "u=named": "200 [named /named] false Content-Type=text/plain\n",
    "u=sum": "200 [300000true] false Content-Type=text/plain\n",
  };
  for (const [query, want] of Object.entries(cases)) t.is((await s.get(`/cap?${query}`)).body, want, query);
  for (const u of ["text", "exec", "rewrite"]) t.regex((await s.get(`/cap?u=${u}`)).body, /^200 \[text\] false /, u);
  t.regex((await s.get("/cap?u=internal")).body, /^200 \[in\] false /);
  t.regex((await s.get("/cap?u=file/a.txt")).body, /^200 \[file\n\] false .*Content-Length=5 .*Last-Modified=/s);
  t.true((await s.get("/cap?u=file/b.txt")).body.includes(`[${"y".repeat(100000)}] false`));
  t.regex((await s.get("/cap?u=file")).body, /^301 \[\] true .*Location=/);
});

test("method, arguments, body, ctx, variables and headers of a subrequest", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /sub { set $dog ""; content_by_lua_block {
        ngx.req.read_body()
        ngx.ctx.seen = (ngx.ctx.seen or 0) + 1
        ngx.print(ngx.req.get_method(), "|", ngx.var.args or "", "|", ngx.req.get_body_data() or "", "|", ngx.is_subrequest,
          "|", ngx.req.is_internal(), "|", ngx.var.http_content_length or "", "|", ngx.var.http_x or "", "|", ngx.var.request_uri) } }
      location = /vars { content_by_lua_block { ngx.print(ngx.var.cat or "nil") ngx.var.cat = "changed" } }
      location = /t { set $cat "mine"; content_by_lua_block {
        ngx.req.read_body()
        local cap = ngx.location.capture
        local function line(...) ngx.say(cap(...).body) end
        line("/sub")
        line("/sub?a=1", { args = { b = 2 } })
        line("/sub", { args = "q=%20", method = ngx.HTTP_POST })
        line("/sub", { method = ngx.HTTP_PUT, body = "own" })
        line("/sub", { method = ngx.HTTP_DELETE })
        line("/sub", { method = ngx.HTTP_DELETE, always_forward_body = true })
        line("/%73ub", { headers = { ["X"] = "h" } })
        line("/sub", { ctx = ngx.ctx }) line("/sub", { ctx = ngx.ctx })
        ngx.say("seen ", ngx.ctx.seen)
        line("/vars") line("/vars", { copy_all_vars = true }) ngx.say(ngx.var.cat)
        line("/vars", { vars = { cat = "given" } }) ngx.say(ngx.var.cat)
        line("/vars", { share_all_vars = true }) ngx.say(ngx.var.cat)
        ngx.say(ngx.req.get_body_data())
      } }`,
  });
  const r = await s.get("/t", { method: "POST", body: "parent", headers: { x: "client" } });
  t.deepEqual(r.body.trimEnd().split("\n"), [
    "GET|||true|true|0|client|/t",
    "GET|a=1&b=2||true|true|0|client|/t",
    "POST|q=%20|parent|true|true|6|client|/t",
    "PUT||own|true|true|3|client|/t",
    "DELETE|||true|true|0|client|/t",
    "DELETE||parent|true|true|6|client|/t",
    "GET|||true|true|0|h|/t",
    "GET|||true|true|0|client|/t",
    "GET|||true|true|0|client|/t",
    "seen 2",
    "",
    "mine",
    "mine",
    "given",
    "mine",
    "mine",
    "changed",
    "parent",
  ]);
});

test("a body in a file is forwarded to several subrequests, and outlives none of them wrongly", async (t) => {
  const s = await startMoonwire(t, {
    server: `client_body_buffer_size 1k;
      location = /len { content_by_lua_block { ngx.req.read_body() local name = ngx.req.get_body_file()
        ngx.print(#io.open(name):read("*a")) } }
      location = /t { content_by_lua_block { ngx.req.read_body()
        for i = 1, 3 do ngx.print(ngx.location.capture("/len", { method = ngx.HTTP_POST }).body, " ") end
        ngx.say(io.open(ngx.req.get_body_file()) ~= nil) } }`,
  });
  const r = await s.get("/t", { method: "POST", body: "z".repeat(5000) });
  t.is(r.body, "5000 5000 5000 true\n");
});

test("capture_multi runs them side by side and keeps their order", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /s { content_by_lua_block { ngx.sleep(tonumber(ngx.var.arg_t)) ngx.print(ngx.var.arg_n) } }
      location = /t { content_by_lua_block {
        local list = {}
        for i = 1, 20 do list[i] = { "/s?t=" .. (0.2 - i * 0.01) .. "&n=" .. i } end
        local start = ngx.now()
        local res = { ngx.location.capture_multi(list) }
        ngx.update_time()
        for i = 1, #res do ngx.print(res[i].body, " ") end
        ngx.say(#res, " ", ngx.now() - start < 1.5) } }`,
  });
  const wanted = Array.from({ length: 20 }, (_, i) => `${i + 1} `).join("");
  t.is((await s.get("/t")).body, `${wanted}20 true\n`);
});

test("nested captures go 50 deep, and one that calls itself ends with an error", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /n { content_by_lua_block { local n = tonumber(ngx.var.arg_n)
        ngx.print(n, n > 0 and ngx.location.capture("/n?n=" .. n - 1).body or "") } }
      location = /loop { content_by_lua_block { ngx.location.capture("/loop") } }`,
  });
  t.is((await s.get("/n?n=5")).body, "543210");
  t.is((await s.get("/loop")).status, 200);
  t.true(s.log().includes('lua subrequests cycle while processing "/loop"'));
  t.true(s.log().includes("failed to issue subrequest: -1"));
});

test("a handler that captures without end leaves the worker to others", async (t) => {
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 1m;",
    server: `
      location = /sub { content_by_lua_block { ngx.print("x") } }
      location = /begun { content_by_lua_block { ngx.print(ngx.shared.d:get("begun")) } }
      location = /stop { content_by_lua_block { ngx.shared.d:set("stop", true) } }
      location = /t { content_by_lua_block { local d, n = ngx.shared.d, 0
        d:set("begun", true)
        while not d:get("stop") do n = n + #ngx.location.capture("/sub").body end
        ngx.print(n > 1000) } }`,
  });
  const answer = s.get("/t");
  await waitFor(async () => (await s.get("/begun")).body === "true", "the handler to begin");
  await new Promise((done) => setTimeout(done, 50));
  await s.get("/stop");
  t.is((await answer).body, "true");
});

test("subrequests run before and after other light threads as if the one that captures yielded", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /sub { content_by_lua_block { table.insert(package.loaded.trail, ngx.var.arg_n) ngx.print(ngx.var.arg_n) } }
      location = /waits { content_by_lua_block { table.insert(package.loaded.trail, "waits") ngx.sleep(0.01) ngx.print("waited") } }
      location = /t { content_by_lua_block {
        local trail = {} package.loaded.trail = trail
        local function add(x) trail[#trail + 1] = x end
        add(ngx.location.capture("/sub?n=1").body .. "'")
        local th = ngx.thread.spawn(function() add("a") ngx.location.capture("/sub?n=2") add("b") end)
        add("c")
        ngx.location.capture("/sub?n=3") add("d")
        ngx.thread.wait(th)
        add(ngx.location.capture("/waits").body)
        local one, two, three = ngx.location.capture_multi({ { "/sub?n=4" }, { "/waits" }, { "/sub?n=5" } })
        add(one.body .. two.body .. three.body)
        ngx.print(table.concat(trail, " ")) } }`,
  });
  t.is((await s.get("/t")).body, "1 1' a c 2 b 3 d waits waited 4 waits 5 4waited5");
});

test("mistakes in arguments are errors of the caller", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /sub { return 200 x; }
      location = /t { content_by_lua_block {
        local cap, multi = ngx.location.capture, ngx.location.capture_multi
        for _, f in ipairs{
          function() cap() end, function() cap("/sub", { method = 10240 }) end, function() cap("/sub", { method = "GET" }) end,
          function() cap("/../x") end, function() cap("") end, function() cap("/sub", { vars = { nodog = "a" } }) end,
          function() cap("/sub", { vars = 1 }) end, function() cap("/sub", { ctx = 1 }) end, function() cap("/sub", { body = {} }) end,
          function() multi({}) end, function() multi({ "/sub" }) end, function() multi() end,
        } do local ok, err = pcall(f) ngx.say(ok, " ", (err:gsub("^[^ ]*: ", ""))) end
        ngx.say(cap("/sub").body) } }
      location = /log { content_by_lua_block { ngx.say("x") } log_by_lua_block { ngx.location.capture("/sub") } }`,
  });
  t.deepEqual((await s.get("/t")).body.trimEnd().split("\n"), [
    "false expecting one or two arguments",
    "false unsupported HTTP method: 10240",
    "false Bad http request method",
    "false unsafe uri in argument #1: /../x",
    "false unsafe uri in argument #1: ",
    'false variable "nodog" cannot be assigned a value (maybe you forgot to define it first?)',
    "false Bad vars option value",
    "false Bad ctx option value type number, expected a Lua table",
    "false Bad http request body",
    "false at least one subrequest should be specified",
    "false The query argument #1 is not a table, but a string",
    "false only one argument is expected, but got 0",
    "x",
  ]);
  await s.get("/log");
  await waitFor(() => s.log().includes("API disabled in the context of log_by_lua*"), "the refusal");
  t.pass();
});

test("pending subrequests can be neither killed nor left behind; a failing handler takes them along", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /slow { content_by_lua_block { ngx.sleep(0.05) ngx.print("slow") } }
      location = /kill { content_by_lua_block {
        local th = ngx.thread.spawn(function() return ngx.location.capture("/slow").body end)
        local ok, err = pcall(ngx.exec, "/slow")
        ngx.say(ngx.thread.kill(th))
        ngx.say(pcall(ngx.exit, 200)) ngx.say(ok, err)
        ngx.say(ngx.thread.wait(th)) } }
      location = /fail { content_by_lua_block {
        ngx.thread.spawn(function() ngx.location.capture("/slow") ngx.log(ngx.ERR, "went on") end)
        ngx.sleep(0.001) error("boom") } }
      location = /cut { content_by_lua_block { ngx.location.capture("/444") } }
      location = /444 { content_by_lua_block { ngx.sleep(0.001) ngx.exit(444) } }
      location = /444-now { return 444; }
      location = /cut-now { content_by_lua_block { ngx.location.capture("/444-now") ngx.say("x") } }
      location = /cut-sub { content_by_lua_block { ngx.sleep(0.001) ngx.location.capture("/444-now") ngx.say("x") } }
      location = /cut-echo { echo_location_async /cut-now; echo_read_request_body; echo_request_body; }
      location = /cut-deep { content_by_lua_block {
        ngx.thread.spawn(function() pcall(ngx.req.read_body) ngx.exit(499) end) ngx.location.capture("/cut-sub") } }
      location = /ok { return 200 ok; }`,
  });
  const lines = (await s.get("/kill")).body.trimEnd().split("\n");
  t.is(lines[0], "nilpending subrequests");
  t.regex(lines[1], /^false.*attempt to abort with pending subrequests$/);
  t.regex(lines[2], /^false.*attempt to abort with pending subrequests$/);
  t.is(lines[3], "trueslow");
  t.is((await s.get("/fail")).status, 500);
  await t.throwsAsync(s.get("/cut"));
  await t.throwsAsync(s.get("/cut-now"));
  for (const path of ["/cut-echo", "/cut-deep"]) {
    for (let i = 0; i < 3; i++) {
      await new Promise((closed) => {
        const c = connect(s.port, "127.0.0.1", () =>
          c.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n`),
        );
        c.on("error", () => {}).on("close", closed);
        c.resume();
      });
      t.is((await s.get("/ok")).body, "ok");
    }
  }
  await Promise.all(Array.from({ length: 20 }, () => s.get("/fail")));
  t.is((await s.get("/ok")).body, "ok");
  await new Promise((done) => setTimeout(done, 100));
  t.false(s.log().includes("went on"));
});

test("a client that goes while subrequests wait harms nobody", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /slow { content_by_lua_block { ngx.sleep(0.02) ngx.print(("s"):rep(200000)) } }
      location = /t { content_by_lua_block { ngx.log(ngx.WARN, "began")
        local a, b = ngx.location.capture_multi{ { "/slow" }, { "/slow" } } ngx.print(a.body, b.body) ngx.log(ngx.WARN, "served") } }
      location = /ok { return 200 ok; }`,
  });
  for (let i = 0; i < 30; i++) {
    await new Promise((done) => {
      const c = connect(s.port, "127.0.0.1", () => c.write("GET /t HTTP/1.1\r\nHost: x\r\n\r\n"));
      c.on("error", () => {}).on("close", done);
      setTimeout(() => c.resetAndDestroy(), i % 3 ? 5 : 25);
    });
  }
  const count = (word) => s.log().split(word).length - 1;
  await waitFor(() => count("began") > 0 && count("served") === count("began"), "all handlers to end");
  t.is((await s.get("/ok")).body, "ok");
  t.is((await s.get("/t")).body.length, 400000);
});

test("options whose metamethods make captures of their own", async (t) => {
  const s = await startMoonwire(t, {
    server: `location = /ok { content_by_lua_block { ngx.print("ok ", ngx.var.arg_a) } }
      location = /slow { content_by_lua_block { ngx.sleep(0.02) ngx.print("slow") } }
      location = /index { content_by_lua_block {
        local inner
        local options = setmetatable({ args = "a=1" }, { __index = function(_, name)
          if name == "method" then inner = ngx.location.capture("/slow").body end
        end })
        ngx.say(ngx.location.capture("/ok", options).body, " ", inner)
        local a, b = ngx.location.capture_multi { { "/ok", options }, { "/ok", { args = "a=2" } } }
        ngx.say(a.body, " ", b.body) } }
      location = /tostring { content_by_lua_block {
        local h = newproxy(true)
        getmetatable(h).__tostring = function() return pcall(ngx.location.capture, "/ok") and "x" or "refused" end
        ngx.say(ngx.location.capture("/ok", { args = "a=3", headers = { x = h } }).body) } }`,
  });
  t.is((await s.get("/index")).body, "ok 1 slow\nok 1 ok 2\n");
  t.is((await s.get("/tostring")).body, "ok 3\n");
});

test("the headers option cannot add lines: names and values are escaped as by ngx.req.set_header", async (t) => {
  const headers = `{ ["X-A"] = "a\\r\\nX-Evil: 1", ["X-B\\r\\nX-Evil: 2"] = "v", ["X-C:D E"] = "\\0\\127\\t\\195\\164",
    ["X-L"] = { "a\\n", "", "b\\r\\nX-Evil: 3", 4 }, ["X-N"] = 5, ["X-Gone"] = "" }`;
  const s = await startMoonwire(t, {
    server: `location /sub { proxy_pass http://127.0.0.1:$server_port/echo; }
      location = /echo { content_by_lua_block { ngx.print(ngx.req.raw_header()) } }
      location = /t { content_by_lua_block {
        ngx.print(ngx.location.capture("/sub", { headers = ${headers} }).body, "--\\r\\n")
        for name, value in pairs(${headers}) do ngx.req.set_header(name, value) end
        ngx.print(ngx.location.capture("/sub").body) } }
      location = /kept { content_by_lua_block {
        ngx.location.capture("/sub", { headers = ${headers} }) ngx.print(ngx.var.http_x_gone, ngx.var.http_x_a) } }`,
  });
  const { body } = await s.get("/t", { headers: { "X-Gone": "g" } });
  const [captured, set] = body.split("--\r\n").map((text) => text.trimEnd().split("\r\n").sort());
  t.deepEqual(captured, set);
  t.deepEqual(
    captured.filter((line) => /^x-/i.test(line)),
    [
      "X-A: a%0D%0AX-Evil: 1",
      "X-B%0D%0AX-Evil%3A%202: v",
      "X-C%3AD%20E: %00%7F\t\u00e4",
      "X-L: 4",
      "X-L: a%0A",
      "X-L: b%0D%0AX-Evil: 3",
      "X-N: 5",
    ],
  );
  t.is((await s.get("/kept", { headers: { "X-Gone": "g" } })).body, "gnil");
});
