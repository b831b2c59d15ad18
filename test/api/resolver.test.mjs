// SPDX-License-Identifier: MIT
// Names: the directive `resolver` with its options, against a name server of the test's own; the system's files without it.
import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { dnsServer } from "../helpers/dns.js";
import { freePort, makePrefix, removePrefix, runMoonwire, startMoonwire, writeFile } from "../helpers/index.js";
import { httpServer, listening } from "../helpers/upstream.js";

/** A server on 127.0.0.1 that tells the address it was reached by; its port. */
const telling = (t) =>
  listening(
    t,
    createServer((socket) => socket.on("error", () => {}).end(socket.localAddress)),
  );

/** Location /N connects to the name N below the name server's configuration and says what it reads, or why it cannot. */
async function start(t, { dns, options = "ipv6=off", server = "", timeout = "5s" }) {
  const port = await telling(t);
  return startMoonwire(t, {
    server: `${dns ? `resolver 127.0.0.1:${dns.port} ${options}; resolver_timeout ${timeout};` : ""} ${server}
      location / { content_by_lua_block {
        local s = ngx.socket.tcp()
        local ok, err = s:connect(ngx.var.uri:sub(2), ${port})
        ngx.say(ok and s:receive("*a") or err) } }`,
  });
}

const local = () => ({ addresses: ["127.0.0.1"] });
const body = async (s, name) => (await s.get(`/${name}`)).body.trim();

test("ipv6=off and ipv4=off ask for one kind of address; without them both are asked for", async (t) => {
  const dns = await dnsServer(t, (name, type) => (type === "A" ? { addresses: ["127.0.0.1"] } : { addresses: [] }));
  const four = await start(t, { dns, options: "ipv6=off status_zone=names" });
  t.is(await body(four, "four.test"), "127.0.0.1");
  const six = await start(t, { dns, options: "ipv4=off" });
  t.is(await body(six, "six.test"), "six.test could not be resolved (3: Host not found)");
  const both = await start(t, { dns, options: "ipv4=on ipv6=on" });
  t.is(await body(both, "both.test"), "127.0.0.1");
  t.deepEqual(dns.asked.sort(), ["both.test A", "both.test AAAA", "four.test A", "six.test AAAA"]);
});

test("an address of the other family is reached as well", async (t) => {
  const dns = await dnsServer(t, (name, type) => ({ addresses: type === "AAAA" ? ["::1"] : [] }));
  const server = createServer((socket) => socket.on("error", () => {}).end(socket.localAddress));
  const port = await new Promise((resolve) => {
    server.on("error", () => resolve(0)).listen(0, "::1", () => resolve(server.address().port));
  });
  t.teardown(() => server.close());
  if (!port) return t.pass(); // no IPv6 here
  const s = await startMoonwire(t, {
    server: `resolver 127.0.0.1:${dns.port}; location / { content_by_lua_block {
      local s = ngx.socket.tcp() ngx.say(s:connect("six.test", ${port})) ngx.say(s:receive("*a")) } }`,
  });
  t.is((await s.get("/")).body, "1\n::1\n");
});

test("an answer is kept for its TTL; names differ in case alone", async (t) => {
  const dns = await dnsServer(t, (name) => ({ addresses: ["127.0.0.1"], ttl: name.startsWith("short") ? 1 : 300 }));
  const s = await start(t, { dns });
  for (const name of ["short.test", "short.test", "long.test", "LONG.test"]) t.is(await body(s, name), "127.0.0.1");
  await sleep(1200);
  for (const name of ["short.test", "long.test"]) t.is(await body(s, name), "127.0.0.1");
  const count = (name) => dns.asked.filter((q) => q === `${name} A`).length;
  t.is(count("long.test"), 1);
  t.true(count("short.test") >= 2, String(dns.asked));
});

test("very many names: lookups are not slowed by them, and beyond a limit valid ones are asked for again", async (t) => {
  t.timeout(180_000);
  const dns = await dnsServer(t, () => ({ ...local(), ttl: 2 ** 31 - 1 }));
  const s = await startMoonwire(t, {
    server: `resolver 127.0.0.1:${dns.port} ipv6=off; location / { content_by_lua_block {
      local function some(from)
        for i = from, from + 229 do ngx.socket.tcp():connect(i .. "." .. ngx.var.uri:sub(2) .. ".test", 1) end
      end
      local threads = {}
      for k = 0, 19 do threads[#threads + 1] = ngx.thread.spawn(some, k * 230) end
      for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
      ngx.print("done") } }`,
  });
  const isKnown = async (batch) => {
    const before = dns.asked.length;
    t.is(await body(s, batch), "done");
    return dns.asked.length === before;
  };
  t.false(await isKnown(1));
  t.true(await isKnown(1));
  for (let batch = 2; batch <= 9; batch++) t.false(await isKnown(batch)); // 41,400 names
  t.false(await isKnown(1));
});

