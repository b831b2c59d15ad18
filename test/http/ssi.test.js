// SPDX-License-Identifier: MIT
// SSI: what differential/cases/ssi.mjs cannot compare with nginx: order and waiting, pages that come in pieces, bounds, clients
// that leave.
import { connect } from "node:net";
import { gunzipSync } from "node:zlib";
import test from "ava";
import { startServer } from "../helpers/api.js";
import { waitFor } from "../helpers/process.js";

const page = (text) => `default_type text/html; ssi on; return 200 '${text.replaceAll("$", "${dollar}")}';`;
const dollar = `geo $dollar { default "$"; }`;
const serve = (t, server, more = {}) => startServer(t, { http: dollar, server, ...more });
const body = async (s, path, options) => (await s.get(path, options)).body;

test("includes run at once, and stand in the order of the page", async (t) => {
  const s = await serve(
    t,
    `location = / { ${page('<!--#include virtual="/slow?n=1" -->,<!--#include virtual="/fast?n=2" -->,<!--#include virtual="/slow?n=3" -->.')} }
     location = /nested { ${page('(<!--#include virtual="/" -->|<!--#include virtual="/" -->)')} }
     location = /fast { echo -n fast $arg_n; }
     location = /slow { content_by_lua_block { ngx.sleep(0.3) ngx.print("slow ", ngx.var.arg_n) } }`,
  );
  const before = Date.now();
  t.is(await body(s, "/"), "slow 1,fast 2,slow 3.");
  t.is(await body(s, "/nested"), "(slow 1,fast 2,slow 3.|slow 1,fast 2,slow 3.)");
  t.true(Date.now() - before < 1500, "one after the other they would take 1.8 s");
});

test("wait and set: what follows is read when the include has ended", async (t) => {
  const s = await serve(
    t,
    `location = /wait { ${page('a<!--#include virtual="/count" wait="yes" -->b<!--#include virtual="/count" -->c')} }
     location = /set { ${page('<!--#include virtual="/count" set="n" -->[<!--#echo var="n" -->]<!--#if expr="$n = /^(.)/" --><!--#echo var="1" --><!--#endif -->')} }
     location = /inner { ${page('<!--#include virtual="/set" -->=<!--#echo var="n" -->')} }
     location = /waits { ${page('<!--#include virtual="/set" wait="yes" -->=<!--#echo var="n" -->')} }
     location = /count { content_by_lua_block { ngx.sleep(0.05) ngx.shared.n:incr("n", 1, 0) ngx.print(ngx.shared.n:get("n")) } }`,
    { http: `${dollar} lua_shared_dict n 100k;` },
  );
  t.is(await body(s, "/wait"), "a1b2c");
  t.is(await body(s, "/set"), "[3]3");
  t.is(await body(s, "/inner"), "[4]4=(none)", "an include that is not waited for has set nothing yet");
  t.is(await body(s, "/waits"), "[5]5=5");
});

test("`if` inside `if`, and a regex that ends in a dollar", async (t) => {
  const nested =
    '<!--#if expr="$arg_a" -->A<!--#if expr="$arg_b = /^b$/" -->B<!--#elif expr="$arg_b" -->?<!--#else -->-<!--#endif -->a' +
    '<!--#else -->N<!--#if expr="$arg_b" -->B<!--#else -->-<!--#endif -->n<!--#endif -->.';
  const s = await serve(t, `location = / { ${page(nested)} }`);
  t.is(await body(s, "/?a=1&b=b"), "ABa.");
  t.is(await body(s, "/?a=1&b=bb"), "A?a.");
  t.is(await body(s, "/?a=1"), "A-a.");
  t.is(await body(s, "/?b=1"), "NBn.");
  t.is(await body(s, "/"), "N-n.");
});

test("a page may come in any pieces", async (t) => {
  const text =
    `x<!--#set var="v" value="1 \\"2\\"" --><!--#echo var="v" encoding="none" --><!- <!--#include virtual="/i" -->` +
    `<!--#block name="b" -->block<!--#endblock --><!--#include virtual="/none" stub="b" --><!--# if expr="$v" -->y<!--# endif -->z<!--`;
  const s = await serve(
    t,
    `location /pieces { default_type text/html; ssi on; content_by_lua_block {
       local text, n = ngx.decode_base64("${Buffer.from(text).toString("base64")}"), tonumber(ngx.var.arg_n)
       for i = 1, #text, n do ngx.print(text:sub(i, i + n - 1)) ngx.flush(true) end } }
     location = /i { echo -n included; } location = /none { return 404; }`,
  );
  for (const n of [1, 2, 3, 7, 50, 1000])
    t.is(await body(s, `/pieces?n=${n}`), 'x1 "2"<!- includedblockyz<!--', `${n}`);
});

