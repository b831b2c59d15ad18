// SPDX-License-Identifier: MIT
// What the fuzzed server talks to: an HTTP origin and a memcached that do what the request's argument `o`, or the key, tells
// them, most of it wrong.
import { createServer } from "node:net";
import { gzipSync } from "node:zlib";

/** The whole body of the origin's answers of that kind; a client that gets another one with status 200 was lied to. */
export const originBody = (kind) => `<${kind}>`.repeat(kind.startsWith("big") ? 40_000 : 40);

const chunked = (text, size = 97) =>
  `${(text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []).map((p) => `${p.length.toString(16)}\r\n${p}\r\n`).join("")}0\r\n`;

/** An answer with `x-origin-id`, which is the id of the request that the origin has answered. */
function head(line, id, ...fields) {
  return `HTTP/1.1 ${line}\r\n${[...fields, `X-Origin-Id: ${id}`, "Content-Type: text/html"].join("\r\n")}\r\n\r\n`;
}

const length = (kind) => `Content-Length: ${originBody(kind).length}`;
const half = (text) => text.slice(0, text.length >> 1);
const later = (socket, ms, then) => setTimeout(() => !socket.destroyed && then(), ms);

/** Kind to what the origin does with socket and id once the request's head has come; `whole`: its body has, too. */
const whole = {
  ok: (s, id) => s.write(head("200 OK", id, length("ok")) + originBody("ok")),
  big: (s, id) => s.write(head("200 OK", id, length("big")) + originBody("big")),
  chunks: (s, id) => s.write(`${head("200 OK", id, "Transfer-Encoding: chunked") + chunked(originBody("chunks"))}\r\n`),
  bigchunks: (s, id) =>
    s.write(
      `${head("200 OK", id, "Transfer-Encoding: chunked") + chunked(originBody("bigchunks"), 30_000)}X-T: t\r\n\r\n`,
    ),
  close: (s, id) => s.end(head("200 OK", id, "Connection: close") + originBody("close")),
  old: (s, id) => s.end(head("200 OK", id).replace("1.1", "1.0") + originBody("old")),
  none: (s, id) => s.write(head("204 No Content", id)),
  same: (s, id) => s.write(head("304 Not Modified", id, length("same"))),
  fresh: (s, id) => s.write(head("200 OK", id, length("fresh"), "Cache-Control: max-age=1") + originBody("fresh")),
  slow: (s, id) => {
    const text = head("200 OK", id, length("slow")) + originBody("slow");
    for (let at = 0, ms = 0; at < text.length; at += 60, ms += 3) later(s, ms, () => s.write(text.slice(at, at + 60)));
  },
  late: (s, id) => later(s, 60, () => whole.ok(s, id)),
  hints: (s, id) => {
    s.write(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n`);
    later(s, 2, () => whole.hinted(s, id));
  },
  hinted: (s, id) => s.write(head("200 OK", id, length("hints")) + originBody("hints")),
  gzip: (s, id) => {
    const body = gzipSync(originBody("gzip"));
    s.write(head("200 OK", id, "Content-Encoding: gzip", `Content-Length: ${body.length}`));
    s.write(body);
  },
  away: (s, id) => s.write(head("302 Found", id, "Location: http://up/there", "Content-Length: 0")),
  inside: (s, id) => s.write(head("200 OK", id, "X-Accel-Redirect: /return?inside", "Content-Length: 4") + "gone"),
  lost: (s, id) => s.write(head("404 Not Found", id, "Content-Length: 4") + "lost"),
  ssi: (s, id) =>
    s.end(`${head("200 OK", id)}[<!--#include virtual="/p-buf?o=ok" --><!--#include virtual="/sleep" -->]`),
};
const early = {
  early: (s, id) => whole.ok(s, id),
  earlyclose: (s, id) => s.end(head("413 No", id, "Content-Length: 2", "Connection: close") + "no"),
  earlyreset: (s, id) => {
    s.write(head("200 OK", id, length("ok")) + originBody("ok"));
    later(s, 2, () => s.resetAndDestroy());
  },
  cont: (s, id) => {
    s.write("HTTP/1.1 100 Continue\r\n\r\n");
    later(s, 5, () => s.write(head("200 OK", id, length("cont")) + originBody("cont")));
  },
};
const broken = {
  nothing: (s) => s.end(),
  reset: (s) => s.resetAndDestroy(),
  never: () => {},
  halfhead: (s, id) => s.end(half(head("200 OK", id, "A: b"))),
  junk: (s) => s.end("what is this\r\n\r\n"),
  badline: (s, id) => s.end(head("20x", id)),
  badfield: (s, id) => s.end(head("200 OK", id, "no colon here", "Content-Length: 0")),
  badlength: (s, id) => s.end(head("200 OK", id, "Content-Length: -5") + "hello"),
  twolengths: (s, id) => s.end(head("200 OK", id, "Content-Length: 5", "Content-Length: 6") + "hello!"),
  longhead: (s, id) => s.end(head("200 OK", id, `A: ${"a".repeat(40_000)}`, "Content-Length: 0")),
};
const cut = {
  halfbody: (s, id) => s.end(head("200 OK", id, length("halfbody")) + half(originBody("halfbody"))),
  bighalf: (s, id) => s.end(head("200 OK", id, length("bighalf")) + half(originBody("bighalf"))),
  resetbody: (s, id) => {
    s.write(head("200 OK", id, length("resetbody")) + half(originBody("resetbody")));
    later(s, 3, () => s.resetAndDestroy());
  },
  stuck: (s, id) => s.write(head("200 OK", id, length("stuck")) + half(originBody("stuck"))),
  halfchunk: (s, id) =>
    s.end(head("200 OK", id, "Transfer-Encoding: chunked") + half(chunked(originBody("halfchunk")))),
  badchunk: (s, id) => s.end(`${head("200 OK", id, "Transfer-Encoding: chunked")}5\r\nhello\r\nzz\r\nhello\r\n`),
  more: (s, id) => s.write(`${head("200 OK", id, length("more"))}${originBody("more")}and more`),
  badgzip: (s, id) => {
    const body = gzipSync(originBody("badgzip")).subarray(0, -12);
    s.write(head("200 OK", id, "Content-Encoding: gzip", `Content-Length: ${body.length}`));
    s.write(body);
  },
};
/** The kinds after which the client's response may be broken off. */
export const cutKinds = [...Object.keys(cut), "earlyreset", "ssi"];
/** All kinds of answers. */
export const originKinds = [whole, early, broken, cut].flatMap((m) => Object.keys(m)).filter((k) => k !== "hinted");

/** Where the body that begins at `at` ends, or -1 while it is not whole. */
function bodyEnd(text, at, fields) {
  const size = /\r\ncontent-length: *(\d+)/i.exec(fields);
  if (size) return text.length >= at + Number(size[1]) ? at + Number(size[1]) : -1;
  if (!/\r\ntransfer-encoding: *chunked/i.test(fields)) return at;
  for (;;) {
    const eol = text.indexOf("\r\n", at);
    if (eol < 0) return -1;
    const n = parseInt(text.slice(at, eol), 16);
    if (n === 0) return text.indexOf("\r\n\r\n", eol) < 0 ? -1 : text.indexOf("\r\n\r\n", eol) + 4;
    at = eol + 2 + n + 2;
    if (at > text.length) return -1;
  }
}

/** One connection of the origin: requests are answered in order, each in its own way. */
function serveHttp(socket) {
  let text = "";
  let isTunnel = false;
  let answered; // the head of an early answer whose body is still coming
  const answer = (fields, after) => {
    const kind = /[?&]o=(\w+)/.exec(fields)?.[1] ?? "ok";
    const id = /\r\nx-id: *(\S+)/i.exec(fields)?.[1] ?? "-";
    if (/\r\nupgrade: /i.test(fields) && kind === "ok") {
      isTunnel = true;
      socket.write(`HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: upgrade\r\nX-Origin-Id: ${id}\r\n\r\n`);
      socket.write(after);
    } else if (fields.startsWith("HEAD ") && (whole[kind] || early[kind]))
      socket.write(head("200 OK", id, length("ok")));
    else (whole[kind] ?? early[kind] ?? broken[kind] ?? cut[kind] ?? whole.ok)(socket, id);
  };
  const read = () => {
    while (!socket.destroyed && !isTunnel) {
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const fields = text.slice(0, end);
      if (!answered && early[/[?&]o=(\w+)/.exec(fields)?.[1]]) answer((answered = fields), "");
      const after = bodyEnd(text, end + 4, fields);
      if (after < 0) return;
      if (!answered) answer(fields, text.slice(after));
      answered = undefined;
      text = text.slice(after);
    }
  };
  socket.on("data", (part) => {
    if (isTunnel) return socket.write(part);
    text += part.toString("latin1");
    read();
  });
}

/** A memcached whose keys say how it answers. */
function serveMemcached(socket) {
  let text = "";
  socket.on("data", (part) => {
    text += part.toString("latin1");
    for (let end; (end = text.indexOf("\r\n")) >= 0 && !socket.destroyed;) {
      const [command, key = "", , , bytes] = text.slice(0, end).split(" ");
      if (command === "set" || command === "add") {
        const after = end + 2 + Number(bytes) + 2;
        if (text.length < after) return;
        text = text.slice(after);
        socket.write(key.includes("bad") ? "SERVER_ERROR out of it\r\n" : "STORED\r\n");
        continue;
      }
      text = text.slice(end + 2);
      const value = originBody("ok");
      if (command !== "get") socket.write("DELETED\r\n");
      else if (key.includes("none")) socket.write("END\r\n");
      else if (key.includes("halfbody")) socket.end(`VALUE ${key} 0 ${value.length}\r\n${half(value)}`);
      else if (key.includes("halfhead")) socket.end("VALUE ");
      else if (key.includes("badline")) socket.write("VALUE x\r\n\r\n");
      else if (key.includes("never")) continue;
      else if (key.includes("reset")) socket.resetAndDestroy();
      else socket.write(`VALUE ${key} 0 ${value.length}\r\n${value}\r\nEND\r\n`);
    }
  });
}

/** Listens on a port of the system's choice. */
function listening(serve) {
  const sockets = new Set();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.setNoDelay();
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    serve(socket);
  });
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", () => {
      const drop = () => sockets.forEach((s) => s.destroy());
      done({ port: server.address().port, drop, stop: () => (drop(), server.close()) });
    });
  });
}

/** Starts both: { http, memcached }, each with its port, drop(), which ends its connections, and stop(). */
export async function startOrigins() {
  return { http: await listening(serveHttp), memcached: await listening(serveMemcached) };
}
