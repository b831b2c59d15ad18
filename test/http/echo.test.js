// SPDX-License-Identifier: MIT
// The echo module: commands in order, waits, subrequests in nginx's order, text around bodies, variables.
import { gunzipSync } from "node:zlib";
import test from "ava";
import { startServer } from "../helpers/api.js";
import { startMoonwire } from "../helpers/index.js";

const server = `
  location = /words { set $x hi; echo "$x there" foo; echo; echo -n a b; echo -- -n; echo_status 201; }
  location = /sleep { echo 1; echo_flush; echo_sleep 0.02; echo 2; echo_duplicate 3 ab; echo_blocking_sleep 0.001; }
  location = /sub { echo_sleep 0.01; echo "sub $args"; }
  location = /lua { content_by_lua_block { ngx.sleep(0.001) ngx.say("lua") } }
  location = /big { echo_duplicate 60000 x; }
  location = /order { echo "["; echo_location /sub "a=1"; echo "|"; echo_location_async /sub?b=2; echo_location_async /lua; echo "]"; }
  location = /nested { echo a; echo_location_async /order; echo b; echo_location_async /big; echo; echo c; }
  location = /missing { echo a; echo_location /nowhere; echo b; }
  location = /capture { content_by_lua_block { ngx.print(ngx.location.capture("/order").body, ngx.location.capture("/around").body) } }
  location = /body { echo_read_request_body; echo_request_body; echo " $echo_request_method $request_method $http_content_length"; }
  location = /post { echo_subrequest POST /body -q 'x=1' -b "the body"; echo_subrequest_async PUT /body -b "more"; }
  location = /around { echo_before_body "<" $uri; echo_after_body -n ">"; content_by_lua_block { ngx.say("in") } }
  location = /around-empty { echo_before_body "<"; echo_after_body ">"; content_by_lua_block { ngx.exit(200) } }
  location = /each { echo_foreach_split "&" $query_string; echo "item: $echo_it"; echo_end; echo done; }
  location = /exec { echo_exec /words; }
  location = /named { echo_exec @n; }
  location @n { echo "named $uri"; }
  location = /filtered { echo a; echo_location /sub; echo_flush; echo b;
    body_filter_by_lua_block { ngx.sleep(0.001) ngx.arg[1] = ngx.arg[1]:upper() } }
  location = /uri { echo "$echo_request_uri|$echo_client_request_method|$echo_incr$echo_incr"; }
  location = /headers { echo -n $echo_client_request_headers; }`;

test("commands run in order; waits and subrequests keep the output in nginx's order", async (t) => {
  const s = await startMoonwire(t, { server });
  const order = "[\nsub a=1\n|\nsub b=2\nlua\n]\n";
  const cases = {
    "/words": "hi there foo\n\na b-n\n",
    "/sleep": "1\n2\nababab",
    "/order": order,
    "/nested": `a\n${order}b\n${"x".repeat(60000)}\nc\n`,
    "/capture": `${order}< /around\nin\n>`,
    "/post": "the body POST GET 8\nmore PUT GET 4\n",
    "/around": "< /around\nin\n>",
    "/around-empty": "<\n>\n",
    "/each?a&b&&c": "item: a\nitem: b\nitem: c\ndone\n",
    "/each": "done\n",
    "/exec": "hi there foo\n\na b-n\n",
    "/named": "named /named\n",
    "/filtered": "A\nsub \nB\n",
    "/uri?a=b": "/uri?a=b|GET|12\n",
  };
  for (const [path, want] of Object.entries(cases)) t.is((await s.get(path)).body, want, path);
  t.is((await s.get("/words")).status, 201);
  t.regex((await s.get("/missing")).body, /^a\n<html>.*404 Not Found.*<\/html>\r\nb\n$/s);
  t.is((await s.get("/body", { method: "POST", body: "hello" })).body, "hello POST POST 5\n");
  t.regex((await s.get("/headers")).body, /^GET \/headers HTTP\/1\.1\r\nhost: /i);
});

