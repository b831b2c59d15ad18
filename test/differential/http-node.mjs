// SPDX-License-Identifier: MIT
// Node's strict http server as an oracle of the HTTP/1 parser: the cases of cases/http.mjs raw over a socket to it, and to
// parser_dump, which says what our parser and chunked decoder understood; then to the running server, which must answer as
// the dump says. Exit code 0: all is as the list has it.
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startMoonwire } from "../helpers/index.js";
import { cases } from "./cases/http.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** What node understood of one connection: { messages, end }. */
class Oracle {
  async start() {
    this.server = createServer({ insecureHTTPParser: false, keepAlive: true }, (req, res) => this.request(req, res));
    this.server.on("clientError", (e, socket) => {
      // Bytes behind the last message of a connection are no message's fault.
      const ends = { HPE_INVALID_EOF_STATE: "incomplete", HPE_CLOSED_CONNECTION: "end" };
      this.end ??= ends[e.code] ?? e.code ?? "error";
      socket.destroy();
    });
    await new Promise((listening) => this.server.listen(0, "127.0.0.1", listening));
    this.port = this.server.address().port;
  }

  request(req, res) {
    let body = "";
    req.on("data", (part) => (body += part.toString("latin1")));
    req.on("end", () => {
      const { method, url, rawHeaders } = req;
      this.messages.push({ method, url, minor: req.httpVersionMinor, body, headers: rawHeaders });
      res.end("ok");
    });
  }

  async read(bytes) {
    this.messages = [];
    this.end = undefined;
    const text = await talk(this.port, bytes);
    // Without Host, or with an unknown expectation, node answers by itself.
    const own = /HTTP\/1\.1 (4\d\d|501)/.exec(text);
    return { messages: this.messages, end: this.end ?? (own ? own[1] : "end") };
  }
}

/** Sends bytes, shuts our direction, and returns all that comes back. */
function talk(port, bytes) {
  return new Promise((done) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.setTimeout(5000, () => socket.destroy());
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => done(text));
    socket.end(bytes, "latin1");
  });
}

/** What parser_dump says of every case. */
function dumps() {
  const input = cases.map(([, bytes]) => `${bytes.length}\n${bytes}`).join("");
  const dump = process.env.MOONWIRE_PARSER_DUMP ?? join(root, "build/Release/parser_dump");
  const r = spawnSync(dump, { input: Buffer.from(input, "latin1"), encoding: "utf8" });
  if (r.status !== 0) throw new Error(`${dump}: ${r.error?.message ?? r.stderr}`);
  return r.stdout
    .trimEnd()
    .split("\n")
    .map((l) => JSON.parse(l));
}

/** Both ends by one scale: a message that is refused, one that is not whole, or a good end. */
function comparable({ messages, end }) {
  const kind = end === "incomplete" ? end : end === "end" || end === "close" ? "end" : "refused";
  return JSON.stringify({ messages, end: kind });
}

/** The statuses that the running server answers with, in order; no body of ours holds a status line. */
async function answers(port, bytes) {
  const text = await talk(port, bytes);
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((m) => m[1]).join(" ");
}

/** What those statuses must be: 200 for each message, and that of the refusal. 494 is 400 to the client. */
function expectedAnswers({ messages, end }) {
  const statuses = messages.map(({ url }) => (/^\/%00/.test(url) ? 400 : 200));
  if (Number.isInteger(end)) statuses.push(end === 494 ? 400 : end);
  return statuses.join(" ");
}

let agreed = 0;
let failed = 0;
function report(title, text) {
  failed++;
  console.log(`${title}:\n${text}`);
}

const oracle = new Oracle();
await oracle.start();
const server = await startMoonwire({
  server: `location / { content_by_lua_block { ngx.req.read_body() ngx.print("ok") } }`,
  http: "client_header_timeout 2s;",
});
const ours = dumps();
if (ours.length !== cases.length) report("parser_dump", `${ours.length} answers to ${cases.length} cases`);
for (const [i, [title, bytes, difference]] of cases.entries()) {
  const theirs = await oracle.read(bytes);
  const differs = comparable(theirs) !== comparable(ours[i]);
  const statuses = await answers(server.port, bytes);
  const expected = expectedAnswers(ours[i]);
  if (differs !== (difference !== undefined))
    report(
      title,
      `  node: ${JSON.stringify(theirs)}\n  ours: ${JSON.stringify(ours[i])}${differs ? "" : `\n  expected to differ: ${difference}`}`,
    );
  else if (statuses !== expected) report(title, `  the server answered ${statuses}, expected ${expected}`);
  else agreed++;
}
await server.stop();
oracle.server.close();
console.log(`http-node: ${agreed} as expected, ${failed} not`);
process.exit(failed === 0 ? 0 : 1);
