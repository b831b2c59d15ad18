// SPDX-License-Identifier: MIT
// Small HTTP/1.1 pieces over plain sockets: the text of a request, one exchange, and a reader that finds where each
// answer ends. Written apart from node's http client so that a benchmark sees bytes and moments, not a library.
import net from "node:net";

/// The bytes of a request: { method, path, headers, body }.
export function requestText({ method = "GET", path = "/", headers = {}, body = "" }) {
  const length = body ? { "Content-Length": Buffer.byteLength(body) } : {};
  const lines = Object.entries({ Host: "localhost", ...headers, ...length }).map(([k, v]) => `${k}: ${v}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/// Cuts the first whole answer off a latin1 text: { status, headers, body, size }, or nothing while it is incomplete.
export function parseAnswer(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first, ...lines] = text.slice(0, end).split("\r\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const status = Number(first.split(" ")[1]);
  const at = end + 4;
  if (status < 200 || status === 204 || status === 304) return { status, headers, body: "", size: at };
  if (headers["content-length"] !== undefined) {
    const size = at + Number(headers["content-length"]);
    return text.length < size ? undefined : { status, headers, body: text.slice(at, size), size };
  }
  if (!/chunked/i.test(headers["transfer-encoding"] ?? "")) return undefined; // ends with the connection
  let body = "";
  for (let p = at; ;) {
    const eol = text.indexOf("\r\n", p);
    if (eol < 0) return undefined;
    const size = parseInt(text.slice(p, eol), 16);
    if (size === 0) {
      const last = text.indexOf("\r\n", eol + 2);
      return last < 0 ? undefined : { status, headers, body, size: last + 2 };
    }
    if (text.length < eol + 2 + size + 2) return undefined;
    body += text.slice(eol + 2, eol + 2 + size);
    p = eol + 2 + size + 2;
  }
}

/// Sends bytes on a new connection and resolves to the first `count` answers.
export function exchange(port, bytes, { count = 1, timeout = 5000 } = {}) {
  return new Promise((done, fail) => {
    const answers = [];
    let text = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setTimeout(timeout, () => socket.destroy(new Error(`no answer within ${timeout} ms`)));
    socket.on("error", fail);
    socket.on("close", () => fail(new Error(`closed after ${answers.length} of ${count} answers`)));
    socket.on("data", (data) => {
      text += data.toString("latin1");
      for (let a = parseAnswer(text); a; a = parseAnswer(text)) {
        answers.push(a);
        text = text.slice(a.size);
      }
      if (answers.length >= count) {
        done(answers);
        socket.destroy();
      }
    });
  });
}

/// Checks that a contender answers a scenario as it should, alone and pipelined; throws with what was wrong.
export async function verify(port, scenario) {
  const count = Math.max(2, scenario.pipeline);
  const answers = await exchange(port, requestText(scenario.request).repeat(count), { count });
  for (const { status, headers, body } of answers) {
    if (status !== 200) throw new Error(`answered ${status} instead of 200: ${body.slice(0, 200)}`);
    const { body: wanted, headers: names = {} } = scenario.expect;
    const same = wanted instanceof RegExp ? wanted.test(body) : wanted === body;
    if (!same) throw new Error(`wrong body ${JSON.stringify(body.slice(0, 200))}`);
    for (const [name, value] of Object.entries(names)) {
      if (headers[name] !== value) throw new Error(`header ${name} is ${headers[name]}, not ${value}`);
    }
  }
}
