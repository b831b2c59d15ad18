// SPDX-License-Identifier: MIT
// resty.upload: multipart bodies of every shape, cut at every byte, and sent on.
import { connect } from "node:net";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

/** Tokens as text, one a line; `?size=` and `?line=` are new's arguments. */
const CODE = `local form, err = require("resty.upload"):new(tonumber(ngx.var.arg_size), tonumber(ngx.var.arg_line), ngx.var.arg_keep)
  if not form then ngx.say(err) return ngx.exit(200) end
  form:set_timeout(tonumber(ngx.var.arg_timeout) or 5000)
  local out = {}
  repeat
    local kind, value, err = form:read()
    if type(value) == "table" then value = table.concat(value, "|") end
    out[#out + 1] = kind and kind .. (value and " " .. value or "") or "nil " .. tostring(err)
  until kind == "eof" or not kind
  out[#out + 1] = tostring((form:read()))`;

const start = (t) =>
  startMoonwire(t, {
    http: "lua_socket_log_errors off;",
    server: `location /t { content_by_lua_block { ${CODE} ngx.print(table.concat(out, "\\n")) } }
    location /sent-on { rewrite_by_lua_block { ${CODE} } proxy_pass http://127.0.0.1:$server_port/echo; }
    location /echo { content_by_lua_block { ngx.req.read_body() ngx.print(ngx.req.get_body_data() or "") } }`,
  });

const type = (boundary = "AaB03x") => ({ "Content-Type": `multipart/form-data; boundary=${boundary}` });
const ask = async (s, body, query = "", headers = type()) => {
  const answer = await s.get(`/t?${query}`, { method: "POST", headers, body });
  return answer.body.split("\n");
};

const FORM = [
  "--AaB03x",
  'Content-Disposition: form-data; name="file1"; filename="a.txt"',
  "Content-Type: text/plain",
  "",
  "Hello, world",
  "--AaB03x",
  'Content-Disposition: form-data; name="test"',
  "",
  "value\r\n",
  "--AaB03x--",
  "",
].join("\r\n");
const FILE =
  'header Content-Disposition|form-data; name="file1"; filename="a.txt"|Content-Disposition: form-data; name="file1"; filename="a.txt"';
const TEST = 'header Content-Disposition|form-data; name="test"|Content-Disposition: form-data; name="test"';
const PLAIN = "header Content-Type|text/plain|Content-Type: text/plain";

/** Bodies, the tokens of them (with pieces of at most 100 bytes). */
const bodies = [
  [FORM, [FILE, PLAIN, "body Hello, world", "part_end", TEST, "body value\r\n", "part_end", "eof", "eof"]],
  ["--AaB03x--\r\n", ["eof", "eof"]],
  ["--AaB03x--", ["eof", "eof"]],
  ["preamble\r\n--AaB03x\r\n\r\nx\r\n--AaB03x--\r\nepilogue\r\n--AaB03x\r\n", ["body x", "part_end", "eof", "eof"]],
  [
    "--AaB03x \t\r\n\r\nx\r\n--AaB03x \r\n\r\ny\r\n--AaB03x--",
    ["body x", "part_end", "body y", "part_end", "eof", "eof"],
  ],
  ["--AaB03x\r\n\r\n\r\n--AaB03x--", ["part_end", "eof", "eof"]],
  [
    "--AaB03x\r\nno field\r\nA:b\r\n\r\n--AaB03x\r\n--AaB03x--",
    ["header no field", "header A|b|A:b", "body --AaB03x", "part_end", "eof", "eof"],
  ],
  ["--AaB03x\r\n\r\n\r\n--AaB03\r\n-\r\r\n--AaB03x--", ["body \r\n--AaB03\r\n-\r", "part_end", "eof", "eof"]],
  ["no boundary", ["nil closed", "nil"]],
  ["", ["no body", ""]],
  ["--AaB03x", ["nil closed", "nil"]],
  ["--AaB03x\r\nA: b\r\n\r\nx", ["header A|b|A: b", "nil closed", "nil"]],
  [`--AaB03x\r\nA: ${"b".repeat(510)}\r\n\r\n`, [`nil line too long: A: ${"b".repeat(510)}...`, "nil"]],
];

test("tokens", async (t) => {
  const s = await start(t);
  for (const [body, expected] of bodies) {
    const text = (await ask(s, body, "size=100")).join("\n");
    t.is(text, expected.join("\n"), JSON.stringify(body));
  }
});

