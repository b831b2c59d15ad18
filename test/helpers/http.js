// SPDX-License-Identifier: MIT
// Clients for tests: one request through node:http, and raw bytes over a socket.
import { request as httpRequest } from "node:http";
import { connect } from "node:net";

/**
 * One request on a connection of its own. `url` is a URL or `{ port, path }`-like text "http://...".
 * @returns {Promise<{status: number, headers: object, rawHeaders: string[], body: string, bytes: Buffer, trailers: object}>}
 */
export function get(url, { method = "GET", headers = {}, body, timeout = 30_000 } = {}) {
  return new Promise((resolve, reject) => {
    const req = httpRequest(url, { method, headers, agent: false, timeout }, (res) => {
      const parts = [];
      res.on("data", (part) => parts.push(part));
      res.on("error", reject);
      res.on("end", () => {
        const bytes = Buffer.concat(parts);
        const { statusCode: status, headers, rawHeaders, trailers } = res;
        resolve({ status, headers, rawHeaders, trailers, bytes, body: bytes.toString("utf8") });
      });
    });
    req.on("timeout", () => req.destroy(new Error(`no response from ${url} within ${timeout} ms`)));
    req.on("error", reject);
    req.end(body);
  });
}

/**
 * Sends bytes and collects what comes until the server closes, `until` (a RegExp or predicate on the text so far) holds, or
 * `timeout` ms have passed; then resolves with what came.
 * @param {number | string} target a port on 127.0.0.1, or the path of a unix socket
 * @returns {Promise<Buffer>}
 */
export function rawRequest(target, bytes, { until, timeout = 3000, half = false } = {}) {
  return new Promise((resolve, reject) => {
    const socket = typeof target === "number" ? connect(target, "127.0.0.1") : connect(target);
    const parts = [];
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(parts));
    };
    const timer = setTimeout(done, timeout);
    const isEnough = until instanceof RegExp ? (text) => until.test(text) : until;
    socket.on("data", (part) => {
      parts.push(part);
      if (isEnough?.(Buffer.concat(parts).toString("latin1"))) done();
    });
    socket.on("end", done);
    socket.on("error", (e) => {
      if (e.code === "ECONNRESET" || e.code === "EPIPE") return done();
      clearTimeout(timer);
      reject(e);
    });
    socket.on("connect", () => (half ? socket.end(bytes) : socket.write(bytes)));
  });
}

/** Splits a raw answer into head and body texts at the first empty line. */
export function splitResponse(bytes) {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return { status: 0, head: text, body: "" };
  return { status: Number(text.split(" ")[1]), head: text.slice(0, end), body: text.slice(end + 4) };
}
