// SPDX-License-Identifier: MIT
// The PROXY protocol on listeners of http and of stream: both versions, in pieces, refused, and what is made of it.
import test from "ava";
import { openWire, startServer } from "../helpers/wire.js";
import { waitFor } from "../helpers/process.js";

const get = (path) => `GET ${path} HTTP/1.1\r\nHost: h.test\r\n\r\n`;
const text = "PROXY TCP4 192.0.2.1 192.0.2.2 123 5678\r\n";
const signature = "\r\n\r\n\0\r\nQUIT\n";
const latin = (...bytes) => String.fromCharCode(...bytes);
const ip4 = latin(192, 0, 2, 1, 192, 0, 2, 2, 0, 123, 22, 46);
const binary = (body, family = 0x11, command = 0x21) =>
  signature + latin(command, family, body.length >> 8, body.length & 255) + body;
const tlv = (type, value) => latin(type, value.length >> 8, value.length & 255) + value;

const http = `server { listen unix:__PREFIX__/p.sock proxy_protocol; server_name p.test; set_real_ip_from unix:;
    location / { return 200 "$remote_addr $proxy_protocol_addr!$proxy_protocol_port $proxy_protocol_server_addr!$proxy_protocol_server_port"; }
    location /real { real_ip_header proxy_protocol;
      location /real/deny { deny 192.0.2.1; }
      content_by_lua_block { local v = ngx.var ngx.print(v.remote_addr, ":", v.remote_port, " ", v.realip_remote_addr) } }
    location /lua { content_by_lua_block { ngx.print(tostring(ngx.var.proxy_protocol_addr)) } }
    location /tlv { return 200 "$proxy_protocol_tlv_alpn|$proxy_protocol_tlv_0x001|$proxy_protocol_tlv_ssl_cn|$proxy_protocol_tlv_ssl_0x22|$proxy_protocol_tlv_ssl_verify|$proxy_protocol_tlv_netns|$proxy_protocol_tlv_0xff"; }
  }`;

const start = async (t) => {
  const s = await startServer(t, { server: `location / { return 200 "[$proxy_protocol_addr]"; }`, http });
  return { ...s, log: s.log, path: { port: { path: `${s.prefix}/p.sock` } } };
};

test("version 1 and 2, for every request of the connection; listeners without it take none", async (t) => {
  const s = await start(t);
  for (const header of [text, binary(ip4)]) {
    const wire = openWire(t, s.path).send(header + get("/") + get("/real"));
    t.is((await wire.response()).body, "unix: 192.0.2.1!123 192.0.2.2!5678");
    t.is((await wire.response()).body, "192.0.2.1:123 unix:");
    wire.send(get("/lua") + get("/real/deny"));
    t.is((await wire.response()).body, "192.0.2.1");
    t.is((await wire.response()).status, 403);
  }
  for (const header of ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN a b\r\n", binary("", 0), binary(ip4, 0x11, 0x20)]) {
    const wire = openWire(t, s.path).send(header + get("/") + get("/real"));
    t.is((await wire.response()).body, "unix: ! !");
    t.is((await wire.response()).body, "unix:: unix:");
  }
  t.is((await openWire(t, s).send(get("/")).response()).body, "[]");
  t.is((await openWire(t, s).send(text).response()).status, 400);
});

test("a header that comes byte by byte", async (t) => {
  const s = await start(t);
  for (const header of [text, binary(ip4)]) {
    const wire = openWire(t, s.path);
    for (const byte of header) {
      wire.send(byte);
      await new Promise((next) => setTimeout(next, 1));
    }
    wire.send(get("/"));
    t.is((await wire.response()).body, "unix: 192.0.2.1!123 192.0.2.2!5678");
  }
});

