// SPDX-License-Identifier: MIT
// resty.dns.resolver against a server that sends what a test wants, byte for byte, and against dnsmasq.
import test from "ava";
import { startDnsmasq } from "../helpers/backend.js";
import { TYPE, data, encodeName, record, reply, startDns } from "../helpers/dns-wire.js";
import { runLua } from "../helpers/lua-code.js";

/** The lines that `code` prints. It has `resolver`, `show(answers, err)`, `open(port, opts)`. */
const run = (t, code) =>
  runLua(
    t,
    `local resolver = require "resty.dns.resolver"
    local function text(v)
      if type(v) ~= "table" then return tostring(v) end
      local keys, out = {}, {}
      for k in pairs(v) do keys[#keys + 1] = k end
      table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
      for _, k in ipairs(keys) do out[#out + 1] = (type(k) == "number" and "" or k .. "=") .. text(v[k]) end
      return "{" .. table.concat(out, " ") .. "}"
    end
    local function show(v, err) ngx.say(v == nil and "nil " .. tostring(err) or text(v)) end
    local function open(port, opts)
      opts = opts or {}
      opts.nameservers, opts.timeout = opts.nameservers or { { "127.0.0.1", port } }, opts.timeout or 5000
      return assert(resolver:new(opts))
    end `,
    code,
  );

const { u16, u32, pointer, bytes, string } = data;
const QUESTION = 12; // where the question's name is: every reply may point to it

test("records of every type", async (t) => {
  const www = pointer(QUESTION);
  const sections = {
    a: [record({ name: www, type: TYPE.A, ttl: 2 ** 31 - 1, data: bytes(127, 0, 0, 255) })],
    aaaa: [record({ name: www, type: TYPE.AAAA, data: bytes(0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1) })],
    cname: [
      record({
        name: www,
        type: TYPE.CNAME,
        data: Buffer.concat([bytes(5), Buffer.from("other"), pointer(QUESTION + 6)]),
      }),
      record({ name: "x.test", type: TYPE.A, ttl: 2 ** 31, data: bytes(1, 2, 3, 4) }),
    ],
    mx: [record({ name: www, type: TYPE.MX, data: Buffer.concat([u16(10), encodeName("mail.test")]) })],
    srv: [
      record({ name: www, type: TYPE.SRV, data: Buffer.concat([u16(1), u16(2), u16(65535), encodeName("s.test")]) }),
    ],
    ns: [record({ name: www, type: TYPE.NS, data: encodeName("ns.test") })],
    ptr: [record({ name: www, type: TYPE.PTR, data: www })],
    txt: [
      record({ name: www, type: TYPE.TXT, data: string("one") }),
      record({ name: www, type: TYPE.TXT, data: Buffer.concat([string("a"), string(""), string("b")]) }),
      record({ name: www, type: TYPE.TXT, data: bytes(0) }),
      record({ name: www, type: TYPE.SPF, data: bytes(200, 97, 98) }),
    ],
    soa: [
      record({
        name: www,
        type: TYPE.SOA,
        data: Buffer.concat([encodeName("m.test"), encodeName("r.test"), ...[1, 2, 3, 4, 2 ** 32 - 1].map(u32)]),
      }),
    ],
    other: [record({ name: www, type: 65280, class: 3, data: Buffer.from("raw") })],
    none: [],
  };
  const port = await startDns(t, (q) => reply(q, { answers: sections[q.name.split(".")[0]] }));
  const lines = await run(
    t,
    `local r = open(${port})
    for _, name in ipairs { "a", "aaaa", "cname", "mx", "srv", "ns", "ptr", "txt", "soa", "other", "none" } do show(r:query(name .. ".test")) end`,
  );
  const common = (name, type, ttl = 60) => `name=${name} section=1 ttl=${ttl} type=${type}`;
  t.deepEqual(lines, [
    `{{address=127.0.0.255 class=1 ${common("a.test", 1, 2147483647)}}}`,
    `{{address=2001:db8:0:0:0:0:0:1 class=1 ${common("aaaa.test", 28)}}}`,
    `{{class=1 cname=other.test ${common("cname.test", 5)}} {address=1.2.3.4 class=1 ${common("x.test", 1, 0)}}}`,
    `{{class=1 exchange=mail.test name=mx.test preference=10 section=1 ttl=60 type=15}}`,
    `{{class=1 name=srv.test port=65535 priority=1 section=1 target=s.test ttl=60 type=33 weight=2}}`,
    `{{class=1 name=ns.test nsdname=ns.test section=1 ttl=60 type=2}}`,
    `{{class=1 name=ptr.test ptrdname=ptr.test section=1 ttl=60 type=12}}`,
    "{{class=1 name=txt.test section=1 ttl=60 txt=one type=16} {class=1 name=txt.test section=1 ttl=60 txt={a  b} type=16} " +
      "{class=1 name=txt.test section=1 ttl=60 txt= type=16} {class=1 name=txt.test section=1 spf=ab ttl=60 type=99}}",
    "{{class=1 expire=4 minimum=4294967295 mname=m.test name=soa.test refresh=2 retry=3 rname=r.test section=1 serial=1 ttl=60 type=6}}",
    "{{class=3 name=other.test rdata=raw section=1 ttl=60 type=65280}}",
    "{}",
  ]);
});

