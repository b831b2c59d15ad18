// SPDX-License-Identifier: MIT
// The fuzzed server as a process of its own, `moonwire serve` on the build with the address sanitizer.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const binary = join(root, "build-address/moonwire.node");

/** Why the server cannot be started, or nothing. */
export function missing() {
  if (!existsSync(binary)) return "no build-address/moonwire.node: npm run build -- --sanitize=address";
  if (!existsSync(join(root, "dist/cli/main.js"))) return "no dist/cli/main.js: npm run build";
  return undefined;
}

function environment() {
  const suppressions = join(root, "test/suppressions");
  return {
    ...process.env,
    ASAN_OPTIONS: "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0:handle_sigill=1:handle_abort=1",
    LSAN_OPTIONS: `suppressions=${suppressions}/lsan.txt:print_suppressions=0`,
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
    LD_PRELOAD: spawnSync("g++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout.trim(),
    MOONWIRE_BINARY: binary,
  };
}

/** Starts it in that folder: { exit, descriptors(), output(), kill(signal) }; `exit` resolves with what it ended with. */
export function startServer(prefix) {
  const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), "serve"], {
    cwd: prefix,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (part) => (output += part));
  child.stderr.on("data", (part) => (output += part));
  const exit = new Promise((done) => child.on("close", (code, signal) => done(signal ?? code)));
  const folder = `/proc/${child.pid}/fd`;
  /** What its descriptors are. */
  const descriptors = () =>
    readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(join(folder, fd))];
      } catch {
        return []; // closed by now
      }
    });
  return { exit, descriptors, output: () => output, kill: (signal) => child.kill(signal) };
}

/** Whether the sanitizers have told of anything. */
export const hasReport = (output) => /ERROR: (Address|Leak)Sanitizer|\.(cpp|h):\d+:\d+: runtime error:/.test(output);

/** The first line of the error log that tells of a fault of ours. */
export function alertOf(prefix) {
  const path = join(prefix, "logs/error.log");
  const text = existsSync(path) ? readFileSync(path, "latin1") : "";
  return /^.*\[(alert|emerg)\].*$/m.exec(text)?.[0];
}

/** The end of the error log. */
export function logTail(prefix, lines = 30) {
  const text = existsSync(join(prefix, "logs/error.log")) ? readFileSync(join(prefix, "logs/error.log"), "utf8") : "";
  return text.split("\n").slice(-lines).join("\n");
}
