// SPDX-License-Identifier: MIT
// What one client of the fuzzed server does: a list of requests, their bytes, and when these are sent, cut, or spoiled. A
// scenario depends on the seed and its number alone.
import { Random } from "../random.mjs";
import { listeners } from "./conf.mjs";
import { locations } from "./locations.mjs";

/** Those that answer whatever comes, unless their origin does not. */
const isSteady = (name) => !locations[name].cut || typeof locations[name].cut === "function";

/** Whether the response to that request may be broken off or missing. */
export function mayCut(q) {
  const { cut } = locations[q.name];
  return typeof cut === "function" ? cut(q) : cut === true;
}

/** Ends: the answers are waited for; FIN, RST or both directions at once after the last byte; silence until the server goes. */
const ends = ["wait", "wait", "wait", "fin", "fin", "rst", "close", "silent"];

const sizes = [0, 1, 10, 300, 1024, 4096, 8191, 8192, 8193, 20_000, 100_000];

/** A body in chunks, with an extension or a trailer at times. */
function chunked(r, body) {
  let text = "";
  for (let at = 0; at < body.length;) {
    const n = Math.min(body.length - at, 1 + r.below(r.pick([3, 100, 5000, 100_000])));
    const size = r.once(8) ? n.toString(16).toUpperCase().padStart(6, "0") : n.toString(16);
    text += `${size}${r.once(20) ? ";a=b" : ""}\r\n${body.slice(at, at + n)}\r\n`;
    at += n;
    if (text.length > 300_000) return undefined;
  }
  return `${text}0\r\n${r.once(6) ? "X-Trailer: t\r\n" : ""}\r\n`;
}

function fieldsOf(r, location) {
  const out = [];
  for (const name of location.fields ?? []) {
    if (r.once(2)) continue;
    if (name === "Range") out.push(`Range: bytes=${r.pick(["0-0", "-7", "3-900", "0-1,5-9", "999999999-", "100-"])}`);
    else if (name === "Accept-Encoding") out.push("Accept-Encoding: gzip");
    else out.push(`${name}: ${r.pick(["*", '"abc"'])}`);
  }
  if (location.upgrade && !r.once(3)) out.push("Upgrade: echo", "Connection: upgrade");
  if (r.once(10)) out.push(`X-Long: ${"l".repeat(r.pick([100, 600, 3000, 3900]))}`);
  if (r.once(12))
    out.push(
      r.pick([
        "X-Empty:",
        "x-odd!#$%&'*+.^_`|~:  spaces  ",
        "Cookie: a=b; c",
        "Authorization: Basic dXNlcjpzZWNyZXQ=",
        "Authorization: junk",
      ]),
    );
  return out;
}

/** One well-formed request: { id, name, uri, method, body, bytes, isLast }. */
function request(r, id, name) {
  const location = locations[name];
  const hasBody = r.below(10) < (location.body ? 7 : 1);
  const method = location.method ?? (hasBody ? r.pick(["POST", "POST", "PUT"]) : r.pick(["GET", "GET", "GET", "HEAD"]));
  const uri = `/${name}${location.query ? location.query(r) : r.once(10) ? "?a=b" : ""}`;
  const isOld = r.once(25);
  const fields = [`Host: a`, `X-Id: ${id}`, ...fieldsOf(r, location)];
  const size = hasBody ? (r.once(3) ? r.pick(sizes) : r.below(600)) : 0;
  let body = hasBody ? `(${id})`.repeat(Math.ceil(size / (id.length + 2))).slice(0, size) : "";
  let sent = body;
  const inChunks = hasBody && !isOld && r.once(3) ? chunked(r, body) : undefined;
  if (inChunks !== undefined) {
    fields.push("Transfer-Encoding: chunked");
    sent = inChunks;
  } else if (hasBody) fields.push(`Content-Length: ${body.length}`);
  if (hasBody && !isOld && r.once(8)) fields.push("Expect: 100-continue");
  const closes = r.once(15);
  if (closes && !location.upgrade) fields.push("Connection: close");
  else if (isOld && r.once(2)) fields.push("Connection: keep-alive");
  const head = `${r.once(20) ? "\r\n" : ""}${method} ${uri} HTTP/1.${isOld ? 0 : 1}\r\n${fields.join("\r\n")}\r\n\r\n`;
  const isLast = location.last || closes || (isOld && !/keep-alive/.test(head)) || /\r\nUpgrade:/.test(head);
  return { id, name, uri, method, body, bytes: head + sent, isLast };
}