/** A reply with a CNAME whose name is found through `count` pointers. */
function chain(q, count) {
  const first = QUESTION + encodeName(q.name).length + 4 + 12;
  const pointers = Array.from({ length: count - 1 }, (_, i) => pointer(i === 0 ? QUESTION : first + 2 * (i - 1)));
  return reply(q, {
    answers: [
      record({ name: pointer(QUESTION), type: 65280, data: Buffer.concat(pointers) }),
      record({ name: pointer(QUESTION), type: TYPE.CNAME, data: pointer(first + 2 * (count - 2)) }),
    ],
  });
}

test("a name through as many pointers as it can have labels", async (t) => {
  const port = await startDns(t, (q) => chain(q, 128));
  t.deepEqual(await run(t, `show(open(${port}):query("a.test")[2].cname)`), ["a.test"]);
});

test("sections and error codes", async (t) => {
  const port = await startDns(t, (q) =>
    reply(q, {
      flags: 0x8180 | Number(/^\d+/.exec(q.name)?.[0] ?? 0),
      answers: [record({ name: "an", type: TYPE.A, data: bytes(1, 1, 1, 1) })],
      authority: [record({ name: "ns", type: TYPE.NS, data: encodeName("x") })],
      additional: [record({ name: "ar", type: TYPE.A, data: bytes(2, 2, 2, 2) })],
    }),
  );
  const lines = await run(
    t,
    `local r = open(${port})
    local function names(opts)
      local out = {} for i, a in ipairs(r:query("x", opts)) do out[i] = a.name .. a.section end show(table.concat(out, " "))
    end
    names() names { authority_section = true } names { additional_section = true } names { authority_section = true, additional_section = true }
    names { qtype = r.TYPE_SOA }
    for i = 0, 6 do local a = r:query(i .. ".x") show(tostring(a.errcode) .. " " .. tostring(a.errstr)) end`,
  );
  t.deepEqual(lines, [
    "an1",
    "an1 ns2",
    "an1 ar3",
    "an1 ns2 ar3",
    "an1 ns2",
    "nil nil",
    "1 format error",
    "2 server failure",
    "3 name error",
    "4 not implemented",
    "5 refused",
    "6 unknown",
  ]);
});

