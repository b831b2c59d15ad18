// SPDX-License-Identifier: MIT
// proxy_request_buffering off: what of a request body has reached the upstream while the client still sends.
import test from "ava";
import { createServer, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

/** An upstream that keeps what it is sent and does nothing of its own accord. */
async function listener(t) {
  const all = [];
  const port = await listening(
    t,
    createServer((socket) => {
      const one = { socket, text: "", isEnded: false };
      all.push(one);
      socket.on("error", () => {}).on("end", () => (one.isEnded = true));
      socket.on("data", (part) => (one.text += part.toString("latin1")));
    }),
  );
  /** The n-th connection, once `pattern` fits what it was sent. */
  const got = async (pattern, n = 0) => {
    await waitFor(() => all[n] && pattern.test(all[n].text));
    return all[n];
  };
  return { port, all, got };
}

/** A client's connection: `text` is what it was answered. */
function client(t, port) {
  const socket = connect(port, "127.0.0.1");
  const c = { socket, text: "", isClosed: false, write: (text) => socket.write(text, "latin1") };
  socket.on("error", () => {}).on("close", () => (c.isClosed = true));
  socket.on("data", (part) => (c.text += part.toString("latin1")));
  t.teardown(() => socket.destroy());
  return c;
}

const unbuffered = (t, up, more = "", location = "") =>
  startMoonwire(t, {
    server: `proxy_request_buffering off; proxy_http_version 1.1; ${more}
      location / { ${location} proxy_pass http://127.0.0.1:${up.port}; add_header X-Body "$request_body"; }
      location /no { return 200 no; }`,
  });
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
const post = (fields) => `POST /x HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n`;

test("a body with a length goes on as it comes, with it, and the connection serves the next request", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(t, up);
  const c = client(t, s.port);
  c.write(post("Content-Length: 10"));
  const one = await up.got(/^POST \/x HTTP\/1\.1\r\n.*Content-Length: 10\r\n.*\r\n$/s);
  t.false(/Transfer-Encoding/.test(one.text));
  c.write("01234");
  await up.got(/\r\n\r\n01234$/);
  c.write("56789GET /no HTTP/1.1\r\nHost: h\r\n\r\n");
  await up.got(/\r\n\r\n0123456789$/);
  one.socket.end(ok);
  await waitFor(() => c.text.endsWith("no"));
  t.regex(c.text, /^HTTP\/1\.1 200 OK\r\n.*X-Body: 0123456789\r\n.*\r\nOKHTTP\/1\.1 200 OK/s);
});

test("chunks are made of what has come; all at once it goes with its length", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(t, up);
  const c = client(t, s.port);
  c.write(post("Transfer-Encoding: chunked") + "5\r\n01234\r\n4\r\nmany\r\n");
  await up.got(/Transfer-Encoding: chunked\r\n.*\r\n9\r\n01234many\r\n$/s);
  c.write("3\r\nend\r\n0\r\n\r\n");
  const one = await up.got(/\r\n9\r\n01234many\r\n3\r\nend\r\n0\r\n\r\n$/);
  t.false(/Content-Length/.test(one.text));
  one.socket.end(ok);
  await waitFor(() => c.text.endsWith("OK"));
  const whole = client(t, s.port);
  whole.write(post("Transfer-Encoding: chunked") + "5\r\n01234\r\n0\r\n\r\n");
  (await up.got(/Content-Length: 5\r\n.*\r\n01234$/s, 1)).socket.end(ok);
  await waitFor(() => whole.text.endsWith("OK"));
  t.regex(whole.text, /X-Body: 01234/);
});

test("a large body, all of it, in order, with little memory, also to a server that is slow to take it", async (t) => {
  const size = 40 * 1024 * 1024;
  let read = 0;
  let isGood = true;
  let isSlow = true;
  const port = await listening(
    t,
    createServer((socket) => {
      let head = "";
      socket.on("error", () => {});
      socket.on("data", (part) => {
        if (!head.includes("\r\n\r\n")) {
          const at = (head + part.toString("latin1")).indexOf("\r\n\r\n") + 4 - head.length;
          head += part.toString("latin1");
          if (!head.includes("\r\n\r\n")) return;
          part = part.subarray(at);
        }
        for (let i = 0; i < part.length; i++) isGood &&= part[i] === (read + i) % 251;
        read += part.length;
        if (isSlow) socket.pause();
        if (read === size) socket.end(ok);
      });
      setTimeout(() => ((isSlow = false), socket.resume()), 300);
    }),
  );
  const s = await unbuffered(t, { port }, "client_max_body_size 0;");
  const c = client(t, s.port);
  const piece = Buffer.alloc(251 * 4096);
  for (let i = 0; i < piece.length; i++) piece[i] = i % 251;
  c.write(post(`Content-Length: ${size}`));
  let written = 0;
  const before = process.memoryUsage().rss;
  for (let left = size; left > 0; left -= piece.length) {
    const part = piece.subarray(0, Math.min(left, piece.length));
    if (!c.socket.write(part)) await new Promise((resolve) => c.socket.once("drain", resolve));
    written += part.length;
  }
  await waitFor(() => c.text.endsWith("OK"), 30_000);
  t.true(isGood);
  t.deepEqual([read, written], [size, size]);
  t.true(process.memoryUsage().rss - before < 200e6);
});

