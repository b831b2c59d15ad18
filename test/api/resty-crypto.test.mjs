// SPDX-License-Identifier: MIT
// resty.string, digests, resty.random, resty.aes, against node's own crypto.
import { createCipheriv, createHash } from "node:crypto";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

async function run(t, code) {
  const s = await startMoonwire(t, {
    server: `location /t { content_by_lua_block {
      local str, aes = require "resty.string", require "resty.aes"
      ${code} } }`,
  });
  return (await s.get("/t")).body.trimEnd().split("\n");
}

test("to_hex and atoi", async (t) => {
  const lines = await run(
    t,
    `ngx.say("[", str.to_hex(""), "]") ngx.say(str.to_hex("\\0\\1\\127\\128\\255ab"))
    ngx.say(str.to_hex(("\\171"):rep(1000)) == ("ab"):rep(1000))
    ngx.say(str.atoi("0"), " ", str.atoi("128"), " ", str.atoi("12x"), " ", str.atoi(""))`,
  );
  t.deepEqual(lines, ["[]", "00017f80ff6162", "true", "0 128 -1 -1"]);
});

for (const name of ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
  test(`resty.${name}`, async (t) => {
    const lines = await run(
      t,
      `local d = require("resty.${name}"):new()
      ngx.say(str.to_hex(d:final())) ngx.say(d:reset(), d:update("hel"), d:update("lo"), d:update("xyz", 0)) ngx.say(str.to_hex(d:final()))
      d:reset() d:update(("x"):rep(100000)) ngx.say(str.to_hex(d:final()))`,
    );
    const hex = (s) => createHash(name).update(s).digest("hex");
    t.deepEqual(lines, [hex(""), "truetruetruetrue", hex("hello"), hex("x".repeat(100000))]);
  });

test("resty.random", async (t) => {
  const lines = await run(
    t,
    `local random = require "resty.random"
    ngx.say(#random.bytes(16), " ", #random.bytes(5, true), " ", random.bytes(16) ~= random.bytes(16))`,
  );
  t.deepEqual(lines, ["16 5 true"]);
});

// EVP_BytesToKey: digests chained until key and iv are full.
function derive(hash, pass, salt, rounds, keyLength, ivLength) {
  let all = Buffer.alloc(0);
  let last = Buffer.alloc(0);
  while (all.length < keyLength + ivLength) {
    last = Buffer.concat([last, Buffer.from(pass), Buffer.from(salt)]);
    for (let i = 0; i < rounds; i++) last = createHash(hash).update(last).digest();
    all = Buffer.concat([all, last]);
  }
  return [all.subarray(0, keyLength), all.subarray(keyLength, keyLength + ivLength)];
}

test("aes: passphrases", async (t) => {
  const lines = await run(
    t,
    `local function say(a, s) ngx.say(str.to_hex(a:encrypt(s))) ngx.say(a:decrypt(a:encrypt(s)) == s) end
    say(aes:new("secret"), "hello") say(aes:new("secret", "saltsalt", aes.cipher(256, "cbc"), aes.hash.sha512, 5), "hello")
    say(aes:new("secret", nil, aes.cipher(192, "ecb")), ("x"):rep(64)) say(aes:new("secret", nil, aes.cipher(128, "ctr")), "")
    ngx.say(aes:new("secret", "short")) ngx.say(aes.cipher(100, "cbc")) ngx.say((aes:new("other"):decrypt(aes:new("secret"):encrypt("hello"))))`,
  );
  const enc = (cipher, [key, iv], text) => {
    const c = createCipheriv(cipher, key, /ecb/.test(cipher) ? null : iv);
    return Buffer.concat([c.update(text), c.final()]).toString("hex");
  };
  t.deepEqual(lines.slice(0, 6), [
    enc("aes-128-cbc", derive("md5", "secret", "", 1, 16, 16), "hello"),
    "true",
    enc("aes-256-cbc", derive("sha512", "secret", "saltsalt", 5, 32, 16), "hello"),
    "true",
    enc("aes-192-ecb", derive("md5", "secret", "", 1, 24, 0), "x".repeat(64)),
    "true",
  ]);
  t.deepEqual(lines.slice(6), ["", "true", "nilsalt must be 8 characters or nil", "nil", "nil"]);
});

test("aes: keys as they are, GCM, no padding", async (t) => {
  const lines = await run(
    t,
    `local key, iv = ("k"):rep(32), ("i"):rep(12)
    local gcm = aes:new(key, nil, aes.cipher(256, "gcm"), { iv = iv })
    local sealed = gcm:encrypt("message", "header")
    ngx.say(str.to_hex(sealed[1]), str.to_hex(sealed[2])) ngx.say(gcm:decrypt(sealed[1], sealed[2], "header"))
    ngx.say((gcm:decrypt(sealed[1], sealed[2], "other"))) ngx.say(gcm:decrypt(sealed[1]))
    ngx.say(aes:new("short", nil, aes.cipher(256), { iv = iv })) ngx.say(aes:new(key, nil, aes.cipher(256), { iv = iv }))
    local made = aes:new("x", nil, aes.cipher(128), { iv = ("i"):rep(16), method = function(k) return k:rep(16) end }, nil, nil, false)
    ngx.say(#made:encrypt(("y"):rep(16))) ngx.say(made:encrypt("y")) ngx.say(made:decrypt(made:encrypt(("y"):rep(32))))`,
  );
  const c = createCipheriv("aes-256-gcm", "k".repeat(32), "i".repeat(12)).setAAD(Buffer.from("header"));
  const text = Buffer.concat([c.update("message"), c.final()]).toString("hex");
  t.deepEqual(lines, [
    text + c.getAuthTag().toString("hex"),
    "message",
    "nil",
    "nilbad tag",
    "nilbad key length",
    "nilbad iv",
    "16",
    "nilfailed to finish the cipher",
    "y".repeat(32),
  ]);
});