test("valid= holds in place of the TTL", async (t) => {
  const dns = await dnsServer(t, () => ({ addresses: ["127.0.0.1"], ttl: 0 }));
  const kept = await start(t, { dns, options: "ipv6=off valid=300s" });
  for (let i = 0; i < 3; i++) t.is(await body(kept, "kept.test"), "127.0.0.1");
  const brief = await start(t, { dns, options: "ipv6=off valid=1s" });
  t.is(await body(brief, "brief.test"), "127.0.0.1");
  await sleep(1200);
  t.is(await body(brief, "brief.test"), "127.0.0.1");
  t.deepEqual(dns.asked, ["kept.test A", "brief.test A", "brief.test A"]);
});

test("lookups of one name share a query; those of others do not wait for it", async (t) => {
  let answerSlow;
  const isAsked = new Promise((resolve) => (answerSlow = resolve));
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const dns = await dnsServer(t, async (name) => {
    if (name === "slow.test") {
      answerSlow();
      await released;
    }
    return local();
  });
  const s = await start(t, { dns, timeout: "30s" });
  const slow = Array.from({ length: 20 }, () => body(s, "slow.test"));
  await isAsked;
  t.is(await body(s, "other.test"), "127.0.0.1");
  release();
  t.deepEqual(new Set(await Promise.all(slow)), new Set(["127.0.0.1"]));
  t.true(dns.asked.filter((q) => q === "slow.test A").length <= 2, String(dns.asked)); // the second: sent again after 2 s
});

test("what a name server says instead of an address; one that is silent", async (t) => {
  const dns = await dnsServer(t, (name) => {
    const code = name.split(".")[0].toUpperCase();
    return code === "SILENT" ? undefined : code === "EMPTY" ? {} : { code };
  });
  const s = await start(t, { dns, timeout: "20s" });
  const words = {
    nxdomain: "(3: Host not found)",
    empty: "(3: Host not found)",
    servfail: "(2: Server failure)",
    refused: "(5: Operation refused)",
    notimp: "(4: Unimplemented)",
    formerr: "(1: Format error)",
  };
  for (const [name, text] of Object.entries(words))
    t.is(await body(s, `${name}.test`), `${name}.test could not be resolved ${text}`);
  const hasty = await start(t, { dns, timeout: "100ms" });
  t.is(await body(hasty, "silent.test"), "silent.test could not be resolved (110: Operation timed out)");
});

test("a name server that is not there is waited for, and found when it has come", async (t) => {
  const dead = await freePort();
  const brief = await start(t, { dns: { port: dead }, timeout: "300ms" });
  const from = Date.now();
  t.is(await body(brief, "name.test"), "name.test could not be resolved (110: Operation timed out)");
  t.true(Date.now() - from >= 290);
  const patient = await start(t, { dns: { port: dead }, timeout: "60s" });
  const answer = body(patient, "name.test");
  await sleep(500);
  await dnsServer(t, local, { port: dead });
  t.is(await answer, "127.0.0.1");
});

test("names take turns among the name servers; the next is asked when one is silent or does not understand", async (t) => {
  const bad = await dnsServer(t, (name) =>
    name === "silent.test" ? undefined : { code: name === "failed.test" ? "SERVFAIL" : "FORMERR" },
  );
  const good = await dnsServer(t, local);
  const s = await start(t, { dns: bad, options: `127.0.0.1:${good.port} ipv6=off`, timeout: "30s" });
  t.is(await body(s, "name.test"), "127.0.0.1");
  t.is(await body(s, "other.test"), "127.0.0.1");
  t.deepEqual([bad.asked, good.asked], [["name.test A"], ["name.test A", "other.test A"]]);
  t.is(await body(s, "silent.test"), "127.0.0.1");
  t.is(await body(s, "spare.test"), "127.0.0.1");
  // A failure is an answer, and is not kept.
  t.is(await body(s, "failed.test"), "failed.test could not be resolved (2: Server failure)");
  t.is(await body(s, "failed.test"), "127.0.0.1");
});

test("who asks again because of an error waits for the new answer", async (t) => {
  let asked = 0;
  const dns = await dnsServer(t, () => (asked++ ? local() : { code: "SERVFAIL" }));
  const port = await httpServer(t, (_, res) => res.end("reached"));
  const s = await startMoonwire(t, {
    server: `resolver 127.0.0.1:${dns.port} ipv6=off; set $host_asked again.test;
      location / { proxy_pass http://$host_asked:${port}; error_page 502 = @again; }
      location @again { proxy_pass http://$host_asked:${port}; }`,
  });
  t.is((await s.get("/")).body, "reached");
  t.is(asked, 2);
});

