// SPDX-License-Identifier: MIT
// memc_pass against a real memcached (Debian: memcached), and against servers that answer wrongly.
import { existsSync } from "node:fs";
import test from "ava";
import { startMemcached } from "../helpers/backend.js";
import { startMoonwire } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const location = (
  port,
  more = "",
) => `location /memc { set $memc_cmd $arg_cmd; set $memc_key $arg_key; set $memc_value $arg_value;
  set $memc_exptime $arg_time; ${more} memc_pass 127.0.0.1:${port}; }`;

/** Answers each line that is no data with the next of the texts. */
const scripted = (t, ...replies) =>
  listening(
    t,
    createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () => {
        const text = replies.shift() ?? "";
        if (text.endsWith("!")) socket.end(text.slice(0, -1));
        else socket.write(text);
      });
    }),
  );

test("commands to a real server", async (t) => {
  const port = await startMemcached(t);
  if (!port) return;
  const s = await startMoonwire(t, { server: location(port) });
  const say = async (query, options) => {
    const { status, body } = await s.get(`/memc?${query}`, options);
    return status === 404 ? 404 : `${status} ${body}`;
  };
  t.is(await say("key=a"), 404);
  t.is(await say("cmd=set&key=a&value=hello"), "201 STORED\r\n");
  t.is(await say("key=a"), "200 hello");
  t.is((await s.get("/memc?key=a")).headers["content-length"], "5");
  t.is(await say("cmd=add&key=a&value=x"), "200 NOT_STORED\r\n");
  t.is(await say("key=b%20c", { method: "PUT", body: "from\r\nEND\r\nthe body" }), "201 STORED\r\n");
  t.is(await say("key=b%20c"), "200 from\r\nEND\r\nthe body");
  const big = "y".repeat(200_000);
  t.is(await say("key=big", { method: "PUT", body: big }), "201 STORED\r\n");
  t.is(await say("key=big"), `200 ${big}`);
  t.is(await say("cmd=append&key=a&value=X"), "201 STORED\r\n");
  t.is(await say("cmd=prepend&key=a&value=X"), "201 STORED\r\n");
  t.is(await say("cmd=replace&key=none&value=X"), "200 NOT_STORED\r\n");
  t.is(await say("key=a"), "200 XhelloX");
  t.is(await say("key=a", { method: "DELETE" }), "200 DELETED\r\n");
  t.is(await say("cmd=delete&key=a"), 404);
  t.is(await say("cmd=set&key=n&value=10"), "201 STORED\r\n");
  t.is(await say("cmd=incr&key=n&value=5"), "200 15\r\n");
  t.is(await say("cmd=decr&key=n&value=3"), "200 12\r\n");
  t.is(await say("cmd=set&key=t&value=1&time=-1"), "400 " + (await s.get("/memc?cmd=set&key=t&value=1&time=-1")).body);
  t.regex(await say("cmd=version"), /^200 VERSION 1/);
  t.regex(await say("cmd=stats"), /^200 STAT pid \d+\r\n[^]*END\r\n$/);
  t.is(await say("cmd=flush_all"), "200 OK\r\n");
  t.is(await say("key=n"), 404);
});

test("what cannot be a command is refused", async (t) => {
  const s = await startMoonwire(t, { server: location(1, "memc_cmds_allowed get set;") });
  t.is((await s.get("/memc?cmd=add&key=a")).status, 403);
  t.is((await s.get("/memc?cmd=fly&key=a")).status, 400);
  t.is((await s.get("/memc?cmd=get")).status, 400);
  t.is((await s.get("/memc?key=a", { method: "OPTIONS" })).status, 400);
  t.is((await s.get("/memc?key=a")).status, 502);
  t.regex(s.log(), /the "\$memc_key" variable is not set/);
  t.regex(
    s.log(),
    /connect\(\) failed \(111: Connection refused\) while connecting to upstream, .*upstream: "memcached:\/\/127.0.0.1:1"/,
  );
});