test("an early reply ends it: nothing more is sent, and the client has its answer", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(t, up);
  const c = client(t, s.port);
  c.write(post("Content-Length: 1000") + "begun");
  const one = await up.got(/\r\n\r\nbegun$/);
  one.socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!");
  await waitFor(() => c.text.endsWith("no!"));
  c.write("x".repeat(995) + "GET /no HTTP/1.1\r\nHost: h\r\n\r\n");
  await waitFor(() => c.text.endsWith("no"));
  t.true(one.text.endsWith("begun"));
});

test("what was sent goes to no second server; what was not, does", async (t) => {
  const up = await listener(t);
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:1; server 127.0.0.1:${up.port}; server 127.0.0.1:${up.port} backup; }`,
    server: `proxy_request_buffering off; proxy_next_upstream error timeout invalid_header http_503 non_idempotent;
      location / { proxy_pass http://u; }`,
  });
  const c = client(t, s.port);
  c.write(post("Content-Length: 10") + "01234");
  const one = await up.got(/\r\n\r\n01234$/);
  one.socket.destroy();
  await waitFor(() => /^HTTP\/1\.1 502/.test(c.text));
  t.is(up.all.length, 1);
});

test("the client goes, is late, sends no chunks or too much: the upstream sees no whole body", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(t, up, "client_body_timeout 300ms; client_max_body_size 20;");
  const cases = [
    ["Content-Length: 10", "0", (c) => c.socket.destroy()],
    ["Content-Length: 10", "0", () => {}],
    ["Transfer-Encoding: chunked", "1\r\n0\r\n", (c) => c.write("z\r\n")],
    ["Transfer-Encoding: chunked", "1\r\n0\r\n", (c) => c.write("20\r\n" + "x".repeat(32))],
  ];
  const answers = [];
  for (const [i, [fields, begin, act]] of cases.entries()) {
    const c = client(t, s.port);
    c.write(post(fields) + begin);
    const one = await up.got(/0(\r\n)?$/, i);
    act(c);
    await waitFor(() => one.isEnded && c.isClosed);
    t.false(one.text.endsWith("0\r\n\r\n"), one.text);
    answers.push(c.text.split(" ")[1]);
  }
  t.deepEqual(answers, [undefined, undefined, "400", "413"]);
});

test("a balancer in Lua does not discard what is under way", async (t) => {
  const up = await listener(t);
  const s = await startMoonwire(t, {
    http: `upstream u { server 0.0.0.1; balancer_by_lua_block {
      local _, err = pcall(ngx.req.discard_body)
      ngx.ctx.err = tostring(err)
      assert(require("ngx.balancer").set_current_peer("127.0.0.1", ${up.port})) } }`,
    server: `location / { proxy_request_buffering off; proxy_pass http://u;
      header_filter_by_lua_block { ngx.header["X-Error"] = ngx.ctx.err } }`,
  });
  const c = client(t, s.port);
  c.write(post("Content-Length: 10") + "01234");
  const one = await up.got(/\r\n\r\n01234$/);
  c.write("56789");
  await up.got(/\r\n\r\n0123456789$/);
  one.socket.end(ok);
  await waitFor(() => c.text.endsWith("OK"));
  t.regex(c.text, /X-Error: .*request body is being read\r\n/);
});

test("where the framing is not ours to tell the body is read first", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(
    t,
    up,
    "",
    'proxy_set_header Transfer-Encoding ""; proxy_set_header Content-Length $http_content_length;',
  );
  const c = client(t, s.port);
  c.write(post("Content-Length: 4") + "ab");
  await sleep(100);
  t.is(up.all.length, 0);
  c.write("cd");
  (await up.got(/\r\n\r\nabcd$/)).socket.end(ok);
  await waitFor(() => c.text.endsWith("OK"));
});

test("a client that sends its end with the body is answered", async (t) => {
  const up = await listener(t);
  for (const mode of ["on", "off"]) {
    const s = await startMoonwire(t, {
      server: `location / { proxy_request_buffering ${mode}; proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:${up.port}; }`,
    });
    const c = client(t, s.port);
    c.write(post("Content-Length: 4"));
    await sleep(50);
    c.socket.end("abcd");
    (await up.got(/\r\n\r\nabcd$/, mode === "on" ? 0 : 1)).socket.end(ok);
    await waitFor(() => c.text.endsWith("OK"));
  }
  t.pass();
});