test("a name that stands for another leads to its addresses; both are kept, each for its time", async (t) => {
  const label = "l".repeat(63);
  const long = Array(4).fill(label).join("."); // longer than names may be: what comes is asked for
  const aliases = {
    "first.test": "second.test",
    "second.test": "last.test",
    "long.test": long,
    "loop.test": "loop.test",
  };
  const dns = await dnsServer(t, (name, type) => {
    const step = /^step(\d+)\.test$/.exec(name);
    if (step && step[1] !== "60") return { cname: `step${Number(step[1]) + 1}.test` };
    if (aliases[name]) return { cname: aliases[name], ttl: name === "first.test" ? 1 : 300 };
    if (name === "both.test") return { cname: "last.test", addresses: type === "A" ? ["127.0.0.1"] : [] };
    return name === "none.test" ? { cname: "" } : type === "A" ? local() : {};
  });
  const s = await start(t, { dns, options: "" });
  const count = (name) => dns.asked.filter((q) => q === `${name} A`).length;
  for (let i = 0; i < 2; i++) t.is(await body(s, "first.test"), "127.0.0.1");
  t.is(await body(s, "last.test"), "127.0.0.1");
  await sleep(1200);
  t.is(await body(s, "FIRST.test"), "127.0.0.1");
  t.true(count("first.test") >= 2, String(dns.asked));
  t.deepEqual([count("second.test"), count("last.test")], [1, 1]);
  for (const name of ["both.test", "long.test", `${label}.test`]) t.is(await body(s, name), "127.0.0.1");
  for (const name of ["loop.test", "step1.test", `${label}l.test`, "a..test"])
    t.is(await body(s, name), `${name} could not be resolved (3: Host not found)`);
  t.is(await body(s, "step20.test"), "127.0.0.1");
});

test("an error of the one kind of address is the name's; an answer cut short is asked for over TCP", async (t) => {
  const dns = await dnsServer(t, (_, type) => (type === "A" ? local() : { code: "SERVFAIL" }));
  const s = await start(t, { dns, options: "" });
  t.is(await body(s, "half.test"), "half.test could not be resolved (2: Server failure)");
  const cut = await dnsServer(t, () => ({ addresses: ["127.0.0.2"] }), {
    stream: (_, type) => (type === "A" ? local() : {}),
  });
  t.is(await body(await start(t, { dns: cut, options: "" }), "cut.test"), "127.0.0.1");
});

test("answers that are none: a wrong id, another question, cut off, noise", async (t) => {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  t.teardown(() => socket.close());
  let isNoisy = true;
  socket.on("message", (query, peer) => {
    const say = (bytes) => socket.send(bytes, peer.port, peer.address);
    const answer = Buffer.concat([query, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 1])]);
    answer.writeUInt16BE(0x8180, 2);
    answer.writeUInt16BE(1, 6);
    answer.writeUInt16BE(0, 10); // no additional records
    if (!isNoisy) return say(answer);
    const wrong = Buffer.from(answer);
    wrong.writeUInt16BE(answer.readUInt16BE(0) ^ 0x5555, 0);
    say(wrong);
    for (const size of [0, 1, 11, 13, 20]) say(answer.subarray(0, size));
    say(Buffer.alloc(512, 0xff));
  });
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const s = await start(t, { dns: socket.address(), timeout: "2s" });
  t.is(await body(s, "noisy.test"), "noisy.test could not be resolved (110: Operation timed out)");
  isNoisy = false;
  t.is(await body(s, "calm.test"), "127.0.0.1");
});

test("an empty datagram before an answer, alone or behind noise, does not end the query", async (t) => {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  t.teardown(() => socket.close());
  let asked = 0;
  socket.on("message", (query, peer) => {
    asked++;
    const say = (bytes) => socket.send(bytes, peer.port, peer.address);
    if (query.includes("noise")) say(Buffer.alloc(11));
    for (let i = 0; i < 3; i++) say(Buffer.alloc(0));
    const answer = Buffer.concat([query, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 1])]);
    answer.writeUInt16BE(0x8180, 2);
    answer.writeUInt16BE(1, 6);
    answer.writeUInt16BE(0, 10);
    setTimeout(say, 50, answer);
  });
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const s = await start(t, { dns: socket.address(), timeout: "10s" });
  for (const name of ["empty.test", "noise.test"]) t.is(await body(s, name), "127.0.0.1");
  t.true(asked >= 2);
});