test("wrong replies", async (t) => {
  const wrong = {
    "garbage\r\n": 502,
    "VALUE b 0 1\r\nx\r\nEND\r\n": 502,
    "VALUE a 0 x\r\n": 502,
    "ERROR\r\n": 502,
    "SERVER_ERROR x\r\n": 502,
    "!": 502,
  };
  for (const [reply, status] of Object.entries(wrong)) {
    const s = await startMoonwire(t, { server: location(await scripted(t, reply)) });
    t.is((await s.get("/memc?key=a")).status, status, reply);
  }
  for (const reply of ["VALUE a 0 5\r\nhel!", "VALUE a 0 2\r\nokNOT THE END"]) {
    const s = await startMoonwire(t, { server: location(await scripted(t, reply)) });
    const text = String(await s.raw("GET /memc?key=a HTTP/1.1\r\nHost: h\r\n\r\n"));
    t.regex(s.log(), /prematurely closed connection|invalid trailer/, text);
  }
});

test("stats end where END is a line of its own, wherever reads part it", async (t) => {
  const text = "STAT a BEND\r\nEN\r\nSTAT b 1\r\nEND\r\n";
  for (const cuts of [[13], [text.length - 4], [text.length - 2], [13, text.length - 1], []]) {
    const port = await listening(
      t,
      createServer((socket) => {
        socket.on("error", () => {}).setNoDelay();
        socket.on("data", async () => {
          let at = 0;
          for (const cut of [...cuts, text.length]) {
            socket.write(text.slice(at, cut));
            at = cut;
            await sleep(50);
          }
        });
      }),
    );
    const s = await startMoonwire(t, { server: location(port) });
    t.is((await s.get("/memc?cmd=stats")).body, text, String(cuts));
  }
});

test("settings of proxy_pass are not memc_pass's", async (t) => {
  const ports = [
    await scripted(t, ...Array(2).fill("!")),
    await scripted(t, ...Array(4).fill("VALUE a 0 5\r\nhello\r\nEND\r\n")),
  ];
  const s = await startMoonwire(t, {
    http: `upstream m { ${ports.map((port) => `server 127.0.0.1:${port};`).join(" ")} }`,
    server: `proxy_store __PREFIX__/stored$uri; proxy_force_ranges on; proxy_next_upstream_tries 1; proxy_buffer_size 1k;
      location /memc { set $memc_key a; memc_next_upstream error timeout; memc_pass m; }
      location /memcached { set $memcached_key a; memcached_pass 127.0.0.1:${ports[1]}; }`,
  });
  const part = await s.get("/memc", { headers: { Range: "bytes=0-1" } });
  t.deepEqual([part.status, part.body], [200, "hello"]);
  t.is((await s.get("/memc")).body, "hello");
  t.is((await s.get("/memcached")).body, "hello");
  await sleep(100);
  t.false(existsSync(`${s.prefix}/stored`));
});

test("what a server would not take is not sent, since it would read the value as commands", async (t) => {
  const port = await scripted(t, "STORED\r\n", "END\r\n");
  const s = await startMoonwire(t, {
    server: `client_max_body_size 0; location /memc { set $memc_cmd set; set $memc_key $arg_key; set $memc_flags $arg_flags;
      set $memc_exptime $arg_time; memc_pass 127.0.0.1:${port}; }`,
  });
  const put = async (query) => (await s.get(`/memc?${query}`, { method: "PUT", body: "flush_all" })).status;
  t.is(await put(`key=${"k".repeat(251)}`), 400);
  t.is(await put(`key=${"%20".repeat(84)}`), 400, "it is as long as it is written");
  t.is(await put("key=k&flags=4294967296"), 400);
  t.is(await put("key=k&flags=99999999999999999999999"), 400);
  t.is(await put("key=k&time=2147483648"), 400);
  t.is(await put(`key=${"k".repeat(250)}&flags=4294967295&time=2147483647`), 201);
});

test("a connection on which a server told of an error is not used again", async (t) => {
  let connections = 0;
  const port = await listening(
    t,
    createServer((socket) => {
      const text = connections++ ? "VERSION 2\r\n" : "CLIENT_ERROR bad command line format\r\n";
      socket.on("error", () => {}).on("data", () => socket.write(text));
    }),
  );
  const s = await startMoonwire(t, {
    http: `upstream m { server 127.0.0.1:${port}; keepalive 2; }`,
    server: "location /memc { set $memc_cmd $arg_cmd; set $memc_key a; memc_pass m; }",
  });
  t.is((await s.get("/memc?cmd=set", { method: "PUT", body: "version" })).status, 502);
  t.is((await s.get("/memc?cmd=version")).body, "VERSION 2\r\n");
});