test("boundaries and sizes", async (t) => {
  const s = await start(t);
  const body = '--a b;"\r\n\r\n0123456789\r\n--a b;"--';
  t.deepEqual(await ask(s, body.replaceAll('"', ""), "size=4", type('"a b;"')), [
    "body 0123",
    "body 4567",
    "body 89",
    "part_end",
    "eof",
    "eof",
  ]);
  t.deepEqual(
    await ask(s, "--x\r\n\r\ny\r\n--x--", "", { "Content-Type": "multipart/form-data; charset=x; BOUNDARY=x ; a=b" }),
    [...["body y", "part_end", "eof", "eof"]],
  );
  t.deepEqual(await ask(s, body.replaceAll(';"', ""), "", type("a b")), ["body 0123456789", "part_end", "eof", "eof"]);
  t.deepEqual(await ask(s, "x", "", { "Content-Type": "multipart/form-data" }), [
    "no boundary defined in Content-Type",
    "",
  ]);
  t.deepEqual(await ask(s, "x", "", type("")), ["no boundary defined in Content-Type", ""]);
  t.deepEqual(await ask(s, "x", "", {}), ["no boundary defined in Content-Type", ""]);
  t.deepEqual(await ask(s, "--AaB03x\r\nA: b\r\nlonger: x\r\n\r\n", "line=5"), [
    "header A|b|A: b",
    "nil line too long: longer...",
    "nil",
  ]);
  const big = "z".repeat(100_000);
  const tokens = await ask(s, `--AaB03x\r\n\r\n${big}\r\n--AaB03x--`);
  t.is(tokens.map((token) => (token.startsWith("body ") ? token.slice(5) : "")).join(""), big);
  t.true(tokens.every((token) => token.length <= 4096 + 5));
});

test("cut at every byte, a body is never taken for a whole one, and pieces join to what was sent", async (t) => {
  const s = await start(t);
  const end = FORM.indexOf("--AaB03x--") + "--AaB03x--".length;
  for (let at = 1; at < FORM.length; at++) {
    const tokens = await ask(s, FORM.slice(0, at), "size=3");
    t.is(tokens.at(-2), at < end ? "nil closed" : "eof", String(at));
  }
  const join = (tokens) => tokens.filter((token) => token.startsWith("body ")).map((token) => token.slice(5));
  for (const size of [1, 2, 3, 7, 11, 12, 13, 4096]) {
    const text = (await ask(s, FORM.replace("value\r\n", "value"), `size=${size}`)).join("\n");
    t.is(join(text.split("\n")).join(""), "Hello, worldvalue", String(size));
  }
});

test("a body that comes in two parts, cut at every byte; one that stops coming", async (t) => {
  const s = await start(t);
  const head = `POST /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=AaB03x\r\nContent-Length: ${FORM.length}\r\n\r\n`;
  const send = (...parts) =>
    new Promise((resolve, reject) => {
      const socket = connect(s.port, "127.0.0.1");
      let text = "";
      socket
        .setNoDelay(true)
        .on("data", (part) => (text += part))
        .on("error", reject)
        .on("end", () => resolve(text));
      socket.write(head + parts[0]);
      if (parts[1]) setTimeout(() => socket.write(parts[1]), 3);
    });
  const whole = (await send(FORM)).split("\r\n\r\n").slice(1).join("\r\n\r\n");
  for (let at = 0; at < FORM.length; at += 16) {
    const cuts = Array.from({ length: Math.min(16, FORM.length - at) }, (_, i) => at + i);
    const answers = await Promise.all(cuts.map((cut) => send(FORM.slice(0, cut), FORM.slice(cut))));
    for (const answer of answers) t.is(answer.split("\r\n\r\n").slice(1).join("\r\n\r\n"), whole);
  }
  const stopped = await s.raw(head.replace("/t", "/t?timeout=100") + FORM.slice(0, 150), { until: /\nnil/ });
  t.regex(stopped.toString(), /\nnil timeout\nnil/);
});

test("preserve_body: the body is what it was", async (t) => {
  const s = await start(t);
  for (const [body] of bodies.slice(0, 8)) {
    const { body: echoed } = await s.get("/sent-on?keep=1&size=100", { method: "POST", headers: type(), body });
    t.is(echoed, body);
  }
});
