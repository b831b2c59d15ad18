// SPDX-License-Identifier: MIT
// How an upstream chooses among its servers: hash, ip_hash, least_conn, random, max_conns, and what a zone shares between workers.
// Where keys go beside nginx: test/differential/modules-nginx.mjs.
import test from "ava";
import { connect } from "node:net";
import { crc32 } from "node:zlib";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { httpServer } from "../helpers/upstream.js";

/**
 * Servers that answer with their number, those asked for /held when release() says so.
 * @returns {Promise<{ports: number[], held: number[], release: () => void}>} `held`: who has a request that waits
 */
async function numbered(t, count) {
  const waiting = [];
  const held = [];
  const ports = [];
  for (let i = 0; i < count; i++)
    ports.push(
      await httpServer(t, (req, res) => {
        if (!req.url.startsWith("/held")) return res.end(String(i));
        held.push(i);
        waiting.push(() => res.end(String(i)));
      }),
    );
  const release = () => {
    held.length = 0;
    for (const answer of waiting.splice(0)) answer();
  };
  return { ports, held, release };
}

const servers = (ports, params = []) =>
  ports.map((port, i) => `server 127.0.0.1:${port} ${params[i] ?? ""};`).join(" ");

/** The server in whose part of all weights `at` lies. */
const byWeight = (at, weights) => {
  let rest = at % weights.reduce((a, b) => a + b);
  return weights.findIndex((weight) => (rest -= weight) < 0);
};

/** The bodies of requests, one after another. */
async function bodies(s, paths, options = () => ({})) {
  const list = [];
  for (const path of paths) list.push((await s.get(path, options(path))).body);
  return list;
}
const keys = Array.from({ length: 30 }, (_, i) => `key${i}`);

test("hash: the server follows from the key's CRC, by weight; without a key the turn decides", async (t) => {
  const { ports } = await numbered(t, 3);
  const s = await startMoonwire(t, {
    http: `upstream u { hash $arg_a; ${servers(ports, ["weight=3", "", "down"])} }
      upstream gone { hash $arg_a; server 127.0.0.1:1; server 127.0.0.1:${ports[1]}; }`,
    server: `location / { proxy_pass http://u; } location /gone { proxy_pass http://gone; }`,
  });
  const got = await bodies(
    s,
    keys.map((key) => `/?a=${key}`),
  );
  for (const [i, key] of keys.entries()) {
    const index = byWeight((crc32(key) >>> 16) & 0x7fff, [3, 1, 1]);
    if (index < 2) t.is(got[i], String(index), key);
    else t.regex(got[i], /^[01]$/, "the key of a server that is down has another one");
  }
  t.deepEqual((await bodies(s, Array(8).fill("/"))).toSorted(), ["0", "0", "0", "0", "0", "0", "1", "1"]);
  t.deepEqual(
    new Set(
      await bodies(
        s,
        keys.map((key) => `/gone?a=${key}`),
      ),
    ),
    new Set(["1"]),
  );
});

test("hash consistent: only the keys of a server that has left move", async (t) => {
  const { ports } = await numbered(t, 3);
  const s = await startMoonwire(t, {
    http: `upstream all { hash $arg_a consistent; ${servers(ports, ["", "", "weight=2"])} }
      upstream two { server 127.0.0.1:${ports[0]}; server 127.0.0.1:${ports[2]} weight=2; hash $arg_a consistent; }`,
    server: `location / { proxy_pass http://all; } location /two { proxy_pass http://two; }`,
  });
  const all = await bodies(
    s,
    keys.map((key) => `/?a=${key}`),
  );
  const two = await bodies(
    s,
    keys.map((key) => `/two?a=${key}`),
  );
  t.is(new Set(all).size, 3);
  for (const [i, key] of keys.entries())
    if (all[i] === "1") t.regex(two[i], /^[02]$/, key);
    else t.is(two[i], all[i], key);
});

test("ip_hash: the server follows from the client's network, as the real_ip module names it", async (t) => {
  const { ports } = await numbered(t, 3);
  const s = await startMoonwire(t, {
    http: `upstream u { ip_hash; ${servers(ports, ["", "weight=2"])} } set_real_ip_from 127.0.0.1;`,
    server: "location / { proxy_pass http://u; }",
  });
  const hash = (bytes) => bytes.reduce((h, byte) => (h * 113 + byte) % 6271, 89);
  for (let i = 0; i < 12; i++) {
    const expected = String(byWeight(hash([10, 1, i]), [1, 2, 1]));
    for (const last of [1, 200]) {
      const { body } = await s.get("/", { headers: { "X-Real-IP": `10.1.${i}.${last}` } });
      t.is(body, expected, `10.1.${i}.${last}`);
    }
  }
  const six = [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 7];
  const { body } = await s.get("/", { headers: { "X-Real-IP": "2001:db8::7" } });
  t.is(body, String(byWeight(hash(six), [1, 2, 1])));
});

test("least_conn: the server with fewer connections, by weight; among equals the turn; then backups", async (t) => {
  const { ports, held, release } = await numbered(t, 3);
  const s = await startMoonwire(t, {
    http: `upstream u { least_conn; ${servers(ports, ["", "weight=2", "backup"])} }
      upstream gone { least_conn; server 127.0.0.1:1; server 127.0.0.1:1; server 127.0.0.1:${ports[2]} backup; }`,
    server: "location / { proxy_pass http://u; } location /gone { proxy_pass http://gone; }",
  });
  t.deepEqual((await bodies(s, Array(6).fill("/"))).toSorted(), ["0", "0", "1", "1", "1", "1"]);
  const slow = [];
  for (let n = 1; n <= 6; n++) {
    slow.push(s.get("/held"));
    await waitFor(() => held.length === n);
  }
  t.deepEqual(held.toSorted(), [0, 0, 1, 1, 1, 1]);
  release();
  await Promise.all(slow);
  t.is((await s.get("/gone")).body, "2");
});

