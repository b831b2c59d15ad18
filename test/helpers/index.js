// SPDX-License-Identifier: MIT
// What tests start servers with. startMoonwire runs serve() in the test's own process, fast enough for one server a test;
// startProcess (process.js) runs the real command.
import { join } from "node:path";
import { serve } from "moonwire";
import { confText, makePrefix, readLog, removePrefix, writeFile } from "./files.js";
import { get, rawRequest } from "./http.js";

export { makePrefix, removePrefix, writeFile } from "./files.js";
export { get, rawRequest, splitResponse } from "./http.js";
export { freePort } from "./port.js";
export { runMoonwire, spawnMoonwire, startProcess, waitFor } from "./process.js";

/**
 * Starts a server in a folder of its own and stops it with the test.
 *
 *   const s = await startMoonwire(t, { server: `location / { content_by_lua_block { ngx.say("hi") } }` });
 *   t.is((await s.get("/")).body, "hi\n");
 *
 * Options: `conf`, a whole nginx.conf (`listen 127.0.0.1:0`, or `__PORT__` where it must name its port, and `__PREFIX__`);
 * or fragments of one: `main`, `http`, `server`. `files`: more files below the prefix. Without `t` the caller stops it.
 *
 * @returns {Promise<{port: number, url: string, prefix: string, server: import("moonwire").Server,
 *   log: (name?: string) => string, write: (name: string, content: string) => void, stop: () => Promise<void>,
 *   get: (path?: string, options?: object) => Promise<any>, raw: (bytes: string | Buffer, options?: object) => Promise<Buffer>}>}
 */
export async function startMoonwire(t, options) {
  if (options === undefined) [t, options] = [undefined, t];
  const { files = {}, ...conf } = options;
  const prefix = makePrefix(files);
  writeFile(prefix, "nginx.conf", await confText(conf, prefix));
  let server;
  try {
    server = await serve(join(prefix, "nginx.conf"), { prefix });
  } catch (e) {
    e.message += `\n${readLog(prefix)}`;
    removePrefix(prefix);
    throw e;
  }
  const stop = async () => {
    await server.close();
    removePrefix(prefix);
  };
  t?.teardown(stop);
  const port = Number(/:(\d+)$/.exec(server.addresses.find((a) => !a.startsWith("unix:")) ?? "")?.[1] ?? 0);
  const url = `http://127.0.0.1:${port}`;
  return {
    port,
    url,
    prefix,
    server,
    stop,
    log: (name) => readLog(prefix, name),
    write: (name, content) => writeFile(prefix, name, content),
    get: (path = "/", request) => get(url + path, request),
    raw: (bytes, request) => rawRequest(port, bytes, request),
  };
}
