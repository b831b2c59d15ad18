// SPDX-License-Identifier: MIT
// The tarball that `npm run pack` made, and ways to look into it and to use it. These tests are `npm test -- test/pack`.
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
export const tarball = join(root, `moonwire-${manifest.version}.tgz`);
if (!existsSync(tarball)) throw new Error(`${tarball} is not there: npm run pack makes it`);

/** A folder that goes away with the test. */
export function folder(t) {
  const dir = mkdtempSync(join(tmpdir(), "moonwire-pack-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The unpacked package. */
export function unpacked(t) {
  const dir = folder(t);
  execFileSync("tar", ["-xzf", tarball, "-C", dir]);
  return join(dir, "package");
}

/** Runs a program to its end; rejects with what it printed when it fails. */
export function run(command, args, options = {}) {
  return new Promise((done, fail) => {
    execFile(command, args, { encoding: "utf8", maxBuffer: 1 << 26, ...options }, (e, stdout, stderr) => {
      if (e) fail(new Error(`${command} ${args.join(" ")}: ${e.message}\n${stdout}\n${stderr}`));
      else done(stdout);
    });
  });
}

/** Starts a server; resolves to its URL once it says where it listens. Ends with the test. */
export function startServer(t, command, args, options, seconds = 60) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true, ...options });
  t.teardown(() => {
    try {
      process.kill(-child.pid, "SIGKILL"); // npx and the shell between us and the server, too
    } catch {
      // gone
    }
  });
  return new Promise((done, fail) => {
    let text = "";
    const clock = setTimeout(() => fail(new Error(`no server after ${seconds} s:\n${text}`)), seconds * 1000);
    const read = (part) => {
      text += part;
      const url = /listening on (\S+)/.exec(text)?.[1];
      if (!url) return;
      clearTimeout(clock);
      done(url);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", fail);
    child.on("close", (code, signal) => fail(new Error(`the server ended with ${code ?? signal}:\n${text}`)));
  });
}

/** An npm folder of a project that has nothing yet, and what npm needs to install from the tarball into it. */
export function emptyProject(dir) {
  mkdirSync(dir, { recursive: true });
  return ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", tarball];
}

/** The environment without what npm sets for the scripts it runs. */
export function cleanEnvironment(path) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|AVA_|MOONWIRE|LD_)/.test(name)),
  );
  return { ...env, ...(path && { PATH: path }), npm_config_update_notifier: "false", ...proxies() };
}

/** What an npmrc says through the environment (a registry) stays. */
function proxies() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(npm_config_(registry|cache|userconfig|.*proxy)|NODE_EXTRA_CA_CERTS)$/i.test(name),
    ),
  );
}
