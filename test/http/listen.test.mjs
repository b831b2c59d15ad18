// SPDX-License-Identifier: MIT
// Listeners: unix sockets, IPv6, several of one server.
import test from "ava";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { freePort } from "../helpers/index.js";
import { openWire, startServer } from "../helpers/wire.js";

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((i) => i.address === "::1");

function isFree(port) {
  return new Promise((done) => {
    const server = createServer()
      .on("error", () => done(false))
      .listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
}

test("a unix socket", async (t) => {
  const s = await startServer(t, {
    server: `listen unix:__PREFIX__/s.sock; return 200 "[$remote_addr] [$server_addr] [$server_port] $uri";`,
  });
  const wire = openWire(t, { port: { path: `${s.prefix}/s.sock` } });
  wire.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  t.is((await wire.response()).body, `[unix:] [unix:${s.prefix}/s.sock] [] /1`);
  t.regex((await wire.response()).body, / \/2$/);
});

test("a redirect on a unix socket has no port", async (t) => {
  const s = await startServer(t, { server: `listen unix:__PREFIX__/s.sock; return 301 /x;` });
  const wire = openWire(t, { port: { path: `${s.prefix}/s.sock` } }).send("GET / HTTP/1.1\r\nHost: h.test\r\n\r\n");
  t.deepEqual((await wire.response()).headers.location, ["http://h.test/x"]);
});

(hasIpv6 ? test : test.skip)("an IPv6 address", async (t) => {
  const s = await startServer(t, {
    server: `listen [::1]:__PORT__; return 200 "$remote_addr $server_addr $server_port";`,
    files: {},
  });
  const port = Number(/:(\d+)$/.exec((s.server.addresses ?? []).find((a) => a.includes("[::1]")) ?? "")?.[1]);
  const wire = openWire(t, { port: { host: "::1", port } }).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  t.is((await wire.response()).body, `::1 ::1 ${port}`);
});

test("servers of two listeners are apart", async (t) => {
  const s = await startServer(t, {
    server: `server_name same.test; return 200 tcp;`,
    http: `server { listen unix:__PREFIX__/s.sock; server_name same.test; return 200 unix; }`,
  });
  const request = "GET / HTTP/1.1\r\nHost: same.test\r\n\r\n";
  t.is((await openWire(t, s).send(request).response()).body, "tcp");
  t.is(
    (
      await openWire(t, { port: { path: `${s.prefix}/s.sock` } })
        .send(request)
        .response()
    ).body,
    "unix",
  );
});

test("a range of ports is a listen of each", async (t) => {
  const ports = [];
  while (ports.length < 3) {
    ports.length = 0;
    const first = await freePort();
    for (let port = first; port < first + 3 && (await isFree(port)); port++) ports.push(port);
  }
  const s = await startServer(t, { server: `listen 127.0.0.1:${ports[0]}-${ports[2]}; return 200 $server_port;` });
  for (const port of ports)
    t.is((await openWire(t, port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).body, String(port));
  t.truthy(s);
});
