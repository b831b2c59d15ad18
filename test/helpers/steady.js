// SPDX-License-Identifier: MIT
// Clients that keep at it while a server changes under them: each sends request after request on one keep-alive connection,
// and notes every failure. A connection that closes without having said so is a failure; so is any other status than 200.
import { connect } from "node:net";
import { takeResponse } from "./wire.js";

/** One keep-alive client. `path` or `request` (bytes of one request); `pause` ms between answer and next request. */
class SteadyClient {
  answers = 0;
  connections = 0;
  failures = [];
  bodies = new Set();
  #stopped;
  #stop = false;

  constructor(port, { path = "/", request = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`, pause = 0, batch = 1 }) {
    this.#stopped = this.#run(port, { request: request.repeat(batch), pause, batch });
  }

  async #run(port, options) {
    while (!this.#stop) {
      this.connections++;
      const why = await this.#converse(port, options);
      if (why) this.failures.push(why);
      if (this.failures.length > 10) return;
    }
  }

  /** Uses one connection until it ends or we are stopped; why it failed, or undefined. */
  #converse(port, { request, pause, batch }) {
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1");
      let text = "";
      let left = 0;
      let isLast = false;
      const done = (why) => {
        socket.destroy();
        resolve(why);
      };
      const next = () => {
        if (this.#stop) return done();
        left = batch;
        socket.write(request);
      };
      socket.setNoDelay();
      socket.setTimeout(20_000, () => done("no answer for 20 s"));
      socket.on("connect", next);
      socket.on("error", (e) => done(e.code));
      socket.on("end", () => done(isLast ? undefined : `closed with ${left} answers to come`));
      socket.on("data", (part) => {
        text += part.toString("latin1");
        for (let a; left > 0 && (a = takeResponse(text));) {
          text = text.slice(a.size);
          left--;
          this.answers++;
          this.bodies.add(a.body);
          isLast = a.headers.connection?.[0] === "close";
          if (a.status !== 200) return done(`status ${a.status}`);
        }
        if (left === 0 && !isLast) setTimeout(next, pause);
      });
    });
  }

  async stop() {
    this.#stop = true;
    await this.#stopped;
  }
}

/**
 * `count` such clients; they end with the test at the latest. `stop()` resolves with
 * { answers, connections, failures, bodies } of all of them together.
 */
export function steadyClients(t, port, count, options = {}) {
  const clients = Array.from({ length: count }, () => new SteadyClient(port, options));
  const stop = async () => {
    await Promise.all(clients.map((c) => c.stop()));
    const sum = (f) => clients.reduce((n, c) => n + f(c), 0);
    return {
      answers: sum((c) => c.answers),
      connections: sum((c) => c.connections),
      failures: clients.flatMap((c) => c.failures),
      bodies: new Set(clients.flatMap((c) => [...c.bodies])),
    };
  };
  t.teardown(stop);
  return { stop, answers: () => clients.reduce((n, c) => n + c.answers, 0) };
}