const spoils = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  "0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 99999999999999999999\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip\r\n",
  "Connection: close\r\n",
  "Expect: 100-continue\r\n",
  "Range: bytes=5-\r\n",
  "HTTP/1.1",
  "HTTP/9.9",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /\r\n",
  "\x80\xff",
  "%00",
  "../",
  "a".repeat(5000),
  "A: b\r\n".repeat(200),
  "Host:\r\n",
  "Upgrade: h2c\r\n",
];

/** Spoils some of the bytes. */
function spoiled(r, bytes) {
  for (let n = 1 + r.below(4); n > 0; n--) {
    const at = r.once(2)
      ? r.below(bytes.length + 1)
      : Math.max(0, bytes.indexOf("\r\n", r.below(bytes.length + 1)) + 2);
    const end = Math.min(bytes.length, at + r.below(r.pick([1, 2, 60])));
    bytes =
      bytes.slice(0, at) +
      r.pick(["", r.pick(spoils), r.pick(spoils), bytes.slice(at, end).repeat(2)]) +
      bytes.slice(end);
  }
  return bytes;
}

/** The bytes in pieces: a list of texts and of pauses in ms. */
function pieces(r, bytes) {
  const steps = [];
  const most = r.pick([bytes.length, bytes.length, 5000, 200, 30]);
  for (let at = 0; at < bytes.length;) {
    const n = steps.length > 60 ? bytes.length : 1 + r.below(most + 1);
    steps.push(bytes.slice(at, at + n));
    at += n;
    if (at < bytes.length && !r.once(3)) steps.push(r.pick([0, 0, 1, 3, 10, 30]));
  }
  return steps;
}

const proxyHeads = [
  "PROXY TCP4 10.1.2.3 10.4.5.6 1234 80\r\n",
  "PROXY UNKNOWN\r\n",
  "PROXY TCP6 ::1 ::2 1 2\r\n",
  "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x01\x02\x03\x0a\x04\x05\x06\x04\xd2\0\x50",
  "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
];

/**
 * { number, listener, requests, steps, end, reading, isWhole }. `reading`: how the client takes answers, "all" as they come, "slow",
 * "late" once all is sent, "never". `delay`: ms between the
 * last byte and the end. `isWhole`: all requests are sent unspoiled on a connection that is not cut, and have to be
 * answered. `only`: names of the locations that are asked.
 */
export function scenario(seed, number, only) {
  const r = Random.of(seed, number);
  const listener = r.pick([...listeners.slice(0, only ? 3 : 4), "plain", "plain", "quick"]);
  if (listener === "stream") return streamScenario(r, number);
  const requests = [];
  let sendsOn = false; // after a request that ends the connection: a reset may take its answer away
  const names = only ?? Object.keys(locations);
  const choice = only || r.once(2) ? names : names.filter(isSteady);
  for (let n = 1 + r.below(r.pick([1, 3, 8])), i = 0; i < n; i++) {
    requests.push(request(r, `${number}.${i}`, r.pick(choice)));
    if (!requests[i].isLast) continue;
    if (i + 1 < n && r.once(4)) sendsOn = true;
    else break;
  }
  let bytes = requests.map((q) => q.bytes).join("");
  const end = r.pick(ends);
  const isSpoiled = r.once(4);
  const isCut = r.once(end === "wait" ? 12 : 2);
  if (isSpoiled) bytes = spoiled(r, bytes);
  if (listener === "proxied") {
    const head = r.pick(proxyHeads);
    bytes = (isSpoiled && r.once(3) ? spoiled(r, head) : head) + bytes;
  }
  if (isCut) bytes = bytes.slice(0, r.below(bytes.length));
  const reading = r.pick(["all", "all", "slow", "late", end === "wait" ? "all" : "never"]);
  const isWhole = !isSpoiled && !isCut && !sendsOn && end === "wait" && listener !== "quick";
  return {
    number,
    listener,
    requests,
    steps: pieces(r, bytes),
    end: !isWhole && end === "wait" ? "fin" : end,
    reading,
    delay: r.pick([0, 0, 1, 2, 4, 8, 20, 50]),
    isWhole,
    isSpoiled,
  };
}

function streamScenario(r, number) {
  const lines = ["hello", "flush", "sleep", "much", "until", "any", "fail", "quit", "a needle", "l".repeat(9000)];
  let bytes = "";
  for (let n = r.below(12); n > 0; n--) bytes += `${r.pick(lines)}\n`;
  const reading = r.pick(["all", "slow", "late", "never"]);
  const end = r.pick(["fin", "rst", "close", "silent"]);
  return {
    number,
    listener: "stream",
    requests: [],
    steps: pieces(r, bytes),
    end,
    reading,
    delay: r.below(20),
    isWhole: false,
  };
}
