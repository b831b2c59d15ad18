// SPDX-License-Identifier: MIT
// Modules beside Debian's nginx: `node test/differential/modules-nginx.mjs [GROUP]` sends the requests of cases/modules.mjs to
// both, each with the same files in a folder of its own, and compares the answers and what the folder holds afterwards. Exit
// code 1 when something differs. Framing is not compared where a filter has changed the body: a short body that is complete
// gets a Content-Length from us.
import { createHash } from "node:crypto";
import {
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { serve } from "moonwire";
import { exchange, requireNginx, startDebianNginx } from "../helpers/debian-nginx.js";
import { freePort } from "../helpers/index.js";
import { files, groups } from "./cases/modules.mjs";

requireNginx("modules-nginx");

const md5 = (text) => createHash("md5").update(text);
const links = {
  __S_OK__: md5("4000000000/s/link secret").digest("base64url"),
  __S_LATE__: md5("1000000000/s/link secret").digest("base64url"),
  __N_OK__: md5("/n/link secret").digest("base64url"),
  __P_OK__: md5("linkword").digest("hex"),
};

const time = 1_300_000_000;
const all = {
  ...files,
  "packed.txt.gz": gzipSync("packed\n".repeat(100)),
  "bad.txt.gz": Buffer.from("this is no gzip"),
};
function fill(folder) {
  for (const [name, content] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  const walk = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) walk(join(dir, entry.name));
      utimesSync(join(dir, entry.name), time, time);
    }
  };
  walk(folder);
}

/** Names, rights, contents and old times of what the folder holds. */
function snapshot(folder) {
  const walk = (dir) =>
    readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
      const path = join(dir, entry.name);
      const st = statSync(path);
      const is_old = st.mtimeMs / 1000 < 1_600_000_000 ? st.mtimeMs / 1000 : "new";
      const line = `${relative(folder, path)} ${(st.mode & 0o777).toString(8)}`;
      return entry.isDirectory()
        ? [line, ...walk(path)]
        : [`${line} ${is_old} ${md5(readFileSync(path)).digest("hex")}`];
    });
  return walk(folder).toSorted().join("\n");
}

const config = (port, dir, main, http, server) =>
  `${main} error_log ${dir}/error.log; pid ${dir}/pid; events { }
  http { access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi; types { text/html html; text/plain txt; } default_type text/plain;
  ${http} server { listen 127.0.0.1:${port}; server_name h.test; root ${dir}/root; ${server} } }`
    .replaceAll("__ROOT__", `${dir}/root`)
    .replaceAll("__PORT__", port);

function unchunk(body) {
  let out = "";
  let rest = body;
  for (let n; (n = parseInt(rest, 16)) > 0;) {
    const at = rest.indexOf("\r\n") + 2;
    out += rest.slice(at, at + n);
    rest = rest.slice(at + n + 2);
  }
  return out + rest.replace(/^0\r\n/, "[trailers]").replace(/^\[trailers\]\r\n$/, "");
}

/** An answer without what always differs: who serves, when, framing, and the order in which fields stand. */
function normal(answer, dir, port, isLoose) {
  const cut = answer.indexOf("\r\n\r\n");
  const head = cut < 0 ? answer : answer.slice(0, cut);
  let body = cut < 0 ? "" : answer.slice(cut + 4);
  if (/transfer-encoding: chunked/i.test(head)) body = unchunk(body);
  const [line, ...lines] = head.split("\r\n").filter((l) => !/^(Server|Date): /.test(l));
  // The pages of errors name the server, and so differ in length.
  const isPage = !/ 2\d\d /.test(line);
  const kept = lines.filter((l) => !(isLoose || isPage) || !/^(Content-Length|Transfer-Encoding): /.test(l));
  return [line, ...kept.toSorted(), "", body]
    .join("\n")
    .replaceAll(`:${port}`, ":PORT")
    .replaceAll(dir, "")
    .replace(/<center>(nginx|moonwire)[^<]*/, "<center>SERVER")
    .replace(/(nginx|moonwire)\/[\d.]+/g, "SERVER");
}

const only = process.argv[2];
let count = 0;
let differences = 0;
for (const [name, http, server, requests] of groups) {
  if (only && only !== name) continue;
  const folder = mkdtempSync(join(tmpdir(), "moonwire-differential-"));
  const ports = [await freePort(), await freePort()];
  const dirs = ["nginx", "moonwire"].map((side) => join(folder, side));
  for (const [i, main] of ["daemon off; master_process off; user root;", ""].entries()) {
    mkdirSync(join(dirs[i], "root"), { recursive: true });
    fill(join(dirs[i], "root"));
    writeFileSync(join(dirs[i], "nginx.conf"), config(ports[i], dirs[i], main, http, server));
  }
  const stopNginx = await startDebianNginx(dirs[0], ports[0]);
  const ours = await serve(join(dirs[1], "nginx.conf"), { prefix: dirs[1] });
  for (const [what, fields = "", body = ""] of requests) {
    const [method, target] = what.split(" ");
    const isOld = method === "HTTP/1.0";
    const path = target.replace(/__\w+__/, (word) => links[word] ?? word);
    const own = fields === "" ? "" : `${fields}\r\n`;
    const bytes = `${isOld ? "GET" : method} ${path} HTTP/1.${isOld ? 0 : 1}\r\nHost: h.test\r\nConnection: close\r\n${own}\r\n${body}`;
    const isLoose = /ssi|sub_filter|gunzip|geo|add_trailer|autoindex/.test(name);
    const answers = [];
    for (const i of [0, 1]) answers.push(normal(await exchange(ports[i], bytes), dirs[i], ports[i], isLoose));
    count++;
    const trees = dirs.map((dir) => snapshot(join(dir, "root")));
    if (answers[0] === answers[1] && trees[0] === trees[1]) continue;
    differences++;
    console.log(`== ${name}: ${what} ${JSON.stringify(fields)}\n-- nginx\n${answers[0]}\n-- moonwire\n${answers[1]}`);
    if (trees[0] !== trees[1]) {
      const [a, b] = trees.map((tree) => tree.split("\n"));
      console.log(
        `-- only nginx: ${a.filter((l) => !b.includes(l))}\n-- only moonwire: ${b.filter((l) => !a.includes(l))}`,
      );
    }
  }
  await stopNginx();
  await ours.close();
  rmSync(folder, { recursive: true });
}
console.log(`${count} requests, ${differences} differ`);
process.exitCode = differences ? 1 : 0;