test("an early reply leaves no connection behind that waits for the rest of a body, whatever becomes of the reply", async (t) => {
  const up = await listener(t);
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:${up.port}; keepalive 4; }
      proxy_cache_path __PREFIX__/cache keys_zone=one:1m;`,
    server: `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
      location /intercept { proxy_intercept_errors on; error_page 401 /no; proxy_pass http://u; }
      location /stale { proxy_cache one; proxy_cache_methods POST; proxy_cache_key k; proxy_cache_valid 1s;
        proxy_cache_use_stale http_500; proxy_pass http://u; }
      location /accel { proxy_pass http://u; }
      location /plain { proxy_pass http://u; }
      location /no { return 200 no; }`,
  });
  const early = async (path, reply, n, expected) => {
    const c = client(t, s.port);
    c.write(`POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc`);
    const one = await up.got(/\r\n\r\nabc$/, n);
    one.socket.write(reply);
    await waitFor(() => expected.test(c.text));
    await waitFor(() => one.isEnded, `the end of the connection of ${path}`);
    t.true(one.text.endsWith("abc"));
    c.socket.destroy();
  };
  await early("/intercept", "HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n", 0, /\r\n\r\nno$/);
  await early("/accel", "HTTP/1.1 404 x\r\nX-Accel-Redirect: /../x\r\nContent-Length: 0\r\n\r\n", 1, /^HTTP\/1\.1 \d/);
  const first = client(t, s.port);
  first.write("POST /stale HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  (await up.got(/\r\n\r\n$/, 2)).socket.end(ok.replace("200 OK", "200 OK\r\nConnection: close"));
  await waitFor(() => first.text.endsWith("OK"));
  await sleep(2100);
  await early("/stale", "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", 3, /OK$/);
});

test("a length that Lua sets is the one that is announced, and sent", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(t, up, "", 'rewrite_by_lua_block { ngx.req.set_header("Content-Length", 6) }');
  const c = client(t, s.port);
  c.write(post("Content-Length: 10") + "0123");
  await up.got(/Content-Length: 6\r\n(.*\r\n)?\r\n0123$/s);
  c.write("456789");
  const one = await up.got(/\r\n\r\n012345$/);
  one.socket.end(ok);
  await waitFor(() => c.text.includes("OK"));
  t.true(one.text.endsWith("012345"));
});

test("client_body_min_rate does not count the time that the server takes", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(
    t,
    up,
    "client_body_timeout 200ms; client_body_min_rate 100000; client_max_body_size 0; client_body_buffer_size 16k;",
  );
  const c = client(t, s.port);
  const size = 12_000_000; // more than the sockets between hold
  c.write(post(`Content-Length: ${size}`));
  const one = await up.got(/\r\n\r\n/);
  one.socket.pause();
  c.socket.write(Buffer.alloc(size, 120));
  await sleep(1500);
  one.socket.resume();
  await waitFor(() => one.text.length >= size, "the body", 60_000);
  one.socket.end(ok);
  await waitFor(() => c.text.endsWith("OK"));
  t.regex(c.text, /^HTTP\/1\.1 200/);
});

test("a body that is thrown away already is none for who reads it later", async (t) => {
  const s = await startMoonwire(t, {
    server: `location /gone { error_page 302 = /lua; return 302 /x; }
      location /lua { content_by_lua_block { ngx.req.read_body() ngx.say(tostring(ngx.req.get_body_data()))
        ngx.req.set_body_data("mine") ngx.say(ngx.req.get_body_data()) } }`,
  });
  const c = client(t, s.port);
  c.write("POST /gone HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nGET /lua HTTP/1.1\r\n");
  await waitFor(() => /mine\n/.test(c.text));
  t.regex(c.text, /nil\nmine\n/);
  c.write("Host: h\r\n\r\nGET /lua HTTP/1.1\r\nHost: h\r\n\r\n");
  await waitFor(() => c.isClosed || c.text.split("HTTP/1.1 ").length > 2);
  t.is(c.text.split("HTTP/1.1 ").length, 2, "nothing of the body is a request");
});

test("the part of a body that had come before an early reply is not taken for the body", async (t) => {
  const up = await listener(t);
  const s = await unbuffered(
    t,
    up,
    `proxy_intercept_errors on; error_page 401 = /lua;
    location = /lua { content_by_lua_block { ngx.req.read_body() ngx.sleep(0.5) ngx.say(tostring(ngx.req.get_body_data())) } }`,
  );
  const c = client(t, s.port);
  c.write(post("Content-Length: 10") + "01234");
  const one = await up.got(/\r\n\r\n01234$/);
  one.socket.write("HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n");
  await waitFor(() => one.isEnded);
  c.write("56789");
  await waitFor(() => /\r\n\r\n.*\n$/.test(c.text));
  t.regex(c.text, /\r\n\r\nnil\n$/);
});

test("a client that still sends what is thrown away, and another body stands for, is not cut off before it has the answer", async (t) => {
  const s = await startMoonwire(t, {
    server: `location /gone { error_page 302 = /lua; return 302 /x; }
      location /lua { content_by_lua_block { ngx.req.read_body() ngx.req.set_body_data("mine") ngx.say(ngx.req.get_body_data()) } }`,
  });
  const socket = connect({ port: s.port, host: "127.0.0.1", allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  const errors = [];
  let text = "";
  socket.on("error", (e) => errors.push(e.code)).on("data", (part) => (text += part.toString("latin1")));
  socket.write("POST /gone HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc");
  await waitFor(() => /mine\n/.test(text));
  for (let i = 0; i < 3; i++) {
    socket.write("x".repeat(1000));
    await sleep(50);
  }
  t.deepEqual(errors, []);
});
