// SPDX-License-Identifier: MIT
// The proof of install: a machine with node and npm alone, no compiler, no python, no cmake.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import test from "ava";
import { cleanEnvironment, emptyProject, folder, run, startServer, tarball } from "./tarball.mjs";

/** A folder of links to just these programs, to be the whole PATH. */
function onlyPath(t, names) {
  const bin = join(folder(t), "bin");
  mkdirSync(bin);
  for (const name of names) {
    const found = process.env.PATH.split(":").find((dir) => existsSync(join(dir, name)));
    symlinkSync(name === "node" ? process.execPath : join(found, name), join(bin, name));
  }
  return bin;
}

test("npm install, npx moonwire init, npx moonwire serve, npm test: with node, npm and a shell", async (t) => {
  t.timeout(180_000);
  const env = cleanEnvironment(onlyPath(t, ["node", "npm", "npx", "sh", "env", "readlink"]));
  for (const missing of ["gcc", "cc", "c++", "g++", "make", "cmake", "python3"])
    t.false(existsSync(join(env.PATH, missing)), missing);
  const dir = join(folder(t), "project");
  const install = emptyProject(dir);
  const began = Date.now();
  await run("npm", install, { cwd: dir, env });
  t.log(`npm install: ${Date.now() - began} ms`);
  const packages = readdirSync(join(dir, "node_modules")).filter((name) => !name.startsWith("."));
  t.true(packages.length <= 7, packages.join(" ")); // six and ours

  // Beyond the npm dependencies: the same again when only our package is missing. CPU time, which others on the machine do not
  // lengthen as they do the time by the clock; npm does this work in one thread.
  await run("rm", ["-rf", join(dir, "node_modules/moonwire")]);
  const times = await run("sh", ["-c", "npm install --offline --no-audit --no-fund >&2 && times"], { cwd: dir, env });
  const [user, system] = [
    ...times
      .trim()
      .split("\n")
      .pop()
      .matchAll(/(\d+)m([\d.]+)s/g),
  ].map((m) => Number(m[1]) * 60 + Number(m[2]));
  t.log(`the package itself: ${(user + system).toFixed(1)} s of CPU`);
  t.true(user + system < 5, times);

  await run("npx", ["--no-install", "moonwire", "init", "app"], { cwd: dir, env });
  const app = join(dir, "app");
  const url = await startServer(t, "npx", ["--no-install", "moonwire", "serve", "--port", "0"], { cwd: app, env });
  const answer = await fetch(`${url}/hello?name=Ada`);
  t.deepEqual(await answer.json(), { greeting: "hello, Ada", count: 1 });
  const tap = await run("npm", ["test", "--", "--test-reporter=tap"], { cwd: app, env });
  t.regex(tap, /^# pass 2$/m);
  t.regex(tap, /^# fail 0$/m);
  // Both module systems, and every other command.
  await run("node", ["-e", "require('moonwire').LuaVm.create().then((vm) => vm.close())"], { cwd: dir, env });
  const moonwire = (...args) => run("npx", ["--no-install", ...args], { cwd: app, env });
  t.regex(await moonwire("moonwire", "check"), /is ok/);
  t.is(await moonwire("moonwire", "run", "-e", "print(6 * 7)"), "42\n");
  await run("sh", ["-c", "npx --no-install moonwire-nginx -V 2>&1 | node -e 'process.stdin.pipe(process.stdout)'"], {
    cwd: app,
    env,
  }).then((text) => t.regex(text, /version: /));
  writeFileSync(
    join(dir, "nginx.conf"),
    `worker_processes 2; events {} http { server { listen 127.0.0.1:0; location = /status { moonwire_status; }
      location / { content_by_lua_block { ngx.say(ngx.worker.pid()) } } } }`,
  );
  mkdirSync(join(dir, "spec"));
  writeFileSync(join(dir, "spec/pid_spec.lua"), 'it("has workers", function() assert.truthy(ngx.worker.pid()) end)');
  t.regex(await run("npx", ["--no-install", "moonwire", "test", "-r", "tap"], { cwd: dir, env }), /^ok 1 /m);
  const processes = ["--no-install", "moonwire", "serve", "nginx.conf", "--processes", "2"];
  const supervised = await startServer(t, "npx", processes, { cwd: dir, env });
  const pid = () => fetch(`${supervised}/`, { headers: { connection: "close" } }).then((r) => r.text());
  const victim = Number(await pid());
  process.kill(victim, "SIGKILL");
  const seen = new Set();
  for (let i = 0; i < 200 && seen.size < 2; i++) seen.add(Number(await pid()));
  t.is(seen.size, 2);
  t.false(seen.has(victim));
  const top = await run("npx", ["--no-install", "moonwire", "top", "--once", `${supervised}/status`], {
    cwd: dir,
    env,
  });
  t.regex(top, /requests/i);
});

/** Copies a program and the shared libraries it needs below `root`. */
async function copyProgram(root, program, as = program) {
  const real = realpathSync(program);
  const text = await run("ldd", [real]);
  const files = [[real, as], ...[...text.matchAll(/(\/\S+) \(0x/g)].map((m) => [m[1], m[1]])];
  for (const [from, to] of files) {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    copyFileSync(realpathSync(from), join(root, to));
  }
}

test("a root file system with node, npm, a shell and their libraries", async (t) => {
  t.timeout(180_000);
  if (process.getuid() !== 0) return t.pass("not root: no root file system of one's own");
  const dir = folder(t);
  await copyProgram(dir, process.execPath, "/usr/bin/node");
  await copyProgram(dir, "/bin/sh");
  await copyProgram(dir, "/usr/bin/env");
  const npm = dirname(
    dirname(
      realpathSync(
        process.env.PATH.split(":")
          .map((d) => join(d, "npm"))
          .find(existsSync),
      ),
    ),
  );
  for (const d of ["proc", "dev", "tmp", "cache", "srv", "usr/lib/npm"]) mkdirSync(join(dir, d), { recursive: true });
  copyFileSync(tarball, join(dir, "srv/moonwire.tgz"));
  const cache = (await run("npm", ["config", "get", "cache"])).trim();
  await run("npm", ["cache", "add", ...dependencies()]).catch(() => {}); // it says below what it misses
  writeFileSync(
    join(dir, "srv/proof.sh"),
    `set -e
cd /srv
npm() { node /usr/lib/npm/bin/npm-cli.js "$@"; }
npm install --offline --cache /cache --no-audit --no-fund --loglevel=error ./moonwire.tgz
npm exec --offline --cache /cache -- moonwire init app
cd app
exec /usr/bin/node ../node_modules/moonwire/dist/cli/main.js serve --port 0
`,
  );
  // The mounts are this command's own and end with it.
  const mounts = `mount -t proc proc ${dir}/proc && mount --bind /dev ${dir}/dev && mount --bind ${npm} ${dir}/usr/lib/npm &&
    mount --bind ${cache} ${dir}/cache && exec chroot ${dir} /usr/bin/env -i PATH=/usr/bin:/bin HOME=/tmp sh /srv/proof.sh`;
  const url = await startServer(t, "unshare", ["--mount", "--propagation=private", "sh", "-c", mounts], {}, 120);
  t.is(await fetch(`${url}/`).then((r) => r.text()), "Moonwire serves this. Try /hello?name=you\n");
});

function dependencies() {
  const lock = JSON.parse(readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8")).packages;
  return Object.entries(lock)
    .filter(([path, p]) => path && !p.dev)
    .map(([path, p]) => `${path.replace("node_modules/", "")}@${p.version}`);
}
