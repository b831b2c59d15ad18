// SPDX-License-Identifier: MIT
// Sizes, times, texts with variables, addresses: what single words mean.
import test from "ava";
import { parseAddress } from "../../dist/conf/listen.js";
import { parseSize, parseText, parseTime } from "../../dist/conf/words.js";
import { planOf } from "./load.js";

const sizes = {
  0: 0,
  512: 512,
  "1k": 1024,
  "8K": 8192,
  "1m": 1048576,
  "2M": 2097152,
  "1g": undefined,
  "": undefined,
  k: undefined,
  "1kk": undefined,
  "-1": undefined,
  "1.5k": undefined,
  "99999999999999999999": undefined,
};
for (const [text, bytes] of Object.entries(sizes)) test(`size "${text}"`, (t) => t.is(parseSize(text), bytes));
test("g is a unit of offsets", (t) => t.is(parseSize("2g", true), 2 ** 31));

const times = {
  0: 0,
  10: 10_000,
  "10s": 10_000,
  "500ms": 500,
  "1m": 60_000,
  "1h 30m": 5_400_000,
  "1h30m": 5_400_000,
  "1d": 86_400_000,
  "1w": 604_800_000,
  "1M": 2_592_000_000,
  "1y": 31_536_000_000,
  "1m 500ms": 60_500,
  "": undefined,
  "5q": undefined,
  s: undefined,
  "1s x": undefined,
  "-1": undefined,
  "1m 1h": undefined,
  "1s 1s": undefined,
  "1 1s": undefined,
};
for (const [text, ms] of Object.entries(times)) test(`time "${text}"`, (t) => t.is(parseTime(text), ms));

const texts = [
  ["", [""]],
  ["abc", ["abc"]],
  ["$uri", [{ variable: "uri" }]],
  ["a${uri}b$1c$10", ["a", { variable: "uri" }, "b", { capture: 1 }, "c", { capture: 1 }, "0"]],
  ["$Host-$a_1", [{ variable: "host" }, "-", { variable: "a_1" }]],
  ["$", "invalid variable name"],
  ["a$-b", "invalid variable name"],
  ["${}", "invalid variable name"],
  ["${a", 'the closing bracket in "a" variable is missing'],
];
for (const [text, parts] of texts) test(`text "${text}"`, (t) => t.deepEqual(parseText(text), parts));

const addresses = {
  8080: "0.0.0.0:8080",
  "*:80": "0.0.0.0:80",
  "*": "0.0.0.0:80",
  "127.0.0.1": "127.0.0.1:80",
  "127.0.0.1:0": "127.0.0.1:0",
  "localhost:81": "127.0.0.1:81",
  "[::]:80": "[::]:80",
  "[::1]": "[::1]:80",
  "[FE80::A]:1": "[fe80::a]:1",
  "unix:/a b.sock": "unix:/a b.sock",
};
for (const [text, address] of Object.entries(addresses))
  test(`address "${text}"`, (t) => t.deepEqual(parseAddress(text, 80), { address }));

const wrong = {
  "1.2.3.400:80": "host not found",
  "a b": "host not found",
  "1.2.3.4:": "invalid port",
  "1.2.3.4:x": "invalid port",
  65536: "invalid port",
  "[::1]x": "invalid host",
  "[]": "invalid host",
  "[1.2]": "invalid IPv6 address",
};
for (const [text, error] of Object.entries(wrong))
  test(`address "${text}" is none`, (t) => t.deepEqual(parseAddress(text, 80), { error }));

const resolvConf = `# nameserver 192.0.2.9
search example.com
nameserver 192.0.2.1
 nameserver\t2001:db8::1 # the second
nameserver fe80::1%eth0
`;
const nameServers = {
  "127.0.0.1:5353 [::1] localhost": ["127.0.0.1:5353", "[::1]:53", "127.0.0.1:53"],
  "local=on": [],
  "local=off 192.0.2.7": ["192.0.2.7:53"],
  "local=resolv.conf": ["192.0.2.1:53", "[2001:db8::1]:53"],
  "local=resolv.conf 192.0.2.7 valid=30s": ["192.0.2.7:53", "192.0.2.1:53", "[2001:db8::1]:53"],
};
for (const [words, servers] of Object.entries(nameServers))
  test(`resolver ${words}`, async (t) => {
    const conf = `events { } http { resolver ${words}; server { listen 1; location / { } } }`;
    const plan = await planOf(t, conf, { "resolv.conf": resolvConf });
    t.deepEqual(plan.servers[0].locations[0].conf.resolver.servers, servers);
  });