test("without a resolver: the hosts file, in which a change is noticed", async (t) => {
  const cwd = makePrefix({ hosts: "127.0.0.1 one.internal alias.internal\n::1 six.internal\n" });
  t.teardown(() => removePrefix(cwd));
  const port = await telling(t);
  writeFile(
    cwd,
    "app.lua",
    `local function try(name) local s = ngx.socket.tcp() local ok, err = s:connect(name, ${port})
      return ok and s:receive("*a") or err end
    print(try("one.internal"), try("alias.internal"), try("ONE.Internal"), try("localhost"))
    local f = io.open("hosts", "w") f:write("127.0.0.2 one.internal\\n") f:close()
    for i = 1, 300 do
      if try("one.internal") ~= "127.0.0.1" then break end
      ngx.sleep(0.02)
    end
    local s = ngx.socket.tcp()
    print(s:connect("one.internal", ${port}))`,
  );
  const { stdout, stderr } = await runMoonwire(["run", "app.lua"], { cwd, env: { CARES_HOSTS: `${cwd}/hosts` } });
  t.is(stdout, "127.0.0.1\t127.0.0.1\t127.0.0.1\t127.0.0.1\nnil\tconnection refused\n", stderr);
});

test("an address or a name with a NUL in it is none", async (t) => {
  const port = await telling(t);
  const dns = await dnsServer(t, () => ({ code: "NXDOMAIN" }));
  for (const resolver of ["", `resolver 127.0.0.1:${dns.port} ipv6=off;`]) {
    const s = await startMoonwire(t, {
      server: `${resolver} location / { content_by_lua_block {
        for _, host in ipairs { "127.0.0.1\\0x", "::1\\0", "localhost\\0.test" } do
          local ok, err = ngx.socket.tcp():connect(host, ${port})
          ngx.say(not ok and err ~= "connection refused")
        end } }`,
    });
    t.is((await s.get("/")).body, "true\n".repeat(3));
  }
});

test("without a resolver: resolv.conf, its search list, and a change of it", (t) => {
  const script = join(dirname(fileURLToPath(import.meta.url)), "../helpers/resolv-conf.mjs");
  const namespaces = ["--mount", "--net", ...(process.getuid() === 0 ? [] : ["--map-root-user"])];
  const cwd = makePrefix({ "resolv.conf": "" });
  t.teardown(() => removePrefix(cwd));
  const inside = (command) => {
    const setUp = "ip link set lo up && mount --bind resolv.conf /etc/resolv.conf";
    return spawnSync("unshare", [...namespaces, "sh", "-c", `${setUp} && ${command}`], { cwd, encoding: "utf8" });
  };
  if (inside("true").status !== 0) return t.pass(); // not allowed here
  const r = inside(`exec "${process.execPath}" "${script}"`);
  const absent = "moved.internal could not be resolved (3: Host not found)";
  t.is(r.stdout, `127.0.0.1\n127.0.0.1\n${absent}\n127.0.0.1\n`, r.stderr);
});

test("local=on stands for the system's name servers and hosts file", async (t) => {
  const port = await telling(t);
  const cwd = makePrefix({
    hosts: "127.0.0.1 two.internal\n",
    "app.conf": `events { } http { resolver local=on ipv6=off; init_by_lua_block {
      local s = ngx.socket.tcp() assert(s:connect("two.internal", ${port})) error(s:receive("*a")) } }`,
  });
  t.teardown(() => removePrefix(cwd));
  const { stderr } = await runMoonwire(["serve", "app.conf"], { cwd, env: { CARES_HOSTS: `${cwd}/hosts` } });
  t.regex(stderr, /127\.0\.0\.1$/m);
});

test("a socket whose host name is being looked up is closed for all but a second connect", async (t) => {
  const dns = await dnsServer(t, () => undefined);
  const s = await startMoonwire(t, {
    server: `resolver 127.0.0.1:${dns.port} ipv6=off; resolver_timeout 500ms; lua_socket_log_errors off;
      location / { content_by_lua_block {
        local s = ngx.socket.tcp()
        ngx.thread.spawn(function()
          ngx.sleep(0.01)
          for _, call in ipairs { "send", "receive", "close", "setkeepalive", "getreusedtimes" } do
            ngx.say(call, ": ", select(2, s[call](s, call == "send" and "a" or nil)))
          end
          ngx.say("connect: ", select(2, s:connect("127.0.0.1", 1)))
        end)
        ngx.say(select(2, s:connect("silent.test", 1))) } }`,
  });
  const closed = ["send", "receive", "close", "setkeepalive", "getreusedtimes"].map((call) => `${call}: closed\n`);
  const late = "silent.test could not be resolved (110: Operation timed out)\n";
  t.is((await s.get("/")).body, `${closed.join("")}connect: socket busy connecting\n${late}`);
});
