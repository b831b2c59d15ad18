// SPDX-License-Identifier: MIT
// HTTP seen from a raw socket: a connection that sends exact bytes and reads one response after the other, and cases in table
// form. The cases run against Debian's nginx too when MOONWIRE_TEST_AGAINST=nginx is set (see api.js).
import { connect } from "node:net";
import test from "ava";
import { startServer } from "./api.js";
import { waitFor } from "./process.js";
import { takeResponse } from "./response.js";

export { startServer } from "./api.js";
export { takeResponse } from "./response.js";

const sleep = (ms) => new Promise((next) => setTimeout(next, ms));

/** A connection to `target`: a port on 127.0.0.1, or the options of net.connect. Bytes are latin1 text. */
export class Wire {
  constructor(target) {
    this.text = "";
    this.ended = false;
    this.socket = connect({
      allowHalfOpen: true,
      ...(typeof target === "number" ? { port: target, host: "127.0.0.1" } : target),
    });
    this.socket.setNoDelay();
    this.socket.on("data", (part) => (this.text += part.toString("latin1")));
    this.socket.on("end", () => (this.ended = true));
    this.socket.on("error", (e) => {
      this.error = e.code;
      this.ended = true;
    });
  }

  send(bytes) {
    this.socket.write(bytes, "latin1");
    return this;
  }

  /** Our direction is over; the other one stays open. */
  half() {
    this.socket.end();
  }

  destroy() {
    this.socket.destroy();
  }

  /** The next response; `head`: it answers a HEAD. */
  async response({ head = false, timeout = 5000 } = {}) {
    const answer = await waitFor(
      () => {
        const a = takeResponse(this.text, { head, ended: this.ended });
        if (!a && this.ended) throw new Error(`closed (${this.error ?? "end"}) with ${JSON.stringify(this.text)}`);
        return a;
      },
      "a response",
      timeout,
    ).catch((e) => {
      e.message += `; have ${JSON.stringify(this.text.slice(0, 500))}`;
      throw e;
    });
    this.text = this.text.slice(answer.size);
    return answer;
  }

  /** The milliseconds until the server closes; fails after `timeout`. */
  async closed(timeout = 5000) {
    const from = Date.now();
    await waitFor(() => this.ended, "the server's close", timeout);
    return Date.now() - from;
  }
}

/** Opens a connection that ends with the test. */
export function openWire(t, s) {
  const wire = new Wire(s.port ?? s);
  t.teardown(() => wire.destroy());
  return wire;
}

/** Compares one answer with what is expected of it: a status, or { status, body, headers }; `__PORT__` in texts is `port`. */
export function checkAnswer(t, answer, expected, port) {
  const fill = (text) => (typeof text === "string" ? text.replaceAll("__PORT__", String(port)) : text);
  const { status = 200, body, headers = {} } = typeof expected === "number" ? { status: expected } : expected;
  t.is(answer.status, status, answer.body);
  if (body instanceof RegExp) t.regex(answer.body, body);
  else if (body !== undefined) t.is(answer.body, fill(body));
  for (const [name, value] of Object.entries(headers)) {
    const values = answer.headers[name.toLowerCase()] ?? [];
    if (value instanceof RegExp) t.regex(values.join("\n"), value, name);
    else t.deepEqual(values, value === null ? [] : [value].flat().map(fill), name);
  }
}

/**
 * One case on one connection. `server`, `http`, `main`, `files`: the configuration (see startMoonwire). `send`: bytes, or a list
 * of bytes and pauses in ms. `answers`: what must come, in order (see checkAnswer; `head: true` for the answer to a HEAD).
 * `closes`: whether the server then closes (default no). `half`: we shut our direction after sending. `log`, `noLog`: RegExps
 * of the error log; `access`: one of logs/access.log. `ours`: why nginx answers otherwise; left out of a run against it.
 */
export function wireCase(title, c) {
  if (c.ours && process.env.MOONWIRE_TEST_AGAINST === "nginx") return;
  test(title, async (t) => {
    const s = await startServer(t, { server: c.server, http: c.http, main: c.main, files: c.files });
    const wire = openWire(t, s);
    for (const step of [c.send].flat()) {
      if (typeof step === "number") await sleep(step);
      else wire.send(step.replaceAll("__PORT__", String(s.port)));
    }
    if (c.half) wire.half();
    for (const expected of [c.answers ?? []].flat()) {
      const answer = await wire.response({ head: expected.head });
      checkAnswer(t, answer, expected, s.port);
    }
    if (c.closes) await wire.closed();
    else await sleep(60);
    t.is(wire.ended, c.closes ?? false, "closed");
    t.is(wire.text, "", "nothing more comes");
    const seen = async (name, re) => {
      const text = () => s.log(name);
      await t.notThrowsAsync(
        waitFor(() => re.test(text()), String(re), 2000),
        text(),
      );
    };
    for (const re of [c.log ?? []].flat()) await seen(undefined, re);
    for (const re of [c.access ?? []].flat()) await seen("logs/access.log", re);
    for (const re of [c.noLog ?? []].flat()) t.notRegex(s.log(), re);
  });
}