test("a stub stands in for an upstream's empty answer and for an error", async (t) => {
  const stub = (uri) =>
    `<!--#block name="b" -->stub of <!--#echo var="uri" --><!--#endblock -->[<!--#include virtual="${uri}" stub="b" -->]`;
  const s = await serve(
    t,
    `location = /empty { ${page(stub("/to/empty"))} } location = /down { ${page(stub("/to/down"))} } location = /full { ${page(stub("/to/full"))} }
     location = /to/empty { default_type text/html; ssi on; proxy_pass http://127.0.0.1:__PORT__/back/empty; }
     location = /to/full { default_type text/html; ssi on; proxy_pass http://127.0.0.1:__PORT__/back/full; }
     location = /to/down { default_type text/html; ssi on; proxy_pass http://127.0.0.1:1; }
     location = /back/empty { content_by_lua_block { ngx.header.content_type = "text/html" ngx.send_headers() } } location = /back/full { echo -n full; }`.replaceAll(
      "__PORT__",
      "$server_port",
    ),
  );
  t.is(await body(s, "/empty"), '[stub of <!--#echo var="uri" -->]', "an empty response is not read for commands");
  t.is(await body(s, "/down"), "[stub of /to/down]");
  t.is(await body(s, "/full"), "[full]");
});

test("subrequest_output_buffer_size: an answer that is longer than a variable may be ends the request", async (t) => {
  const s = await serve(
    t,
    `location = / { ${page('<!--#include virtual="$arg_u" set="v" -->[<!--#echo var="v" -->]')} }
     location = /ten { subrequest_output_buffer_size 10; echo -n 1234567890; }
     location = /more { subrequest_output_buffer_size 10; echo -n 1234567890a; }
     location = /endless { content_by_lua_block { for i = 1, 200 do ngx.print(("x"):rep(1000)) ngx.flush(true) end } }`,
  );
  t.is(await body(s, "/?u=/ten"), "[1234567890]");
  await t.throwsAsync(s.get("/?u=/more"));
  await t.throwsAsync(s.get("/?u=/endless"));
  t.is(await body(s, "/?u=/ten"), "[1234567890]");
});

test("what a page can make of itself is bounded", async (t) => {
  const s = await serve(
    t,
    `location = /doubled { default_type text/html; ssi on; content_by_lua_block {
       ngx.print('<!--#set var="a" value="x" -->')
       for i = 1, 40 do ngx.print('<!--#set var="a" value="$a$a" -->') end ngx.print('<!--#echo var="a" -->') } }
     location = /deep { default_type text/html; ssi on; content_by_lua_block {
       for i = 1, 100 do ngx.print('<!--#if expr="1" -->') end ngx.print("in") } }
     location = /itself { ${page('a<!--#include virtual="/itself" -->z')} }
     location = /regex { default_type text/html; ssi on; content_by_lua_block {
       ngx.print('<!--#set var="a" value="', ("a"):rep(200), 'b" -->')
       for i = 1, 100 do ngx.print('<!--#if expr="$a = /^(a+)+(a+)+[cd]/" -->yes<!--#else -->no<!--#endif -->') end } }
     location = /many { default_type text/html; ssi on; content_by_lua_block {
       for i = 1, 1000 do ngx.print('<!--#include virtual="/n?', i, '" -->,') end } }
     location = /n { echo -n $args; }
     location = /loud { default_type text/html; ssi on; content_by_lua_block {
       ngx.print('<!--#set var="a" value="0123456789abcdef" -->') for i = 1, 12 do ngx.print('<!--#set var="a" value="$a$a" -->') end
       for i = 1, 500 do ngx.print('<!--#echo var="a" -->') end } }`,
  );
  const doubled = await body(s, "/doubled");
  t.regex(doubled, /^(\[an error occurred while processing the directive\])+x+$/);
  t.true(doubled.length < 3 << 20);
  t.regex(await body(s, "/deep"), /^(\[an error occurred[^\]]*\]){36}in$/);
  const before = Date.now();
  t.notRegex(await body(s, "/regex"), /^yes/);
  t.true(Date.now() - before < 15_000, "with PCRE2's own limit they take twice as long");
  t.regex(await body(s, "/itself"), /^a{50,52}\[an error occurred[^\]]*\]z{50,52}$/);
  t.is(await body(s, "/many"), Array.from({ length: 1000 }, (_, i) => `${i + 1},`).join(""));
  t.is((await body(s, "/loud")).length, 65536 * 500);
});