/** Malformed replies, and what comes of them over TCP. */
const a = (more) => record({ name: pointer(QUESTION), type: TYPE.A, data: bytes(1, 2, 3, 4), ...more });
const malformed = [
  [() => Buffer.alloc(0), "truncated"],
  [() => Buffer.alloc(11), "truncated"],
  [(q) => reply(q, { id: q.id ^ 1 }), "id mismatch"],
  [(q) => reply(q, { flags: 0x180 }), "bad QR flag in the DNS response"],
  [(q) => reply(q, { flags: 0x8380 }), "truncated"],
  [(q) => reply(q, { counts: { questions: 2 } }), "bad number of questions in DNS response: 2"],
  [
    (q) => reply(q, { question: Buffer.concat([encodeName(q.name), u16(1), u16(3)]) }),
    "unknown query class 3 in DNS response",
  ],
  [(q) => reply(q, { question: Buffer.concat([encodeName("evil.test"), u16(1), u16(1)]) }), "question mismatch"],
  [(q) => reply(q, { question: Buffer.concat([encodeName(q.name), u16(28), u16(1)]) }), "question mismatch"],
  [(q) => reply(q, { question: pointer(12) }), "bad name pointer"],
  [(q) => chain(q, 129), "bad name pointer"],
  [(q) => reply(q, { question: bytes(64, 1) }), "bad label type"],
  [(q) => reply(q, { question: bytes(63, 1) }), "truncated"],
  [(q) => reply(q, { counts: { an: 1 } }), "truncated"],
  [(q) => reply(q, { answers: [a()], counts: { an: 65535 } }), "truncated"],
  [(q) => reply(q, { answers: [a({ length: 5 })] }), "bad A record value length: 5"],
  [(q) => reply(q, { answers: [a({ data: bytes(1), length: 4 })] }), "truncated"],
  [(q) => reply(q, { answers: [a({ type: TYPE.TXT, length: 5 })] }), "truncated"],
  [(q) => reply(q, { answers: [a({ data: bytes(1, 2, 3) })] }), "bad A record value length: 3"],
  [(q) => reply(q, { answers: [a({ type: TYPE.AAAA })] }), "bad AAAA record value length: 4"],
  [(q) => reply(q, { answers: [a({ type: TYPE.MX, data: u16(1) })] }), "bad MX record value length: 2"],
  [
    (q) => reply(q, { answers: [a({ type: TYPE.SRV, data: bytes(1, 2, 3, 4, 5, 6) })] }),
    "bad SRV record value length: 6",
  ],
  [(q) => reply(q, { answers: [a({ type: TYPE.SOA, data: bytes(0, 0, 1) })] }), "bad SOA record value length: 3"],
  [
    (q) => reply(q, { answers: [a({ type: TYPE.CNAME, data: bytes(1, 120, 0, 0) })] }),
    "bad cname record length: 3 ~= 4",
  ],
  [(q) => reply(q, { answers: [a({ type: TYPE.CNAME, data: bytes(0xc0, 255) })] }), "bad name pointer"],
  [
    (q) =>
      reply(q, {
        answers: [a({ name: Buffer.concat([...Array(5).fill(encodeName("x".repeat(60)).subarray(0, 61)), bytes(0)]) })],
      }),
    "name is too long",
  ],
];

test("malformed replies", async (t) => {
  const port = await startDns(t, (q) => malformed[Number(q.name)][0](q));
  const lines = await run(
    t,
    `local r = open(${port}) for i = 0, ${malformed.length - 1} do show(r:tcp_query(tostring(i))) end`,
  );
  t.deepEqual(
    lines,
    malformed.map(([, err]) => `nil failed to parse the reply from the TCP server 127.0.0.1:${port}: ${err}`),
  );
});

test("a reply cut at every byte", async (t) => {
  const whole = (q) =>
    reply(q, {
      answers: [a(), record({ name: "b.c", type: TYPE.MX, data: Buffer.concat([u16(1), encodeName("d")]) })],
    });
  const port = await startDns(t, (q) => whole(q).subarray(0, Number(q.name)));
  const size = whole({ id: 0, name: "00", type: 1 }).length;
  const lines = await run(
    t,
    `local r = open(${port}) local whole = 0
    for i = 10, ${size} do
      local answers, err = r:tcp_query(tostring(i))
      if answers then whole = whole + 1 show(#answers) elseif not err:find("truncated$") then show(nil, err) end
    end
    show(whole)`,
  );
  t.deepEqual(lines, ["2", "1"]);
});

test("other replies are passed over; truncated ones are asked for over TCP; tries", async (t) => {
  let silent = 2;
  const port = await startDns(t, (q) => {
    const good = reply(q, { answers: [a()] });
    if (q.name === "late" && silent-- > 0) return undefined;
    if (q.name === "never") return undefined;
    if (q.transport === "tcp") return good;
    if (q.name === "cut") return reply(q, { flags: 0x8380 });
    if (q.name === "forged")
      return [reply(q, { id: q.id ^ 1, answers: [a(), a()] }), reply({ ...q, name: "no" }, {}), good];
    if (q.name === "case") return reply({ ...q, name: "CASE" }, { answers: [a()] });
    return good;
  });
  const lines = await run(
    t,
    `local r = open(${port}) show(#r:query("forged")) show(#r:query("cut")) show(#r:query("case."))
    r:set_timeout(400) local tries = {}
    local answers, err, same = r:query("late", nil, tries) show(#answers) show(#tries >= 2) show(same == tries) show(tries[1])
    r = open(${port}, { retrans = 2, timeout = 50 }) answers, err = r:query("never", nil, tries) show(answers, err) show(#tries)
    r = open(0, { nameservers = { { "127.0.0.1", 1 }, { "127.0.0.1", ${port} } }, no_random = true }) show(#r:query("x", nil, tries)) show(tries)
    show(r:tcp_query("x")) show(#r:tcp_query("x"))
    show(r:query(".x")) show(r:query("a..b")) show(r:query(("x"):rep(64)))
    show(resolver:new()) show(resolver:new {}) r:destroy() show(r:query("x")) show(r:set_timeout(1))`,
  );
  const timeout = `failed to receive reply from UDP server 127.0.0.1:${port}: timeout`;
  t.deepEqual(lines, [
    ...["1", "1", "1", "1", "true", "true", timeout, `nil ${timeout}`, "2", "1"],
    "{failed to receive reply from UDP server 127.0.0.1:1: connection refused}",
    "nil failed to connect to TCP server 127.0.0.1:1: connection refused",
    ...["1", "nil bad name", "nil bad name", "nil bad name"],
    ...["nil no options table specified", "nil no nameservers specified", "nil not initialized", "nil not initialized"],
  ]);
});