test("TLVs of version 2", async (t) => {
  const s = await start(t);
  const ssl = latin(1, 0, 0, 0, 7) + tlv(0x21, "TLSv1.2") + tlv(0x22, "a.test");
  const ask = (tlvs) =>
    openWire(t, s.path)
      .send(binary(ip4 + tlvs) + get("/tlv"))
      .response();
  t.is((await ask(tlv(1, "h2") + tlv(0x20, ssl) + tlv(0x30, ""))).body, "h2|h2|a.test|a.test|7||");
  t.is((await ask("")).body, "||||||");
  t.is((await ask(tlv(0x20, latin(1, 2)))).body, "||||||");
  t.is((await ask(latin(0x30, 255, 255))).body, "||||||");
  await waitFor(() => /broken PROXY protocol TLV/.test(s.log()), "the line");
});

test("what is no header is told and the connection closed, without an answer", async (t) => {
  const s = await start(t);
  const bad = [
    get("/"),
    "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
    "PROXY " + "x".repeat(200),
    binary(ip4.slice(1)),
    binary(ip4, 0x11, 0x22),
  ];
  for (const bytes of bad) {
    const wire = openWire(t, s.path).send(bytes + get("/"));
    await wire.closed();
    t.is(wire.text, "");
  }
  const line = /broken header: "GET \/ HTTP\/1\.1" while reading PROXY protocol, client: unix:, server: unix:/;
  await waitFor(() => line.test(s.log()), "the line");
  const early = openWire(t, s.path).send("PROXY TC");
  early.half();
  await early.closed();
  t.is(
    (
      await openWire(t, s.path)
        .send(text + get("/"))
        .response()
    ).status,
    200,
  );
});

test("half a header that comes together with the end of the stream: the connection is closed at once", async (t) => {
  const s = await startServer(t, {
    http: `server { listen unix:__PREFIX__/p.sock proxy_protocol; client_header_timeout 60s; return 204; }
      server { listen unix:__PREFIX__/busy.sock; location / { content_by_lua_block {
        local till = os.clock() + 0.3 while os.clock() < till do end } } }`,
  });
  const busy = openWire(t, { port: { path: `${s.prefix}/busy.sock` } }).send(get("/"));
  await new Promise((next) => setTimeout(next, 50));
  const wire = openWire(t, { port: { path: `${s.prefix}/p.sock` } }).send("PROXY TCP4 192.0");
  wire.half();
  t.is((await busy.response()).status, 200);
  await wire.closed();
  t.is(wire.text, "");
});

test("client_header_timeout holds for the header", async (t) => {
  const s = await startServer(t, {
    http: `server { listen unix:__PREFIX__/p.sock proxy_protocol; client_header_timeout 200ms; return 204; }`,
  });
  const wire = openWire(t, { port: { path: `${s.prefix}/p.sock` } }).send("PROXY TCP4");
  await wire.closed();
  t.is(wire.text, "");
});

test("a stream server: its handler reads what follows the header", async (t) => {
  const handler = `content_by_lua_block { local sock = ngx.req.socket(true)
    sock:send(ngx.var.remote_addr .. " " .. ngx.var.proxy_protocol_addr .. " " .. sock:receive() .. "\\n") }`;
  const s = await startServer(t, {
    main: `stream { server { listen unix:__PREFIX__/a.sock proxy_protocol; ${handler} }
      server { listen unix:__PREFIX__/b.sock proxy_protocol; set_real_ip_from unix:; ${handler} } }`,
  });
  const ask = async (name, header) => {
    const wire = openWire(t, { port: { path: `${s.prefix}/${name}.sock` } }).send(header + "line\n");
    await wire.closed();
    return wire.text;
  };
  const first = await ask("a", text);
  t.is(first, "unix: 192.0.2.1 line\n", s.log());
  t.is(await ask("b", binary(ip4)), "192.0.2.1 192.0.2.1 line\n");
  t.is(await ask("a", "nonsense\n"), "");
});

test("a reload: an idle connection goes to the new worker with what its proxy said; one whose header is awaited is served", async (t) => {
  const s = await start(t);
  const idle = openWire(t, s.path).send(text + get("/"));
  await idle.response();
  const awaited = openWire(t, s.path).send(text.slice(0, 9));
  await new Promise((next) => setTimeout(next, 50));
  await s.server.reload();
  t.is((await idle.send(get("/lua")).response()).body, "192.0.2.1");
  t.is((await awaited.send(text.slice(9) + get("/lua")).response()).body, "192.0.2.1");
});