test("random: every server has its part; two: the less loaded one", async (t) => {
  const { ports, held, release } = await numbered(t, 2);
  const s = await startMoonwire(t, {
    http: `upstream u { random; ${servers(ports)} } upstream two { random two least_conn; ${servers(ports)} }
      upstream gone { random two; server 127.0.0.1:1; server 127.0.0.1:${ports[1]}; }
      upstream one { random; server 127.0.0.1:${ports[1]}; }`,
    server: `location / { proxy_pass http://u; } location /held { proxy_pass http://two; } location /two { proxy_pass http://two; }
      location /gone { proxy_pass http://gone; } location /one { proxy_pass http://one; }`,
  });
  t.is(new Set(await bodies(s, Array(60).fill("/"))).size, 2);
  const slow = s.get("/held");
  await waitFor(() => held.length === 1);
  const free = String(1 - held[0]);
  // Lots may fall on one server 21 times in a row; then the turn decides.
  t.deepEqual(await bodies(s, Array(10).fill("/two")), Array(10).fill(free));
  release();
  await slow;
  t.deepEqual(await bodies(s, ["/gone", "/gone", "/one"]), ["1", "1", "1"]);
});

test("max_conns: full servers are passed over, until a request or its client has gone", async (t) => {
  const { ports, held, release } = await numbered(t, 2);
  const s = await startMoonwire(t, {
    http: `upstream one { server 127.0.0.1:${ports[0]} max_conns=1; }
      upstream spare { server 127.0.0.1:${ports[0]} max_conns=2; server 127.0.0.1:${ports[1]} backup; }
      upstream key { hash a; ${servers(ports, ["max_conns=1", "max_conns=1"])} }
      upstream ring { hash a consistent; ${servers(ports, ["max_conns=1", "max_conns=1"])} }
      upstream kept { server 127.0.0.1:${ports[0]} max_conns=1; keepalive 4; }`,
    server: `proxy_http_version 1.1; proxy_set_header Connection "";
      location ~ ^/held/(\\w+) { proxy_pass http://$1; } location ~ ^/now/(\\w+) { proxy_pass http://$1; }`,
  });
  const spread = { one: [0], spare: [0, 0, 1], key: [0, 1], ring: [0, 1], kept: [0] };
  for (const [name, expected] of Object.entries(spread)) {
    const slow = [];
    for (let n = 1; n <= expected.length; n++) {
      slow.push(s.get(`/held/${name}`));
      await waitFor(() => held.length === n);
    }
    t.deepEqual(held.toSorted(), expected, name);
    const more = await s.get(`/now/${name}`);
    if (name === "spare") t.is(more.body, "1");
    else t.is(more.status, 502, name);
    release();
    await Promise.all(slow);
    t.is((await s.get(`/now/${name}`)).status, 200, name);
    t.is((await s.get(`/now/${name}`)).status, 200, name);
  }
  t.regex(s.log(), /no live upstreams while connecting to upstream, .* upstream: "http:\/\/one\//);
  const client = connect(s.port, "127.0.0.1", () => client.write("GET /held/one HTTP/1.1\r\nHost: h\r\n\r\n"));
  await waitFor(() => held.length === 1);
  client.destroy();
  await waitFor(async () => (await s.get("/now/one")).status === 200);
  t.pass();
});

test("a zone counts connections and failures over all workers", async (t) => {
  const { ports, held, release } = await numbered(t, 2);
  let failures = 0;
  const bad = await httpServer(t, (_, res) => {
    failures++;
    res.destroy();
  });
  const s = await startMoonwire(t, {
    main: "worker_processes 2;",
    http: `upstream full { zone z 64k; server 127.0.0.1:${ports[0]} max_conns=1; }
      upstream least { zone z; least_conn; ${servers(ports)} }
      upstream bad { zone b 64k; server 127.0.0.1:${bad} max_fails=1 fail_timeout=1h; server 127.0.0.1:${ports[1]}; }`,
    server: `location /held/full { proxy_pass http://full; } location /held/least { proxy_pass http://least; }
      location /bad { proxy_pass http://bad; }`,
  });
  // Each request on a connection of its own: the system spreads them over the workers.
  const all = Array.from({ length: 12 }, () => s.get("/held/full"));
  const refused = [];
  for (const request of all) void request.then((res) => res.status === 502 && refused.push(res));
  await waitFor(() => refused.length === 11 && held.length === 1);
  release();
  await Promise.all(all);
  const spread = Array.from({ length: 12 }, () => s.get("/held/least"));
  await waitFor(() => held.length === 12);
  t.is(held.filter((i) => i === 0).length, 6);
  release();
  await Promise.all(spread);
  for (let i = 0; i < 12; i++) t.is((await s.get("/bad")).body, "1");
  t.is(failures, 1);
});

test("a balancer in Lua that names no server leaves it to the group's method", async (t) => {
  const { ports } = await numbered(t, 2);
  const s = await startMoonwire(t, {
    http: `upstream u { hash $arg_a; ${servers(ports)} balancer_by_lua_block {
      if ngx.var.arg_to then require("ngx.balancer").set_current_peer("127.0.0.1", tonumber(ngx.var.arg_to)) end } }`,
    server: "location / { proxy_pass http://u; }",
  });
  t.is((await s.get(`/?to=${ports[1]}`)).body, "1");
  for (const key of keys.slice(0, 6))
    t.is((await s.get(`/?a=${key}`)).body, String(((crc32(key) >>> 16) & 0x7fff) % 2), key);
});
