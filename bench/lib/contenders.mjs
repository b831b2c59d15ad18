// SPDX-License-Identifier: MIT
// Starts the contenders (nginx with the Lua module, Moonwire, the limit) on loopback ports of their own, and stops them.
// All of one run's files lie in one temporary directory, which close() removes. nginx and Moonwire get the same text.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/helpers/port.js";

const bench = join(dirname(fileURLToPath(import.meta.url)), "..");
export const root = join(bench, "..");
const defaultMoonwire = `${process.execPath} ${join(root, "dist/cli/main.js")}`;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/// The nginx.conf of a run. setup: { http, server, location, workers, workerConnections }: configuration text and counts.
function confText(setup, port, dir) {
  return `worker_processes ${setup.workers ?? 1};
pid ${dir}/server.pid;
error_log ${dir}/error.log warn;
events { worker_connections ${setup.workerConnections ?? 1024}; }
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 100000000;
  ${setup.http ?? ""}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    server_name localhost;
    ${setup.server ?? ""}
    ${setup.location ?? ""}
  }
}
`;
}

/// What only nginx needs: its modules, no daemon, temporary paths that any user may write.
function nginxText(text, modules, dir) {
  const load = ["ndk_http_module.so", "ngx_http_lua_module.so"].filter((m) => existsSync(join(modules, m)));
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `  ${n}_temp_path ${dir}/${n};`);
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  return `${load.map((m) => `load_module ${join(modules, m)};\n`).join("")}${user}daemon off;
${text.replace("http {\n", `http {\n${temp.join("\n")}\n`)}`;
}

/// Where nginx and its Lua module are, or why they cannot be used.
function findNginx(path = "nginx") {
  const told = spawnSync(path, ["-V"], { encoding: "utf8" });
  if (told.error) return { missing: "nginx is not installed (apt-get install nginx libnginx-mod-http-lua)" };
  const modules = /--modules-path=(\S+)/.exec(told.stderr)?.[1] ?? "/usr/lib/nginx/modules";
  if (!existsSync(join(modules, "ngx_http_lua_module.so")) && !told.stderr.includes("lua-nginx-module")) {
    return { missing: "nginx has no Lua module (apt-get install libnginx-mod-http-lua)" };
  }
  return { path, modules, version: /nginx version: (\S+)/.exec(told.stderr)?.[1] };
}

/// Where Moonwire is, or why it cannot be used. command is a program with arguments, such as "node dist/cli/main.js".
function findMoonwire(command = defaultMoonwire) {
  const argv = command.split(/\s+/).filter(Boolean);
  const script = argv.find((a) => /\.[cm]?js$/.test(a));
  if (script && !existsSync(script)) return { missing: `Moonwire is not built: no ${script} (npm run build)` };
  return { argv };
}

/// The options that every benchmark takes for its contenders.
export const contenderOptions = {
  contenders: { type: "string", help: "which ones, with commas between" },
  moonwire: { type: "string", help: "the command that starts Moonwire (this build)" },
  nginx: { type: "string", help: "the nginx to compare with (nginx)" },
};

/// Looks for the contenders that were asked for; says which are missing. Resolves to what Stage takes, and their names.
export function chooseContenders(args, names) {
  const found = { nginx: findNginx(args.nginx), moonwire: findMoonwire(args.moonwire) };
  const wanted = (args.contenders?.split(",") ?? names).filter((name) => {
    if (!names.includes(name)) {
      console.error(`error: no contender ${name}; there are ${names.join(", ")}`);
      process.exit(2);
    }
    const why = found[name]?.missing;
    if (why) console.log(`without ${name}: ${why}`);
    return !why;
  });
  return { ...found, names: wanted };
}

/// Compiles a C file of bench/ with cc -O2 when its program is older; returns the program's path.
export function compile(name) {
  const source = join(bench, `${name}.c`);
  const program = join(bench, "results", name);
  mkdirSync(dirname(program), { recursive: true });
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    execFileSync(process.env.CC ?? "cc", ["-O2", "-Wall", "-Wextra", "-o", program, source], { stdio: "inherit" });
  }
  return program;
}

async function listening(port, child, host = "127.0.0.1") {
  for (let tries = 0; tries < 500 && child.exitCode === null && child.signalCode === null; tries++) {
    const up = await new Promise((done) => {
      const s = net.connect(port, host, () => done(true)).on("error", () => done(false));
      s.on("close", () => {});
      setImmediate(() => s.unref());
      s.on("connect", () => s.destroy());
    });
    if (up) return;
    await sleep(20);
  }
  throw new Error("did not start listening");
}

/// Runs the contenders of one benchmark. options: what chooseContenders gave, and the core to pin to.
export class Stage {
  constructor(options) {
    this.options = options;
    this.dir = mkdtempSync(join(tmpdir(), "mw-bench-"));
    this.running = [];
    this.started = 0;
  }

  /// Starts "nginx", "moonwire" or "limit"; resolves to { name, pid, port, dir } once it listens, rejects with its words.
  async start(name, setup) {
    const port = await freePort();
    const dir = join(this.dir, `${name}-${++this.started}`);
    mkdirSync(dir);
    const argv = this.#argv(name, setup, port, dir);
    if (this.options.core !== undefined) argv.unshift("taskset", "-c", String(this.options.core));
    const log = openSync(join(dir, "out.log"), "w");
    const child = spawn(argv[0], argv.slice(1), { stdio: ["ignore", log, log], cwd: dir });
    child.on("error", () => {});
    const contender = { name, port, dir, pid: child.pid, child };
    this.running.push(contender);
    try {
      await listening(port, child);
    } catch (e) {
      const words = readFileSync(join(dir, "out.log"), "utf8").trim().split("\n").slice(-5).join("\n    ");
      await this.stop(contender);
      throw new Error(`${name} ${e.message}${words ? `:\n    ${words}` : ""}`, { cause: e });
    }
    return contender;
  }

  #argv(name, setup, port, dir) {
    if (name === "limit") return [compile("limit"), String(port), setup.limit.body, setup.limit.headers ?? ""];
    const conf = join(dir, "nginx.conf");
    const text = confText(setup, port, dir);
    if (name === "nginx") {
      writeFileSync(conf, nginxText(text, this.options.nginx.modules, dir));
      return [this.options.nginx.path, "-p", dir, "-c", conf, "-e", join(dir, "error.log")];
    }
    writeFileSync(conf, text);
    return [...this.options.moonwire.argv, "serve", conf];
  }

  /// Ends one contender: TERM, then KILL after two seconds.
  async stop(contender) {
    const { child } = contender;
    this.running = this.running.filter((c) => c !== contender);
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = new Promise((done) => child.on("exit", done));
    child.kill("SIGTERM");
    await Promise.race([ended, sleep(2000)]);
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended;
  }

  /// Ends everything and removes the files.
  async close() {
    await Promise.all(this.running.map((c) => this.stop(c)));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
