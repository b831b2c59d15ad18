// SPDX-License-Identifier: MIT
// resty.mysql against a server made here: the plugins of MySQL 8, whose side of the exchange node's own crypto checks; switches
// between plugins; servers that say what is wrong.
import {
  constants,
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  privateDecrypt,
  randomBytes,
  sign,
} from "node:crypto";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";
import { column, EOF, error, greeting, mysqlServer, OK, packet, PROTOCOL_41, text } from "../helpers/mysql.js";

const password = "s3cret, and longer than a scramble";
const hash = (algorithm, ...parts) => {
  const h = createHash(algorithm);
  for (const part of parts) h.update(part);
  return h.digest();
};
const xor = (a, b) => Buffer.from(a.map((byte, i) => byte ^ b[i % b.length]));
/** A scramble: no byte of it is zero. */
const newScramble = (n = 20) => randomBytes(n).map((byte) => byte || 1);
const keys = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

/** What a connect with these options says, and a query after it. */
async function connect(t, port, { user = "me", pass = password, more = "" } = {}) {
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block {
      local db = require("resty.mysql"):new() db:set_timeout(10000)
      local function show(...) local out = {} for i = 1, select("#", ...) do out[i] = tostring((select(i, ...))) end ngx.say(table.concat(out, " ")) end
      show(db:connect { host = "127.0.0.1", port = ${port}, user = "${user}", password = ${JSON.stringify(pass)}, database = "app" ${more} })
      local res, err = db:query("select 1")
      show(type(res) == "table" and res[1] and res[1].a or res, err) } }`,
  });
  const answer = await s.get("/");
  t.is(answer.status, 200, s.log());
  return answer.body.trimEnd().split("\n");
}

/** The parts of a client's greeting. */
function readLogin(data) {
  const flags = data.readUInt32LE(0);
  const end = data.indexOf(0, 32);
  const size = data[end + 1];
  const answer = data.subarray(end + 2, end + 2 + size);
  const rest = data
    .subarray(end + 2 + size)
    .toString("latin1")
    .split("\0");
  return {
    flags,
    charset: data[8],
    user: data.toString("latin1", 32, end),
    answer,
    database: rest[0],
    plugin: rest[1],
  };
}

/** Answers queries with one row, a = 1. */
async function answerQueries(io) {
  while ((await io.receive()) !== null)
    for (const payload of [Buffer.from([1]), column("a", 3), EOF, text("1"), EOF]) await io.send(payload);
}

const isCachingAnswer = (answer, scramble) => {
  const stored = hash("sha256", hash("sha256", password));
  return hash("sha256", xor(answer, hash("sha256", stored, scramble))).equals(stored);
};

/** The password that was encrypted with the public key and mixed with the scramble. */
const decrypted = (data, scramble) => {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return xor(privateDecrypt({ key: keys.privateKey, padding, oaepHash: "sha1" }, data), scramble).toString();
};

for (const bytewise of [false, true]) {
  const how = bytewise ? ", one byte at a time" : "";
  test(`caching_sha2_password: from the cache${how}`, async (t) => {
    const serve = async (io) => {
      const scramble = newScramble();
      await io.send(greeting({ plugin: "caching_sha2_password", scramble }));
      const login = readLogin(await io.receive());
      t.like(login, { user: "me", charset: 45, database: "app", plugin: "caching_sha2_password" });
      t.is(login.flags & 0x80, 0, "no LOCAL INFILE");
      t.true(isCachingAnswer(login.answer, scramble));
      await io.send(Buffer.from([1, 3]));
      await io.send(OK);
      await answerQueries(io);
    };
    const port = await mysqlServer(t, serve, { bytewise });
    t.deepEqual(await connect(t, port, { more: ', charset = "utf8mb4"' }), ["1", "1 nil"]);
  });

  test(`caching_sha2_password: the whole way, behind a switch${how}`, async (t) => {
    const serve = async (io) => {
      await io.send(greeting({ plugin: "mysql_native_password", scramble: newScramble() }));
      await io.receive();
      const scramble = newScramble();
      await io.send(Buffer.concat([Buffer.from("\xfecaching_sha2_password\0", "latin1"), scramble, Buffer.from([0])]));
      t.true(isCachingAnswer(await io.receive(), scramble));
      await io.send(Buffer.from([1, 4]));
      t.deepEqual(await io.receive(), Buffer.from([2]));
      await io.send(Buffer.concat([Buffer.from([1]), Buffer.from(keys.publicKey)]));
      t.is(decrypted(await io.receive(), scramble), `${password}\0`);
      await io.send(OK);
      await answerQueries(io);
    };
    const port = await mysqlServer(t, serve, { bytewise });
    t.deepEqual(await connect(t, port), ["1", "1 nil"]);
  });
}

test("sha256_password; an unknown default plugin; an empty password", async (t) => {
  const serve = async (io) => {
    await io.send(greeting({ plugin: "of_tomorrow", scramble: newScramble() }));
    t.is(readLogin(await io.receive()).plugin, "mysql_native_password");
    const scramble = newScramble();
    await io.send(Buffer.concat([Buffer.from("\xfesha256_password\0", "latin1"), scramble, Buffer.from([0])]));
    const first = await io.receive();
    if (first[0] === 0) return io.send(error(1045, "28000", "Access denied"));
    t.deepEqual(first, Buffer.from([1]));
    await io.send(Buffer.concat([Buffer.from([1]), Buffer.from(keys.publicKey)]));
    t.is(decrypted(await io.receive(), scramble), `${password}\0`);
    await io.send(OK);
    await answerQueries(io);
  };
  const port = await mysqlServer(t, serve);
  t.deepEqual(await connect(t, port), ["1", "1 nil"]);
  t.is((await connect(t, port, { pass: "" }))[0], "nil Access denied 1045 28000");
});

test("a server without plugins; its error before the greeting", async (t) => {
  const serve = async (io) => {
    const scramble = newScramble();
    await io.send(greeting({ scramble, capabilities: PROTOCOL_41 }));
    const { answer, plugin } = readLogin(await io.receive());
    t.is(plugin, "");
    const stage1 = xor(answer, hash("sha1", scramble, hash("sha1", hash("sha1", password))));
    t.deepEqual(stage1, hash("sha1", password));
    await io.send(OK);
    await answerQueries(io);
  };
  t.deepEqual(await connect(t, await mysqlServer(t, serve)), ["1", "1 nil"]);
  const full = await mysqlServer(t, (io) => io.send(error(1040, null, "Too many connections")));
  t.is((await connect(t, full))[0], "nil Too many connections 1040 nil");
});

test("client_ed25519 signs as Ed25519 does with a seed of the password's length", async (t) => {
  const seed = "0123456789abcdef0123456789abcdef";
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(seed)]),
    format: "der",
    type: "pkcs8",
  });
  for (let i = 0; i < 4; i++) {
    const serve = async (io) => {
      await io.send(greeting({ plugin: "mysql_native_password", scramble: newScramble() }));
      await io.receive();
      const scramble = newScramble(32);
      await io.send(Buffer.concat([Buffer.from("\xfeclient_ed25519\0", "latin1"), scramble]));
      t.deepEqual(await io.receive(), sign(null, scramble, key));
      await io.send(OK);
      await answerQueries(io);
    };
    t.deepEqual(await connect(t, await mysqlServer(t, serve), { pass: seed }), ["1", "1 nil"]);
  }
});

/** What the client says to a server that greets, and then sends `payloads` for the login. */
async function refused(t, ...payloads) {
  let hungUp;
  const isOver = new Promise((resolve) => (hungUp = resolve));
  const serve = async (io) => {
    await io.send(greeting({ plugin: "caching_sha2_password", scramble: newScramble() }));
    await io.receive();
    for (const payload of payloads) await io.send(payload);
    hungUp((await io.receive()) === null);
  };
  const [first, second] = await connect(t, await mysqlServer(t, serve));
  t.true(await isOver, "the client hangs up and says nothing more");
  t.regex(second, /^nil failed to send query: cannot send query in the current context: nil/);
  return first;
}

test("logins that go wrong end the connection", async (t) => {
  const latin1 = (s) => Buffer.from(s, "latin1");
  t.is(
    await refused(t, latin1("\xfemysql_clear_password\0")),
    "nil mysql_clear_password needs ssl or a unix socket nil nil",
  );
  t.is(await refused(t, latin1("\xfenosuch\0")), "nil unknown plugin: nosuch nil nil");
  t.is(await refused(t, latin1("\xfeno end")), "nil malformed packet nil nil");
  t.is(await refused(t, latin1("\x01not a key")), "nil failed to encrypt the password: bad public key nil nil");
  t.is(await refused(t, latin1("\x02")), "nil bad packet type: 2 nil nil");
  t.is(await refused(t, error(1045, "28000", "no")), "nil no 1045 28000");
  t.is(await refused(t, ...Array(8).fill(Buffer.from([1, 3]))), "nil too many authentication packets nil nil");
});

/** What the client says to a server that sends these bytes first, or for a query. */
async function answered(t, bytes, { greets = true } = {}) {
  const serve = async (io) => {
    if (greets) {
      await io.send(greeting({ plugin: "caching_sha2_password", scramble: newScramble() }));
      await io.receive();
      await io.send(OK);
      await io.receive();
    }
    await io.raw(bytes);
    await io.receive();
  };
  const lines = await connect(t, await mysqlServer(t, serve), { more: ", max_packet_size = 1000" });
  return lines[greets ? 1 : 0];
}

test("greetings that are wrong", async (t) => {
  const wrong = (...parts) => answered(t, packet(0, Buffer.concat(parts)), { greets: false });
  t.regex(await wrong(Buffer.from([9, 0])), /^nil unsupported protocol version 9, version 10 or higher is required/);
  t.regex(await wrong(Buffer.from("\x0a8.0")), /^nil bad handshake initialization packet: bad server version/);
  const whole = greeting({ plugin: "x", scramble: newScramble() });
  t.regex(await wrong(whole.subarray(0, 12)), /^nil 1st part of scramble not found/);
  t.regex(await wrong(whole.subarray(0, 45)), /^nil 2nd part of scramble not found/);
  const old = greeting({ scramble: newScramble(), capabilities: 0x8000 });
  t.regex(await wrong(old), /^nil unsupported server: it does not speak protocol 4.1/);
  t.regex(await answered(t, Buffer.from([0, 0, 0, 0]), { greets: false }), /^nil empty packet/);
});

test("results that are wrong end the connection", async (t) => {
  const result = (...payloads) => answered(t, Buffer.concat(payloads.map((p, i) => packet(i + 1, p))));
  const head = [Buffer.from([2]), column("a", 3), column("b", 253), EOF];
  t.is(await result(...head, Buffer.concat([text("1"), text("x")]), EOF), "1 nil");
  const bad = [
    [Buffer.from([0])], // OK cut short
    [Buffer.from([0, 0xfc, 1])],
    [Buffer.from([0xfd, 0xff, 0xff, 0xff])], // 16 million columns
    [Buffer.from([0xfe, 0, 0, 1, 0, 0, 0, 0, 0])], // 65536
    [Buffer.from([2, 0])],
    [Buffer.from([1]), Buffer.from([3, 0x64])],
    [Buffer.from([1]), column("a", 3).subarray(0, 20)],
    [...head, text("1")], // a field is missing
    [...head, Buffer.concat([text("1"), text("x"), text("y")])],
    [...head, Buffer.concat([text("1"), Buffer.from([5, 0x78])])],
    [...head, Buffer.concat([text("1"), Buffer.from([0xfc, 0xff])])],
    [...head, Buffer.from([0xfe, 0, 0])],
  ];
  for (const payloads of bad) t.is(await result(...payloads), "nil malformed packet", payloads.at(-1).toString("hex"));
  t.is(await result(Buffer.from("\xfb/etc/passwd", "latin1")), "nil packet type LOCALINFILE not supported");
  t.is(await result(...head.slice(0, 3), text("x")), "nil unexpected packet type DATA while eof packet is expected");
  t.is(await answered(t, Buffer.from([0xe9, 3, 0, 1])), "nil packet size too big: 1001");
  t.is(await answered(t, packet(7, OK)), "nil packets out of order");
  t.is(await answered(t, packet(0, error(1927, "70100", "Connection was killed"))), "nil Connection was killed");
});

test("a conversation with any byte of the server changed ends in a result or an error", async (t) => {
  let seed = 20261128;
  const random = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n;
  const row = Buffer.concat([text("1"), Buffer.from([0xfb]), Buffer.from([0xfc, 5, 0]), Buffer.from("hello")]);
  const parts = [greeting({ plugin: "caching_sha2_password", scramble: newScramble() }), OK, Buffer.from([3])];
  for (const [name, type] of Object.entries({ a: 3, b: 5, c: 252 })) parts.push(column(name, type));
  parts.push(EOF, row, row, EOF);
  const bytes = parts.map((payload, i) => packet(i === 0 ? 0 : i === 1 ? 2 : i - 1, payload));
  const serve = async (io) => {
    const changed = bytes.map((part) => Buffer.from(part));
    const place = random(changed.reduce((n, part) => n + part.length, 0));
    let at = place;
    for (const part of changed) {
      if (at >= 0 && at < part.length) part[at] = random(256);
      at -= part.length;
    }
    await io.raw(changed[0]);
    if ((await io.receive()) === null) return;
    await io.raw(changed[1]);
    if ((await io.receive()) === null) return;
    await io.raw(Buffer.concat(changed.slice(2)));
    io.end();
  };
  const port = await mysqlServer(t, serve);
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block {
      local results, errors = 0, 0
      for i = 1, 400 do
        local db = require("resty.mysql"):new() db:set_timeout(50)
        local ok, err = db:connect { host = "127.0.0.1", port = ${port}, user = "me", password = "x" }
        local res
        if ok then res, err = db:query("select 1") end
        if res then results = results + 1 elseif type(err) == "string" then errors = errors + 1 end
        db:close()
      end
      ngx.say(results + errors, " ", results > 0 and errors > 0) } }`,
  });
  t.is((await s.get("/")).body, "400 true\n", s.log());
  t.notRegex(s.log(), /lua entry thread aborted/);
});
