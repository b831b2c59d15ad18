// SPDX-License-Identifier: MIT
// Cases of the Lua API: a configuration, one request, what must come back. The same cases run against Debian's nginx with
// lua-nginx-module when MOONWIRE_TEST_AGAINST=nginx is set, which is how their expectations were found.
import { spawn, spawnSync } from "node:child_process";
import test from "ava";
import { confText, makePrefix, readLog, removePrefix, writeFile } from "./files.js";
import { freePort } from "./port.js";
import { get, rawRequest } from "./http.js";
import { startMoonwire } from "./index.js";
import { waitFor } from "./process.js";

/** True when the cases run against nginx. */
export const againstNginx = process.env.MOONWIRE_TEST_AGAINST === "nginx";

/** nginx with lua-nginx-module in a folder of its own; the same fragments and the same handle as startMoonwire. */
async function startNginx(t, { files = {}, main = "", http = "", ...conf }) {
  const prefix = makePrefix(files);
  const port = await freePort();
  const modules = "/usr/lib/nginx/modules";
  const load = ["ndk", "lua"].map(
    (m) => `load_module ${modules}/${m === "lua" ? "ngx_http_lua" : "ndk_http"}_module.so;`,
  );
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `${n}_temp_path ${prefix}/${n};`);
  const text = await confText(
    {
      ...conf,
      main: `user root; pid ${prefix}/pid; daemon off; ${load.join(" ")} ${main}`,
      http: `${temp.join(" ")} lua_package_path "${prefix}/?.lua;;"; ${http}`,
    },
    prefix,
  );
  writeFile(prefix, "nginx.conf", text.replace("127.0.0.1:0", `127.0.0.1:${port}`));
  const child = spawn("/usr/sbin/nginx", ["-p", prefix, "-c", `${prefix}/nginx.conf`], { stdio: "ignore" });
  const gone = new Promise((resolve) => child.on("exit", resolve));
  const reload = async () => {
    spawnSync("kill", ["-HUP", String(child.pid)]);
    await new Promise((next) => setTimeout(next, 300));
  };
  t.teardown(async () => {
    child.kill("SIGTERM");
    await gone;
    removePrefix(prefix);
  });
  await waitFor(() => readLog(prefix, "pid"), "nginx"); // written once it listens
  return {
    port,
    prefix,
    server: { reload },
    log: (name) => readLog(prefix, name),
    get: (path = "/", request) => get(`http://127.0.0.1:${port}${path}`, request),
    raw: (bytes, request) => rawRequest(port, bytes, request),
  };
}

/** Starts what is under test: Moonwire, or nginx. Options: main, http, server, files (see startMoonwire). */
export function startServer(t, options) {
  const http = `lua_package_path "__PREFIX__/?.lua;;"; ${options.http ?? ""}`;
  return againstNginx ? startNginx(t, options) : startMoonwire(t, { ...options, http });
}

function check(t, answer, { status = 200, body, headers = {} }) {
  t.is(answer.status, status, answer.body);
  if (body instanceof RegExp) t.regex(answer.body, body);
  else if (body !== undefined) t.is(answer.body, body);
  for (const [name, value] of Object.entries(headers)) {
    const values = answer.rawHeaders.filter((_, i, all) => i % 2 && all[i - 1].toLowerCase() === name.toLowerCase());
    t.deepEqual(values, value === null ? [] : [value].flat(), name);
  }
}

/**
 * One case. `content`: the code of location /t's content_by_lua_block; or `server`, whole server directives. `path` (default
 * "/t") and `request` (method, headers, body) make the request. Expected: `status` (200), `body` (text or RegExp), `headers`
 * (name to value, list of values, or null for none), `log` (RegExps that the error log must match), `noLog`.
 * `ours`: why nginx answers otherwise; such a case is left out of a run against it.
 */
export function apiCase(title, expected) {
  const { content, server, http, main, files, path = "/t", request, log = [], noLog = [], ours } = expected;
  if (ours && againstNginx) return;
  test(title, async (t) => {
    const code = content && `location /t { content_by_lua_block { ${content} } }`;
    const s = await startServer(t, { server: server ?? code, http, main, files });
    check(t, await s.get(path, request), expected);
    for (const re of [log].flat())
      await t.notThrowsAsync(
        waitFor(() => re.test(s.log()), String(re), 2000),
        s.log(),
      );
    for (const re of [noLog].flat()) t.notRegex(s.log(), re);
  });
}
