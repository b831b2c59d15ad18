// SPDX-License-Identifier: MIT
// resty.http and responses byte for byte: framing, malformed ones, bodies cut at every byte, trailers, 100-continue.
import test from "ava";
import { runHttp } from "../helpers/lua-code.js";
import { rawServer } from "../helpers/upstream.js";

/** What a response does: a request, "status body" or the error, then what set_keepalive says. */
const ASK = `local asked = 0 local function ask(port, params)
  asked = asked + 1 local c = open(port, "pool " .. asked) c:set_timeouts(5000, 5000, 5000)
  local res, err = c:request(params or {})
  local body
  if res then body, err = res:read_body() end
  show(res and res.status, body or err, c:set_keepalive())
end `;

/** Serves the n-th of `answers` to the request that asks for /n. */
const numbered = (t, answers) =>
  rawServer(t, (socket, text) => {
    const answer = answers[Number(/^\w+ \/(\d+)/.exec(text)?.[1] ?? 0)];
    socket.write(typeof answer === "string" ? answer : answer.bytes, "latin1");
    if (!answer.open) socket.end();
  });

const OK = "HTTP/1.1 200 OK\r\n";
const open = (bytes) => ({ bytes, open: true });
const must = "2 connection must be closed";

/** Bytes of a response, what comes of it. */
const framing = [
  [open(`${OK}Content-Length: 2\r\n\r\nab`), "200 ab 1"],
  [open(`${OK}content-length:2 \t\r\n\r\nab`), "200 ab 1"],
  [open("HTTP/1.1 200 OK\nContent-Length: 2\n\nab"), "200 ab 1"],
  [open("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), "200  1"],
  [open("HTTP/1.1 204 No Content\r\n\r\n"), "204  1"],
  [open(`${OK}Connection: x, Close\r\nContent-Length: 1\r\n\r\na`), `200 a ${must}`],
  [open(`${OK}Connection: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\na`), `200 a ${must}`],
  [open("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"), `200 a ${must}`],
  [open("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na"), "200 a 1"],
  [open(`${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n00a;x="y"\r\n0123456789\r\n0\r\n\r\n`), "200 a0123456789 1"],
  [open(`${OK}transfer-encoding: gzip, Chunked\r\n\r\n0\r\nX: y\r\n\r\n`), "200  1"],
  [`${OK}\r\nto the end`, `200 to the end ${must}`],
  [`${OK}\r\n`, `200  ${must}`],
  ["HTTP/1.0 200 OK\r\n\r\nto the end", `200 to the end ${must}`],
  [`${OK}Transfer-Encoding: gzip\r\n\r\nto the end`, `200 to the end ${must}`],
  [
    open(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 1\r\n\r\na`),
    "200 a 1",
  ],
  [open("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), `101  ${must}`],
  [`${OK}Content-Length: 3\r\n\r\nab`, "200 closed nil closed"],
];

test("framing", async (t) => {
  const port = await numbered(
    t,
    framing.map(([answer]) => answer),
  );
  const lines = await runHttp(t, `${ASK} for i = 0, ${framing.length - 1} do ask(${port}, { path = "/" .. i }) end`);
  t.deepEqual(
    lines,
    framing.map(([, expected]) => expected),
  );
});

/** Malformed heads; each is refused, and its connection closed. */
const malformed = [
  ["", "closed"],
  ["HTTP/1.1 200 OK\r\nA: b\r\n", "closed"],
  ["HTTP/2 200 OK\r\n\r\n", "couldn't parse HTTP version from response status line: HTTP/2 200 OK"],
  ["SSH-2.0-x\r\n", "couldn't parse HTTP version from response status line: SSH-2.0-x"],
  ["HTTP/1.1 20 OK\r\n\r\n", "couldn't parse status code from response status line: HTTP/1.1 20 OK"],
  ["HTTP/1.1 2000 OK\r\n\r\n", "couldn't parse status code from response status line: HTTP/1.1 2000 OK"],
  ["HTTP/1.1 099 OK\r\n\r\n", "couldn't parse status code from response status line: HTTP/1.1 099 OK"],
  [
    `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na`,
    'response has both "Transfer-Encoding" and "Content-Length"',
  ],
  [`${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, 'response has duplicate "Content-Length"'],
  [`${OK}Content-Length: 1, 1\r\n\r\na`, 'response has invalid "Content-Length": 1, 1'],
  [`${OK}Content-Length: +1\r\n\r\na`, 'response has invalid "Content-Length": +1'],
  [`${OK}Content-Length: 0x1\r\n\r\na`, 'response has invalid "Content-Length": 0x1'],
  [`${OK}Content-Length: -1\r\n\r\na`, 'response has invalid "Content-Length": -1'],
  [`${OK}Content-Length: \r\n\r\na`, 'response has invalid "Content-Length": '],
  [`${OK}Content-Length: 9999999999999999\r\n\r\na`, 'response has invalid "Content-Length": 9999999999999999'],
  [`${OK}Content-Length : 1\r\n\r\na`, "bad response header: Content-Length : 1"],
  [`${OK}A: b\r\n c\r\n\r\n`, "bad response header:  c"],
  [`${OK}: b\r\n\r\n`, "bad response header: : b"],
  [`${OK}A\r\n\r\n`, "bad response header: A"],
  [`${OK}A: b\rContent-Length: 0\r\n\r\n`, "bad byte in response head"],
  [`${OK}A: b\0\r\n\r\n`, "bad byte in response head"],
  [`${OK}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 'response has invalid "Transfer-Encoding"'],
  [`${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n`, 'response has invalid "Transfer-Encoding"'],
  ["HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 'HTTP/1.0 response has "Transfer-Encoding"'],
  [OK + "A: b\r\n".repeat(1001) + "\r\n", "too many response headers"],
  [`${OK}A: ${"b".repeat(300000)}\r\n\r\n`, "response head is too large"],
  ["HTTP/1.1 100 Continue\r\n\r\n".repeat(40), "too many interim responses"],
];

test("malformed heads", async (t) => {
  const port = await numbered(
    t,
    malformed.map(([answer]) => answer),
  );
  const lines = await runHttp(t, `${ASK} for i = 0, ${malformed.length - 1} do ask(${port}, { path = "/" .. i }) end`);
  t.deepEqual(
    lines,
    malformed.map(([, expected]) => `nil ${expected} nil closed`),
  );
});

const chunked = (rest) => `${OK}Transfer-Encoding: chunked\r\n\r\n${rest}`;
const SIZE = "200 unable to read chunksize nil closed";
const malformedChunks = [
  [chunked("x\r\n"), SIZE],
  [chunked("\r\n"), SIZE],
  [chunked("-1\r\n"), SIZE],
  [chunked("1 2\r\nab\r\n0\r\n\r\n"), SIZE],
  [chunked("1\nb\r\n0\r\n\r\n"), SIZE],
  [chunked("fffffffffffffff\r\n"), SIZE],
  [chunked(`1;${"x".repeat(5000)}\r\na\r\n0\r\n\r\n`), SIZE],
  [chunked("1\r\nab\r\n0\r\n\r\n"), "200 chunk without its end nil closed"],
  [chunked("1\r\na\n0\r\n\r\n"), "200 chunk without its end nil closed"],
  [chunked("0\r\nbad\r\n\r\n"), "200 bad response header: bad nil closed"],
  [chunked("5\r\nab"), "200 closed nil closed"],
];

test("malformed chunks", async (t) => {
  const port = await numbered(
    t,
    malformedChunks.map(([answer]) => answer),
  );
  const lines = await runHttp(
    t,
    `${ASK} for i = 0, ${malformedChunks.length - 1} do ask(${port}, { path = "/" .. i }) end`,
  );
  t.deepEqual(
    lines,
    malformedChunks.map(([, expected]) => expected),
  );
});

test("a response with trailers, cut at every byte: never taken for a whole one", async (t) => {
  const whole = `${OK}Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\nTransfer-Encoding: x\r\n\r\n`;
  const answers = Array.from(whole, (_, i) => whole.slice(0, i));
  const port = await numbered(t, [...answers, open(whole)]);
  const lines = await runHttp(
    t,
    `local whole = 0
    for i = 0, ${whole.length} do
      local c = open(${port})
      local res, err = c:request { path = "/" .. i }
      local body
      if res then body, err = res:read_body() end
      if body then
        whole = whole + 1 show(i, body, res.headers.a, res:read_trailers()) show(res.headers.a, res.headers["transfer-encoding"])
      elseif err ~= "closed" then show(i, err) end
      c:close()
    end
    show(whole)`,
  );
  t.deepEqual(lines, [`${whole.length} abcde`, "b chunked", "1"]);
});

test("a response that comes byte by byte; pieces of a given size", async (t) => {
  const port = await rawServer(t, async (socket) => {
    for (const byte of chunked("3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n")) {
      socket.write(byte);
      await new Promise((next) => setImmediate(next));
    }
  });
  const lines = await runHttp(
    t,
    `local c = open(${port}) local res = c:request {}
    local pieces = {} for piece in res.body_reader, 2 do pieces[#pieces + 1] = piece end
    show(table.concat(pieces, ","), res.body_reader(), c:set_keepalive())`,
  );
  t.deepEqual(lines, ["ab,c,de,fg,h nil 1"]);
});

test("100-continue: the body waits for it, and is not sent when another answer comes", async (t) => {
  const answers = { "/go": "HTTP/1.1 100 Continue\r\n\r\n", "/no": "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n" };
  const port = await rawServer(t, (socket, text) => {
    const path = text.split(" ")[1];
    const before = socket.received().split("\r\n\r\n")[1].length;
    socket.write(answers[path]);
    if (path === "/go")
      socket.once("data", () => {
        const sent = socket.received().split("\r\n\r\n")[1];
        socket.write(`${OK}Content-Length: ${sent.length + 1}\r\n\r\n${before}${sent}`);
      });
  });
  const lines = await runHttp(
    t,
    `${ASK}
    local params = { method = "POST", body = "text", headers = { expect = "100-Continue" } }
    params.path = "/go" ask(${port}, params) params.path = "/no" ask(${port}, params)`,
  );
  t.deepEqual(lines, ["200 0text 1", `417  ${must}`]);
});

/** A server that answers with what it was sent: the fields that frame the body, and the body. */
const framed = (t) =>
  rawServer(t, async (socket) => {
    await new Promise((next) => setTimeout(next, 100));
    const [head, ...rest] = socket.received().split("\r\n\r\n");
    const fields = head.split("\r\n").filter((line) => /^(content-length|transfer-encoding)/i.test(line));
    const answer = JSON.stringify([...fields, rest.join("\r\n\r\n")]);
    socket.write(`${OK}Content-Length: ${answer.length}\r\n\r\n${answer}`);
  });

const TE = '["transfer-encoding"] = "chunked"';
const other = 'nil Request body has another length than its "Content-Length"';
const coding = 'nil Request has invalid "Transfer-Encoding"';
const length = 'nil Request has invalid "Content-Length"';
const notChunked = "nil Request body is not chunked as it should be nil closed";

/** Method, fields taken over, body; what is sent. */
const requests = [
  [
    "POST",
    TE,
    '"0\\r\\n\\r\\nDELETE / HTTP/1.1\\r\\n\\r\\n"',
    ["Content-Length: 26", "0\r\n\r\nDELETE / HTTP/1.1\r\n\r\n"],
  ],
  ["POST", `${TE}, ["content-length"] = "3"`, '{ "a", { "b", 1 } }', ["content-length: 3", "ab1"]],
  ["POST", '["content-length"] = 2', '{ "ab", nil, "c" }', ["content-length: 2", "ab"]],
  ["GET", '["content-length"] = "60"', "nil", [""]],
  ["DELETE", '["content-length"] = { 1, 1 }', "nil", [""]],
  ["GET", TE, "nil", [""]],
  ["POST", TE, "nil", ["Content-Length: 0", ""]],
  ["POST", '["content-length"] = "0"', "nil", ["content-length: 0", ""]],
  ["POST", '["content-length"] = "60"', "nil", `${other} 1`],
  ["POST", '["content-length"] = "0x2"', 'pieces("ab")', `${length} 1`],
  ["POST", '["content-length"] = 1.5', 'pieces("ab")', `${length} 1`],
  ["POST", '["content-length"] = { 2, 2 }', 'pieces("ab")', `${length} 1`],
  ["POST", '["content-length"] = 2', 'pieces("a", "bc")', `${other} nil closed`],
  ["POST", '["content-length"] = 2', 'pieces { "a", 1 }', ["content-length: 2", "a1"]],
  ["POST", '["transfer-encoding"] = { "chunked", "gzip" }', 'pieces("a")', `${coding} 1`],
  ["POST", '["transfer-encoding"] = "identity"', 'pieces("a")', `${coding} 1`],
  ["POST", TE, 'pieces("text")', notChunked],
  ["POST", TE, 'pieces("1\\r\\na\\r\\n")', notChunked],
  ["POST", TE, 'pieces("0\\r\\n\\r\\nGET / HTTP/1.1\\r\\n\\r\\n")', notChunked],
  ["POST", TE, 'pieces("0\\r\\n\\r\\n", "GET / HTTP/1.1\\r\\n\\r\\n")', notChunked],
  ["POST", TE, 'pieces("1\\r\\nab\\r\\n0\\r\\n\\r\\n")', notChunked],
  ["POST", TE, 'pieces("1\\na\\r\\n0\\r\\n\\r\\n")', notChunked],
  [
    "POST",
    TE,
    'bytes "A;x=y\\r\\n0123456789\\r\\n0\\r\\nT: u\\r\\n\\r\\n"',
    ["transfer-encoding: chunked", "A;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n"],
  ],
  ["POST", TE, "reader(4)", ["transfer-encoding: chunked", "4\r\ntext\r\n0\r\n\r\n"]],
];

test("requests: no body ends elsewhere than the head says, whatever fields were taken over", async (t) => {
  const port = await framed(t);
  const asks = requests.map(
    ([method, fields, body], i) =>
      `ask(${port}, { method = "${method}", headers = { ${fields} }, body = ${body}, path = "/${i}" })`,
  );
  const lines = await runHttp(
    t,
    `${ASK}
    local function pieces(...) local list, i = { ... }, 0 return function() i = i + 1 return list[i] end end
    local function bytes(text) return text:gmatch "." end
    local function reader(n)
      local sock = { receive = function() return "text" end }
      return http:get_client_body_reader(nil, sock, { ["Content-Length"] = n })
    end
    ${asks.join("\n")}
    ask(${port}, { method = "POST", version = 1.0, headers = { ${TE} }, body = reader(4) })
    show(reader("0x4")) show(reader("+4"))
    show(http:get_client_body_reader(nil, {}, { ["Transfer-Encoding"] = "chunked", ["Content-Length"] = "4" }))`,
  );
  t.deepEqual(lines, [
    ...requests.map(([, , , sent]) => (typeof sent === "string" ? sent : `200 ${JSON.stringify(sent)} 1`)),
    'nil HTTP/1.0 request has "Transfer-Encoding" 1',
    "nil bad Content-Length",
    "nil bad Content-Length",
    "nil bad Transfer-Encoding",
  ]);
});

test("requests: what a client said of its body does not reach the next client's request", async (t) => {
  const port = await framed(t);
  const lines = await runHttp(
    t,
    `local h = { ["content-length"] = "60" }
    local c = open(${port})
    local list = c:request_pipeline { { headers = h }, { path = "/next" } }
    show(list[1]:read_body())
    c:close()`,
  );
  t.regex(lines.join("\n"), /^\["GET \/next HTTP\/1.1\\r\\n[^"]*"\]$/);
});

test("timeouts end the connection", async (t) => {
  const port = await numbered(t, [
    open("HTTP/1.1 200"),
    open(`${OK}Content-Length: 2\r\n\r\na`),
    open(chunked("5\r\n")),
  ]);
  const lines = await runHttp(
    t,
    `for i = 0, 2 do
      local c = open(${port}, "pool " .. i) c:set_timeout(400)
      local res, err = c:request { path = "/" .. i }
      show(res and res.status, err or select(2, res:read_body())) show(res and res.body_reader(), c:set_keepalive())
    end`,
  );
  t.deepEqual(lines, [
    "nil timeout",
    "nil nil closed",
    "200 timeout",
    "nil nil closed",
    "200 timeout",
    "nil nil closed",
  ]);
});