test("a client that leaves, or reads late, takes nothing along", async (t) => {
  const s = await serve(
    t,
    `location = / { default_type text/html; ssi on; content_by_lua_block {
       for i = 1, 40 do ngx.print('<!--#include virtual="/big" -->,') end } }
     location = /big { default_type text/html; ssi on; content_by_lua_block { ngx.sleep(0.01) for i = 1, 20 do ngx.print(("y"):rep(10000)) end } }
     location = /ok { echo ok; }`,
  );
  for (let i = 0; i < 5; i++) {
    const socket = connect(s.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 20 * i));
    socket.destroy();
  }
  t.is(await body(s, "/ok"), "ok\n");
  const late = connect(s.port, "127.0.0.1");
  late.pause();
  late.write("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
  await new Promise((resolve) => setTimeout(resolve, 500));
  let got = "";
  late.setEncoding("latin1");
  late.on("data", (chunk) => (got += chunk));
  late.resume();
  let isOver = false;
  late.on("end", () => (isOver = true));
  await waitFor(() => isOver, "the end of the late reader's answer");
  t.is(got.slice(got.indexOf("\r\n\r\n") + 4), `${"y".repeat(200_000)},`.repeat(40));
});

test("gzip sees a page with what it includes", async (t) => {
  const s = await serve(
    t,
    `gzip on; location = / { ${page('one <!--#include virtual="/two" --> three')} } location = /two { echo -n two; }`,
  );
  const raw = await s.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n");
  const head = raw.subarray(0, raw.indexOf("\r\n\r\n")).toString();
  t.regex(head, /content-encoding: gzip/i);
  t.is(gunzipSync(raw.subarray(head.length + 4)).toString(), "one two three");
});

test("in an `if`", async (t) => {
  const s = await serve(
    t,
    `location = / { default_type text/html; if ($arg_ssi) { ssi on; } echo '<!--#echo var="arg_ssi" -->'; }`,
  );
  t.is(await body(s, "/?ssi=x"), "x\n");
  t.is(await body(s, "/"), '<!--#echo var="arg_ssi" -->\n');
});

test("pages that include each other are bounded, and the server goes on", async (t) => {
  const s = await startServer(t, {
    files: { "self.html": '<!--#include virtual="/self.html" --><!--#include virtual="/self.html" -->' },
    server: "ssi on; types { text/html html; } root __PREFIX__; location /ok { return 200 ok; }",
  });
  const before = process.memoryUsage().rss;
  const answer = s.get("/self.html").catch(() => {});
  await waitFor(() => /request reference counter overflow while processing/.test(s.log()), "the bound", 60_000);
  t.is((await s.get("/ok")).body, "ok");
  t.true(process.memoryUsage().rss - before < 500e6);
  await answer;
});

test("a client that leaves just before the last piece of an included page goes out leaves no request behind", async (t) => {
  // The pages around the one that blocks the worker let it do so in the turn in which what `wait` has held back goes on.
  const s = await serve(
    t,
    `location = / { ${page('<!--#include virtual="/outer" --><!--#include virtual="/held" -->')} }
     location = /outer { ${page('<!--#include virtual="/inner" -->')} } location = /inner { ${page('<!--#include virtual="/busy" -->')} }
     location = /busy { content_by_lua_block { local till = os.clock() + 0.7 while os.clock() < till do end } }
     location = /held { default_type text/html; ssi on;
       content_by_lua_block { ngx.print('<!--#include virtual="/fast" wait="yes" -->', ("x"):rep(100000)) } }
     location = /fast { echo -n fast; }`,
    { http: `${dollar} log_format uri "$uri"; access_log logs/uri.log uri;` },
  );
  const client = connect(s.port, "127.0.0.1").on("error", () => {});
  client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await new Promise((next) => setTimeout(next, 300));
  client.resetAndDestroy();
  await waitFor(() => /^\/$/m.test(s.log("logs/uri.log")), "the end of the request");
  t.pass();
});