test("many at once, HEAD, HTTP/1.0 and clients that go in the middle", async (t) => {
  const s = await startMoonwire(t, { server });
  const bodies = await Promise.all(Array.from({ length: 40 }, () => s.get("/nested").then((r) => r.body)));
  t.is(new Set(bodies).size, 1);
  t.is((await s.get("/order", { method: "HEAD" })).body, "");
  const old = (await s.raw("GET /order HTTP/1.0\r\n\r\n")).toString();
  t.true(old.endsWith("\r\n\r\n[\nsub a=1\n|\nsub b=2\nlua\n]\n"));
  const pipelined = (await s.raw("GET /order HTTP/1.1\r\nHost: a\r\n\r\nGET /words HTTP/1.0\r\n\r\n")).toString();
  t.is(pipelined.split("HTTP/1.1 ").length, 3);
  t.true(pipelined.indexOf("]\n") < pipelined.indexOf("hi there"));
  for (let i = 0; i < 20; i++) {
    const { connect } = await import("node:net");
    await new Promise((done) => {
      const c = connect(s.port, "127.0.0.1", () => c.write("GET /nested HTTP/1.1\r\nHost: a\r\n\r\n"));
      c.on("error", () => {}).on("close", done);
      setTimeout(() => c.resetAndDestroy(), i);
    });
  }
  t.is((await s.get("/words")).body, "hi there foo\n\na b-n\n");
});

test("details of commands and variables", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /count { echo_duplicate 1_0 ab; }
      location = /status { echo "[$echo_response_status]"; echo_after_body "[$echo_response_status]"; }
      location = /head { echo -n $echo_client_request_headers; }
      location = /body { client_body_in_file_only clean; echo_read_request_body; echo "[$echo_request_body]"; echo_request_body; }
      location = /exec { echo_exec @named?a=32; } location @named { echo "[$arg_a]"; }
      location = /file { echo_subrequest POST /sub -f none/such; } location = /sub { echo sub; }
      location = /unsafe { echo_subrequest_async GET /../x; }`,
  });
  t.is((await s.get("/count")).body, "ab".repeat(10));
  t.is((await s.get("/status")).body, "[]\n[200]\n", "none before the header is sent");
  const head = "GET /head HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  t.true((await s.raw(`\r\n${head}`)).toString().includes(`\r\n${head.length.toString(16)}\r\n${head}\r\n`));
  t.is(
    (await s.get("/body", { method: "POST", body: "abc" })).body,
    "[]\nabc",
    "a body in a file is sent, but no variable",
  );
  t.is((await s.get("/exec")).body, "[]\n");
  const missing = await s.get("/file");
  t.is(missing.status, 500);
  t.false(missing.body.includes("sub"), "no subrequest without its body");
  t.is((await s.get("/unsafe")).status, 500);
  t.regex(s.log(), /\[warn\].*querystring a=32 ignored when exec'ing named location @named/);
  t.regex(s.log(), /open\(\) ".*none\/such" failed \(2: No such file or directory\)/);
  t.regex(s.log(), /echo_subrequest_async sees unsafe uri: "\/\.\.\/x"/);
});

test("filters see what subrequests put out as the main response has it: gzip all of it, others their own request's once", async (t) => {
  const s = await startServer(t, {
    server: `gzip on; gzip_http_version 1.0; location = /two { echo -n two; }
      location = /both { default_type text/html; echo one; echo_location /two; echo three; echo_location_async /two; echo_after_body end;
        sub_filter_once off; sub_filter e ee; }
      location = /last { default_type text/html; gzip off; echo one; echo_location_async /two; echo_after_body end; }`,
  });
  const zipped = async (path) => {
    const raw = await s.raw(`GET ${path} HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n`);
    return gunzipSync(raw.subarray(raw.indexOf("\r\n\r\n") + 4)).toString();
  };
  t.is((await s.get("/last")).body, "one\ntwoend\n");
  t.is((await s.get("/both")).body, "onee\ntwothreeee\ntwoeend\n");
  t.is(await zipped("/both"), "onee\ntwothreeee\ntwoeend\n");
});
