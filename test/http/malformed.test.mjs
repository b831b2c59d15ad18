// SPDX-License-Identifier: MIT
// Input that is refused: the status, a close, and never a second request read out of the same bytes.
import test from "ava";
import { openWire, startServer } from "../helpers/wire.js";

const server = `location / { return 200 "$uri"; }
  location /body { content_by_lua_block { ngx.req.read_body() ngx.print(ngx.req.get_body_data() or "none") } }`;
const next = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const H = "Host: a\r\n";
const chunked = (body) => `POST /body HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n${body}`;

const refused = {
  "a bare CR in the request line": [400, `GET /\r HTTP/1.1\r\n${H}\r\n`],
  "a bare CR in a value": [400, `GET / HTTP/1.1\r\n${H}X: a\rb\r\n\r\n`],
  "a bare CR as line end": [400, `GET / HTTP/1.1\r\n${H}X: a\rY: b\r\n\r\n`],
  "a NUL in the target": [400, `GET /\0 HTTP/1.1\r\n${H}\r\n`],
  "a NUL in a value": [400, `GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`],
  "a NUL in a name": [400, `GET / HTTP/1.1\r\n${H}X\0: ab\r\n\r\n`],
  "a control in a value": [400, `GET / HTTP/1.1\r\n${H}X: a\x01b\r\n\r\n`],
  "a folded field": [400, `GET / HTTP/1.1\r\n${H}X: a\r\n b\r\n\r\n`],
  "a folded first field": [400, `GET / HTTP/1.1\r\n X: a\r\n${H}\r\n`],
  "an 8-bit name": [400, `GET / HTTP/1.1\r\n${H}\xc3\xa4: a\r\n\r\n`],
  "a blank before the colon": [400, `GET / HTTP/1.1\r\n${H}Content-Length : 5\r\n\r\nhello`],
  "a tab before the colon": [400, `GET / HTTP/1.1\r\n${H}X\t: 5\r\n\r\n`],
  "a field without a colon": [400, `GET / HTTP/1.1\r\n${H}X\r\n\r\n`],
  "a field without a name": [400, `GET / HTTP/1.1\r\n${H}: x\r\n\r\n`],
  "no Host in 1.1": [400, "GET / HTTP/1.1\r\n\r\n"],
  "two Hosts": [400, `GET / HTTP/1.1\r\n${H}Host: b\r\n\r\n`],
  "two equal Hosts": [400, `GET / HTTP/1.1\r\n${H}${H}\r\n`],
  "a Host with a path": [400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  "a Host with a user": [400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"],
  "a Host with a blank": [400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
  "a Host with a comma list": [400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"],
  "a Host with a wrong port": [400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"],
  "a Host of an open bracket": [400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"],
  "a port without a host": [400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"],
  "HTTP/1.10": [400, `GET / HTTP/1.10\r\n${H}\r\n`],
  "HTTP/01.1": [400, `GET / HTTP/01.1\r\n${H}\r\n`],
  "HTTP/1.": [400, `GET / HTTP/1.\r\n${H}\r\n`],
  "http/1.1": [400, `GET / http/1.1\r\n${H}\r\n`],
  "HTTP/2.0": [505, `GET / HTTP/2.0\r\n${H}\r\n`],
  "HTTP/0.9 of another method": [400, "POST /\r\n"],
  "a method with a small letter, at once": [400, "Ge"],
  "a target of none of the four forms, at once": [400, "GET x "],
  "a blank behind the version": [400, `GET / HTTP/1.1 \r\n${H}\r\n`],
  "two blanks in the request line": [400, `GET  / HTTP/1.1\r\n${H}\r\n`],
  "a tab in the request line": [400, `GET\t/ HTTP/1.1\r\n${H}\r\n`],
  "a blank in the target": [400, `GET /a b HTTP/1.1\r\n${H}\r\n`],
  "a blank before the method": [400, ` GET / HTTP/1.1\r\n${H}\r\n`],
  "a method of other bytes": [400, `G@T / HTTP/1.1\r\n${H}\r\n`],
  "a TLS hello": [400, "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"],
  "a target that is no path": [400, `GET foo HTTP/1.1\r\n${H}\r\n`],
  "* for GET": [400, `GET * HTTP/1.1\r\n${H}\r\n`],
  "a path above the root": [400, `GET /../x HTTP/1.1\r\n${H}\r\n`],
  "an escaped path above the root": [400, `GET /a/%2e%2e/%2E%2e/x HTTP/1.1\r\n${H}\r\n`],
  "a broken escape": [400, `GET /%zz HTTP/1.1\r\n${H}\r\n`],
  "an escaped NUL": [400, `GET /%00 HTTP/1.1\r\n${H}\r\n`],
  "an escape at the end": [400, `GET /% HTTP/1.1\r\n${H}\r\n`],
  "absolute-form without a host": [400, `GET http:///x HTTP/1.1\r\n${H}\r\n`],
  "absolute-form with a user": [400, `GET http://u@b/x HTTP/1.1\r\n${H}\r\n`],
  "another scheme": [400, `GET ftp://a/x HTTP/1.1\r\n${H}\r\n`],
  "no hexadecimal digits in an IPvFuture": [400, "GET / HTTP/1.1\r\nHost: [v.a]\r\n\r\n"],
  "an IP literal with two dots": [400, `GET http://[ab..cd::1]/ HTTP/1.1\r\n${H}\r\n`],
  ...Object.fromEntries(
    "If-Modified-Since If-Unmodified-Since If-Match If-None-Match If-Range Content-Range Expect Authorization"
      .split(" ")
      .map((name) => [`two fields ${name}`, [400, `GET / HTTP/1.1\r\n${H}${name}: a\r\n${name}: b\r\n\r\n`]]),
  ),
  TRACE: [405, `TRACE / HTTP/1.1\r\n${H}\r\n`],
  CONNECT: [405, `CONNECT a:80 HTTP/1.1\r\n${H}\r\n`],
  "both lengths": [400, `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  "both lengths, the other order": [
    400,
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ],
  "two Content-Lengths": [400, `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  "two equal Content-Lengths": [400, `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  "a Content-Length list": [400, `POST / HTTP/1.1\r\n${H}Content-Length: 5, 5\r\n\r\nhello`],
  "a signed Content-Length": [400, `POST / HTTP/1.1\r\n${H}Content-Length: +5\r\n\r\nhello`],
  "a negative Content-Length": [400, `POST / HTTP/1.1\r\n${H}Content-Length: -5\r\n\r\nhello`],
  "a hexadecimal Content-Length": [400, `POST / HTTP/1.1\r\n${H}Content-Length: 0x5\r\n\r\nhello`],
  "an empty Content-Length": [400, `POST / HTTP/1.1\r\n${H}Content-Length: \r\n\r\nhello`],
  "a Content-Length past 64 bits": [400, `POST / HTTP/1.1\r\n${H}Content-Length: 18446744073709551621\r\n\r\nhello`],
  "Transfer-Encoding in 1.0": [400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  "two Transfer-Encodings": [
    400,
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  "chunked, chunked": [501, `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
  "chunked, identity": [501, `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  "two unknown Transfer-Encodings": [
    400,
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: foo\r\nTransfer-Encoding: bar\r\n\r\n`,
  ],
  "gzip, chunked": [501, `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  identity: [501, `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity\r\n\r\n`],
  xchunked: [501, `POST / HTTP/1.1\r\n${H}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  "chunked behind a vertical tab": [
    [400, 501],
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  ],
  "an empty chunk size": [400, chunked("\r\nhello\r\n0\r\n\r\n")],
  "a chunk size with 0x": [400, chunked("0x5\r\nhello\r\n0\r\n\r\n")],
  "a signed chunk size": [400, chunked("+5\r\nhello\r\n0\r\n\r\n")],
  "a blank before a chunk size": [400, chunked(" 5\r\nhello\r\n0\r\n\r\n")],
  "a chunk size past 64 bits": [400, chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")],
  "a lone LF behind a chunk size": [400, chunked("5\nhello\r\n0\r\n\r\n")],
  "a lone LF behind chunk data": [400, chunked("5\r\nhello\n0\r\n\r\n")],
  "a lone LF behind the last chunk": [400, chunked("5\r\nhello\r\n0\n\r\n")],
  "a lone LF at the end": [400, chunked("5\r\nhello\r\n0\r\n\n")],
  "a lone LF in an extension": [400, chunked("5;a\nb\r\nhello\r\n0\r\n\r\n")],
  "a bare CR in an extension": [400, chunked("5;a\rb\r\nhello\r\n0\r\n\r\n")],
  "chunk data longer than said": [400, chunked("3\r\nhello\r\n0\r\n\r\n")],
  "the same of a body that nobody reads": [
    400,
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n`,
  ],
  "a trailer without a colon": [400, chunked("0\r\nfoo\r\n\r\n")],
  "a folded trailer": [400, chunked("0\r\nX: a\r\n b\r\n\r\n")],
  "extensions past 16 KiB": [[400, 413], chunked(`5;${"x".repeat(17000)}\r\nhello\r\n0\r\n\r\n`)],
  "trailers past 16 KiB": [[400, 413], chunked(`0\r\nX: ${"x".repeat(17000)}\r\n\r\n`)],
};

for (const [title, [status, bytes]] of Object.entries(refused))
  test(`refused: ${title}`, async (t) => {
    const s = await startServer(t, { server });
    const wire = openWire(t, s).send(bytes + next);
    const answer = await wire.response();
    t.true([status].flat().includes(answer.status), `${answer.status} ${answer.body}`);
    t.deepEqual(answer.headers.connection, ["close"]);
    await wire.closed();
    t.is(wire.text, "");
  });

const taken = {
  "a tab as optional whitespace": [`GET /1 HTTP/1.1\r\nHost:\ta\t\r\nX:\t y \t\r\n\r\n`, "/1"],
  "no whitespace": [`GET /1 HTTP/1.1\r\nHost:a\r\nX:\r\n\r\n`, "/1"],
  "8-bit bytes in a value": [`GET /1 HTTP/1.1\r\n${H}X: \xe4\xff\r\n\r\n`, "/1"],
  "line feeds alone in a head": [`GET /1 HTTP/1.1\nHost: a\n\n`, "/1"],
  "an own method": [`FOO-BAR /1 HTTP/1.1\r\n${H}\r\n`, "/1"],
  "a fragment in the target": [`GET /1#x HTTP/1.1\r\n${H}\r\n`, "/1"],
  "an IPvFuture Host": [`GET /1 HTTP/1.1\r\nHost: [v1f.a!$&'()*+,;=-._~:]:80\r\n\r\n`, "/1"],
  "an IPv6 Host": [`GET /1 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n`, "/1"],
  "Content-Length: 0": [`GET /1 HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`, "/1"],
  "Content-Length with leading zeros": [`POST /body HTTP/1.1\r\n${H}Content-Length: 005\r\n\r\nhello`, "hello"],
  "Transfer-Encoding in capitals": [
    `POST /body HTTP/1.1\r\n${H}Transfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n`,
    "a",
  ],
  "a quoted extension and zeros": [chunked('0005;a="b;\\"c" ; d\r\nhello\r\n000\r\n\r\n'), "hello"],
  "capital hexadecimal digits": [chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789"],
  trailers: [chunked("1\r\na\r\n0\r\nX: y\r\nContent-Length: 3\r\n\r\n"), "a"],
};

for (const [title, [bytes, body]] of Object.entries(taken))
  test(`taken: ${title}`, async (t) => {
    const s = await startServer(t, { server });
    const wire = openWire(t, s).send(bytes + next);
    t.is((await wire.response()).body, body);
    t.is((await wire.response()).body, "/smuggled");
    t.false(wire.ended);
  });
