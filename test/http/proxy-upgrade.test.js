// SPDX-License-Identifier: MIT
// proxy_pass of a connection that changes its protocol: WebSocket through us, and raw bytes both ways after a 101.
import { createHash } from "node:crypto";
import { connect } from "node:net";
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { rawServer } from "../helpers/upstream.js";
import { echoLocation, EchoSocket } from "../../bench/lib/websocket.mjs";

const upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
const ask = (path, more = "") =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\n${more}\r\n`;
const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\nX-Up: yes\r\n\r\n";

/** A client's connection: `text` of all that came, closed() when it is over. */
function open(t, port, bytes) {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const client = { socket, text: "", closed: new Promise((resolve) => socket.on("close", resolve)) };
  socket.on("data", (part) => (client.text += part.toString("latin1"))).on("error", () => {});
  socket.on("end", () => socket.end());
  socket.on("connect", () => socket.write(bytes));
  t.teardown(() => socket.destroy());
  return client;
}

test("a WebSocket goes through, lives on over a reload, and its bytes are logged", async (t) => {
  const s = await startMoonwire(t, {
    http: 'log_format f "$request_uri $status $upstream_status"; map $http_upgrade $cu { default upgrade; "" close; }',
    server: `access_log logs/access.log f;
      ${echoLocation}
      location = /ws { proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $cu;
        proxy_pass http://127.0.0.1:$server_port/echo; }`,
  });
  const socket = new EchoSocket(s.port, "/ws", 5);
  await socket.opened;
  await waitFor(() => socket.echoes > 20, "echoes");
  await s.server.reload();
  const before = socket.echoes;
  await waitFor(() => socket.echoes > before + 20, "echoes after the reload");
  t.is(socket.failure, undefined);
  await socket.close();
  await waitFor(() => s.log("logs/access.log").includes("/ws 101 101\n"), "the log's line");
});

test("bytes go both ways as they are, however many, and whoever is slow", async (t) => {
  const size = 8_000_000;
  const all = Buffer.alloc(size, "0123456789abcdef!");
  const sum = (data) => createHash("sha1").update(data).digest("hex");
  const port = await rawServer(t, (socket, text) => {
    socket.write(`${switched}first`); // in one segment with the head
    const parts = [Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4), "latin1")];
    let got = parts[0].length;
    socket.on("data", (part) => {
      parts.push(part);
      got += part.length;
      if (got < size) return;
      socket.write(sum(Buffer.concat(parts)));
      socket.end(all);
    });
    socket.pause();
    setTimeout(() => socket.resume(), 200);
  });
  const s = await startMoonwire(t, {
    http: 'log_format f "$status $body_bytes_sent $sent_http_connection";',
    server: `access_log logs/bytes.log f; location / { ${upgrade} proxy_pass http://127.0.0.1:${port};
      header_filter_by_lua_block { ngx.sleep(0.01) ngx.header["X-Filter"] = "waited" }
      body_filter_by_lua_block { ngx.arg[1] = "never" } }`,
  });
  const client = open(t, s.port, Buffer.concat([Buffer.from(ask("/")), all]));
  client.socket.pause();
  setTimeout(() => client.socket.resume(), 400);
  await client.closed;
  const at = client.text.indexOf("\r\n\r\n") + 4;
  t.regex(client.text.slice(0, at), /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  t.regex(client.text.slice(0, at), /\r\nConnection: upgrade\r\n/);
  t.regex(client.text.slice(0, at), /\r\nUpgrade: raw\r\n/);
  t.regex(client.text.slice(0, at), /\r\nX-Up: yes\r\n/);
  t.regex(client.text.slice(0, at), /\r\nX-Filter: waited\r\n/);
  t.notRegex(client.text.slice(0, at), /Content-Length|Transfer-Encoding/);
  const body = client.text.slice(at);
  t.is(body.slice(0, 45), `first${sum(all)}`);
  t.is(sum(Buffer.from(body.slice(45), "latin1")), sum(all));
  const sent = "first".length + 40 + size;
  await waitFor(() => s.log("logs/bytes.log") === `101 ${sent} upgrade\n`, "the log's line");
});

test("a 101 that nobody asked for is refused", async (t) => {
  const port = await rawServer(t, (socket) => socket.end(switched));
  const s = await startMoonwire(t, {
    server: `location = /plain { proxy_http_version 1.1; proxy_pass http://127.0.0.1:${port}; }
      location = /asked { ${upgrade} proxy_pass http://127.0.0.1:${port}; }
      location = /forced { proxy_http_version 1.1; proxy_set_header Upgrade raw; proxy_pass http://127.0.0.1:${port}; }
      location = /capture { content_by_lua_block { ngx.say(ngx.location.capture("/asked").status) } }`,
  });
  const client = open(t, s.port, ask("/plain", "X: y\r\n").replace("Connection: Upgrade", "Connection: close"));
  await client.closed;
  t.regex(client.text, /^HTTP\/1\.1 502 /);
  t.is((await s.get("/asked")).status, 502);
  t.is((await s.get("/forced")).status, 502);
  const capture = open(t, s.port, ask("/capture").replace("Connection: Upgrade", "Connection: close"));
  await capture.closed;
  t.regex(capture.text, /\r\n502\n/);
  t.regex(s.log(), /upstream switched protocols unasked while reading response header from upstream/);
});

test("it ends with either side, with the time that nothing comes, and with a header filter that answers itself", async (t) => {
  let live = 0;
  const port = await rawServer(t, (socket, text) => {
    ++live;
    socket.on("close", () => --live);
    socket.on("end", () => socket.end());
    socket.write(switched);
    if (text.includes("/bye")) socket.end("bye");
  });
  const s = await startMoonwire(t, {
    server: `location / { ${upgrade} proxy_read_timeout 2s; proxy_pass http://127.0.0.1:${port}; }
      location = /bye { ${upgrade} proxy_pass http://127.0.0.1:${port}; }
      location = /long { ${upgrade} proxy_pass http://127.0.0.1:${port}; }
      location = /fail { ${upgrade} header_filter_by_lua_block { error("no") } proxy_pass http://127.0.0.1:${port}; }
      location = /refuse { ${upgrade} header_filter_by_lua_block { ngx.exit(403) } proxy_pass http://127.0.0.1:${port}; }`,
  });
  const bye = open(t, s.port, ask("/bye"));
  await bye.closed;
  t.regex(bye.text, /\r\n\r\nbye$/);

  const long = open(t, s.port, ask("/long"));
  await waitFor(() => long.text.includes("\r\n\r\n"), "the head");
  long.socket.end("no more");
  await long.closed;
  const reset = open(t, s.port, ask("/long"));
  await waitFor(() => reset.text.includes("\r\n\r\n"), "the head");
  reset.socket.resetAndDestroy();

  const idle = open(t, s.port, ask("/idle"));
  await idle.closed;
  t.regex(idle.text, /^HTTP\/1\.1 101 /);
  t.regex(s.log(), /upstream timed out \(110: Connection timed out\) while proxying upgraded connection/);

  const failed = open(t, s.port, ask("/fail"));
  await failed.closed;
  t.is(failed.text, "");

  const refused = open(t, s.port, ask("/refuse"));
  await waitFor(() => refused.text.includes("</html>"), "the page");
  t.regex(refused.text, /^HTTP\/1\.1 403 /);
  await waitFor(() => live === 0, "the end of all connections to the server");
});
