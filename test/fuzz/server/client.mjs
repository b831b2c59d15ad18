// SPDX-License-Identifier: MIT
// Plays one scenario against the server and says what was wrong with what came back.
import { connect } from "node:net";
import { takeResponse } from "../../helpers/response.js";
import { locations } from "./locations.mjs";
import { mayCut } from "./scenario.mjs";

const sleep = (ms) => new Promise((next) => setTimeout(next, ms));
/** How long the server may take for anything, on a loaded machine under a sanitizer. */
const patience = 30_000;

class Client {
  constructor(port, s) {
    this.scenario = s;
    this.text = "";
    this.answers = [];
    this.asked = 0;
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.setNoDelay();
    this.over = new Promise((done) => {
      this.socket.on("end", () => ((this.isEnded = true), done()));
      this.socket.on("error", (e) => ((this.error = e.code), done()));
      this.socket.on("close", () => done());
    });
    this.over.then(() => (this.isOver = true));
    if (s.reading === "all" || s.reading === "slow") this.read();
    else this.socket.pause();
  }

  /** Takes what comes; slowly, with a pause after each piece. */
  read() {
    if (this.isReading || this.socket.destroyed) return;
    this.isReading = true;
    this.socket.on("data", (part) => {
      this.text += part.toString("latin1");
      if (this.scenario.reading === "slow" && (this.pauses = (this.pauses ?? 0) + 1) < 30) {
        this.socket.pause();
        setTimeout(() => this.socket.resume(), 3);
      }
      this.news?.();
    });
    this.socket.resume();
  }

  async send() {
    for (const step of this.scenario.steps) {
      if (this.isOver || this.socket.destroyed) return;
      if (typeof step === "number") await sleep(step);
      else this.socket.write(step, "latin1");
    }
  }

  /** Waits for the next piece of data, or the end; false when neither comes. */
  more() {
    return new Promise((done) => {
      const clock = setTimeout(() => done(false), patience);
      const go = () => (clearTimeout(clock), done(true));
      this.news = go;
      this.over.then(go);
    });
  }

  /** The next answer, without those to Expect; undefined when the stream ends before it is whole. */
  async answer(request) {
    for (;;) {
      const a = takeResponse(this.text, { head: request.method === "HEAD", ended: this.isOver });
      if (a) this.text = this.text.slice(a.size);
      if (a?.status === 100) continue;
      if (a) return a;
      if (this.isOver) return undefined;
      if (!(await this.more())) throw new Error(`no answer to ${request.id} ${request.method} ${request.uri}`);
    }
  }

  /** The server's end of the connection has to come. */
  async closed() {
    const isClosed = await Promise.race([this.over.then(() => true), sleep(patience).then(() => false)]);
    if (!isClosed) throw new Error("the connection is not closed");
  }
}

/** All requests have to be answered, one after the other, each as its location does. */
async function checkWhole(client, requests) {
  let isClosing = false;
  for (const q of requests) {
    const location = locations[q.name];
    const about = `${q.id} ${q.method} ${q.uri}`;
    const a = await client.answer(q);
    if (isClosing && !a && client.text === "") return;
    if (isClosing) throw new Error(`more came after an answer with Connection: close: ${about}`);
    if (!a) {
      // one before it may have ended the connection; who does it with a reset takes answers away that are not read yet
      const isEnded = requests.slice(0, requests.indexOf(q) + 1).some(mayCut);
      if (isEnded || (client.error && requests.some(mayCut))) return;
      throw new Error(
        `no whole answer to ${about}: ${client.error ?? "end"} after ${JSON.stringify(client.text.slice(0, 300))}`,
      );
    }
    const id = a.headers["x-id"]?.[0];
    if (id !== q.id && q.name !== "raw")
      throw new Error(`the answer to ${about} has the id ${id}: ${JSON.stringify(a).slice(0, 600)}`);
    if (a.status === 500 && !location.failing && !mayCut(q)) throw new Error(`${about}: 500`);
    if (a.status === 101) return;
    const wrong = q.method === "HEAD" ? undefined : location.check?.(a, q);
    if (wrong) throw new Error(`${about}: status ${a.status}, ${wrong}`);
    isClosing = /close/i.test(a.headers.connection?.join() ?? "");
    if (!isClosing && !a.headers["content-length"] && !a.headers["transfer-encoding"] && a.body !== "") return;
  }
  if (client.text !== "" && requests.at(-1).name !== "raw")
    throw new Error(`more than the answers came: ${JSON.stringify(client.text.slice(0, 300))}`);
}

/** What came of answers is in the order of the requests. */
function checkOrder(client, requests) {
  let next = 0;
  for (;;) {
    const head = /^HTTP\/1\.1 [^]*?\r\n\r\n/.exec(client.text)?.[0];
    const id = head && /\r\nX-Id: (.*)\r\n/.exec(head)?.[1];
    const at = requests.findIndex((q) => q.id === id);
    if (!head || at < 0) return;
    if (at < next) throw new Error(`an answer to ${id} after one to ${requests[next - 1].id}`);
    next = at + 1;
    let a;
    try {
      a = takeResponse(client.text, { head: requests[at].method === "HEAD" });
    } catch (e) {
      if (mayCut(requests[at])) return;
      throw e;
    }
    if (!a) return;
    client.text = client.text.slice(a.size);
  }
}

/** Plays it to its end; throws what was wrong. */
export async function play(s, port) {
  const client = new Client(port, s);
  const { socket } = client;
  try {
    await client.send();
    if (s.reading === "late") client.read();
    if (s.isWhole) return await checkWhole(client, s.requests);
    await sleep(s.delay);
    if (s.end === "fin") socket.end();
    else if (s.end === "rst") return socket.resetAndDestroy();
    else if (s.end === "close") return socket.destroy();
    if (s.reading === "never") {
      await sleep(30);
      client.read();
    }
    if (s.end === "silent" && s.listener === "plain") return; // it would be long
    await client.closed();
    if (!s.isSpoiled) checkOrder(client, s.requests);
  } finally {
    socket.destroy();
  }
}
