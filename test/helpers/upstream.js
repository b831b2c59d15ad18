// SPDX-License-Identifier: MIT
// Servers for proxy tests: a node http server, and one that answers raw bytes as a script of steps says.
import { createServer as createHttp } from "node:http";
import { createServer } from "node:net";

/** Listens on a port of the system's choice, or on a path; resolves to it. Ends with the test. */
export const listening = (t, server, path) =>
  new Promise((resolve) => {
    const sockets = new Set();
    server.on("connection", (s) => {
      sockets.add(s);
      s.on("close", () => sockets.delete(s));
    });
    t.teardown(() => {
      for (const s of sockets) s.destroy();
      server.close();
    });
    const done = () => resolve(path ?? server.address().port);
    if (path) server.listen(path, done);
    else server.listen(0, "127.0.0.1", done);
  });

/** A node http server; resolves to its port (or `path`). */
export const httpServer = (t, handler, path) => listening(t, createHttp(handler), path);

/**
 * A server that calls `serve(socket, text)` when a connection's first bytes have come; `text` is what was sent so far, and
 * socket.received() what has come since.
 */
export function rawServer(t, serve, path) {
  const server = createServer((socket) => {
    let text = "";
    let isStarted = false;
    socket.received = () => text;
    socket.on("error", () => {});
    socket.on("data", (part) => {
      text += part.toString("latin1");
      if (isStarted || !text.includes("\r\n\r\n")) return;
      isStarted = true;
      serve(socket, text);
    });
  });
  return listening(t, server, path);
}

/** Answers bytes and closes. */
export const answering = (bytes) => (socket) => socket.end(bytes, "latin1");