test("queries as they are sent; addresses as names", async (t) => {
  const seen = [];
  const port = await startDns(t, (q) => {
    seen.push([q.name, q.type, q.flags, q.id]);
    return reply(q, {});
  });
  const lines = await run(
    t,
    `local r = open(${port}) for i = 1, 20 do r:query("www.test", { qtype = r.TYPE_SRV }) end
    open(${port}, { no_recurse = true }):query("a.") r:reverse_query("1.2.3.4") r:reverse_query("FF01::101")
    for _, a in ipairs { "1080:0:0:0:8:800:200C:417A", "0:0:0:0:0:0:0:0", "1:0:0:2:0:0:0:3", "1:2:3:4:5:6:7:8" } do
      local short = r.compress_ipv6_addr(a) show(short) show(r.expand_ipv6_addr(short) == a and r.arpa_str(a) == r.arpa_str(short))
    end`,
  );
  t.deepEqual(seen[0].slice(0, 3), ["www.test", 33, 0x100]);
  t.true(new Set(seen.slice(0, 20).map(([, , , id]) => id)).size > 10);
  t.deepEqual(
    seen.slice(20).map((q) => q.slice(0, 3)),
    [
      ["a", 1, 0],
      ["4.3.2.1.in-addr.arpa", 12, 0x100],
      [`1.0.1.${"0.".repeat(25)}1.0.F.F.ip6.arpa`, 12, 0x100],
    ],
  );
  t.deepEqual(lines, [
    "1080::8:800:200C:417A",
    "true",
    "::",
    "true",
    "1::2:0:0:0:3",
    "true",
    "1:2:3:4:5:6:7:8",
    "true",
  ]);
});

test("dnsmasq: records, no such name, a text too long for UDP", async (t) => {
  const long = Array.from({ length: 12 }, (_, i) => String.fromCharCode(97 + i).repeat(200));
  const port = await startDnsmasq(
    t,
    ...["--host-record=www.test,127.0.0.9,::9", "--cname=alias.test,www.test", "--mx-host=test,mail.test,7"],
    ...[
      "--srv-host=_http._tcp.test,www.test,8080,1,2",
      `--txt-record=long.test,${long.join(",")}`,
      "--ptr-record=9.0.0.10.in-addr.arpa,nine.test",
    ],
  );
  if (!port) return t.pass();
  const lines = await run(
    t,
    `local r = open(${port}) local T = r
    show(r:query("www.test")[1].address) show(r:query("www.test", { qtype = r.TYPE_AAAA })[1].address)
    local answers = r:query("alias.test") show(answers[1].cname) show(answers[2].address)
    show(r:query("test", { qtype = r.TYPE_MX })[1].exchange) show(r:query("_http._tcp.test", { qtype = r.TYPE_SRV })[1].port)
    local txt = r:query("long.test", { qtype = r.TYPE_TXT })[1].txt show(#txt) show(txt[12])
    show(r:query("none.test").errstr) show(r:reverse_query("10.0.0.9")[1].ptrdname)`,
  );
  t.deepEqual(lines, [
    ...[
      "127.0.0.9",
      "0:0:0:0:0:0:0:9",
      "www.test",
      "127.0.0.9",
      "mail.test",
      "8080",
      "12",
      long[11],
      "name error",
      "nine.test",
    ],
  ]);
});
