// SPDX-License-Identifier: MIT
// geo and split_clients: variables out of addresses and hashes. Against nginx: test/differential/modules-nginx.mjs.
import test from "ava";
import { startServer } from "../helpers/api.js";

test("geo: the narrowest network counts, by the client's address or a variable's", async (t) => {
  const s = await startServer(t, {
    http: `geo $client { default no; 127.0.0.0/8 loop; 127.0.0.1 me; }
      geo $arg_a $net { default none; 10.0.0.0/8 ten; 10.1.0.0/16 ten-one; 10.1.2.3 host; 2001:db8::/32 doc; ::1 six;
        192.168.0.0/16 gone; delete 192.168.0.0/16; }
      geo $arg_a $range { ranges; 1.0.0.0-1.255.255.255 outer; 1.2.0.0-1.2.255.255 inner; }`,
    server: 'location / { return 200 "$client|$net|$range"; }',
  });
  const ask = async (address) => (await s.get(`/?a=${address}`)).body;
  t.is(await ask("10.1.2.3"), "me|host|");
  t.is(await ask("10.1.2.4"), "me|ten-one|");
  t.is(await ask("10.2.0.0"), "me|ten|");
  t.is(await ask("11.0.0.0"), "me|none|");
  t.is(await ask("192.168.1.1"), "me|none|");
  t.is(await ask("2001:db8::5"), "me|doc|");
  t.is(await ask("::1"), "me|six|");
  t.is(await ask("::ffff:10.1.2.3"), "me|host|", "an IPv4 address in an IPv6 one");
  t.is(await ask("nonsense"), "me|none|");
  t.is(await ask("1.1.255.255"), "me|none|outer");
  t.is(await ask("1.2.0.0"), "me|none|inner");
  t.is(await ask("1.3.0.0"), "me|none|outer");
});

test("geo: proxies are believed", async (t) => {
  const s = await startServer(t, {
    http: `geo $one { proxy 127.0.0.0/8; 5.5.5.5 five; 6.6.6.6 six; }
      geo $all { proxy 127.0.0.1; proxy 6.6.6.6; proxy_recursive; 5.5.5.5 five; 6.6.6.6 six; }`,
    server: 'location / { return 200 "$one|$all"; }',
  });
  const ask = async (list) => (await s.get("/", { headers: { "X-Forwarded-For": list } })).body;
  t.is(await ask("5.5.5.5"), "five|five");
  t.is(await ask("5.5.5.5, 6.6.6.6"), "six|five");
});

test("split_clients: each text has its share, always the same", async (t) => {
  const s = await startServer(t, {
    http: "split_clients $arg_k $part { 30% a; 20.5% b; * rest; }",
    server: 'location / { return 200 "$part"; }',
  });
  const counts = { a: 0, b: 0, rest: 0 };
  for (let i = 0; i < 200; i++) counts[(await s.get(`/?k=text${i}`)).body]++;
  t.deepEqual(counts, { a: 59, b: 43, rest: 98 });
});

test("geo: delete takes a range away as the ranges before it have left it", async (t) => {
  const s = await startServer(t, {
    http: `geo $arg_a $cut { ranges; default none; 1.0.0.0-1.0.0.255 outer; 1.0.0.1-1.0.0.1 inner;
        delete 1.0.0.0-1.0.0.0; delete 1.0.0.2-1.0.0.255; }
      geo $arg_a $wide { ranges; default none; 1.0.0.0-1.1.0.0 wide; delete 1.0.0.0-1.1.0.0; 1.0.0.1-1.0.0.1 again; }`,
    server: 'location / { return 200 "$cut|$wide"; }',
  });
  const ask = async (address) => (await s.get(`/?a=${address}`)).body;
  t.is(await ask("1.0.0.0"), "none|none");
  t.is(await ask("1.0.0.1"), "inner|again");
  t.is(await ask("1.0.0.2"), "none|none");
  t.is(await ask("1.1.0.0"), "none|none");
});
