// SPDX-License-Identifier: MIT
// npm test [-- [--sanitize=address|thread] [--part=N] [--native | --ava] [FILE|FOLDER...]]: set-up, Debian packages, native unit
// tests, ava suites; ends with one line that sums them, and exits 1 when anything failed or nothing ran. Under a sanitizer
// the folders whose tests are of TypeScript alone are left out, unless they are named; --part=N takes every Nth file of the
// rest, which ones by the commit, so that in time the gate sees them all.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { debianPackages } from "./packages.mjs";
import { fail, say } from "./shell.mjs";
import { nativeBuild, npmPackages, root, setUp, typescriptBuild } from "./steps.mjs";

const options = { sanitize: "", native: true, ava: true, files: [] };
for (const arg of process.argv.slice(2)) {
  const sanitize = /^--sanitize=(address|thread)$/.exec(arg);
  if (sanitize) options.sanitize = sanitize[1];
  else if (/^--part=[1-9]\d*$/.test(arg)) options.part = Number(arg.slice("--part=".length));
  else if (arg === "--native") options.ava = false;
  else if (arg === "--ava") options.native = false;
  else if (arg.startsWith("-")) fail(`unknown option ${arg}`);
  else options.files.push(arg);
}
if (options.files.length > 0) options.native = false;
const ofThePackage = options.files.length > 0 && options.files.every((f) => /^test\/pack\b/.test(f));

if (options.sanitize) {
  npmPackages();
  typescriptBuild();
} else setUp();
const dir = nativeBuild({ sanitize: options.sanitize, target: options.ava ? "all" : "native_test" });
debianPackages("test");

/// The environment in which node or native_test run a sanitizer build.
function sanitizerEnvironment(forNode) {
  if (!options.sanitize) return {};
  const suppressions = join(root, "test/suppressions");
  const env = {
    ASAN_OPTIONS: "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0",
    LSAN_OPTIONS: `suppressions=${suppressions}/lsan.txt:print_suppressions=0`,
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
    TSAN_OPTIONS: `suppressions=${suppressions}/tsan.txt:halt_on_error=1`,
  };
  if (!forNode) return env;
  const library = options.sanitize === "thread" ? "libtsan.so" : "libasan.so";
  const path = spawnSync("g++", [`-print-file-name=${library}`], { encoding: "utf8" }).stdout.trim();
  return { ...env, MW_TEST_SANITIZER: options.sanitize, LD_PRELOAD: path, MOONWIRE_BINARY: join(dir, "moonwire.node") };
}

/// Runs a command, passes its output on as it comes, and resolves to [passed, failed] read from it by `count`. One that
/// hangs is ended after `limit` seconds, and fails.
function suite(title, command, args, env, limit, count) {
  say(`${title}${options.sanitize ? ` (${options.sanitize} sanitizer)` : ""}`);
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const clock = setTimeout(() => {
      say(`${title}: not finished after ${limit} s`);
      child.kill("SIGKILL");
    }, limit * 1000);
    let out = "";
    child.stdout.on("data", (d) => {
      out += d;
      process.stdout.write(d);
    });
    child.on("error", (e) => fail(`${command} could not be run: ${e.message}`));
    child.on("close", (code) => {
      clearTimeout(clock);
      const [passed, failed] = count(out);
      done([passed, failed + (code !== 0 && failed === 0 ? 1 : 0)]);
    });
  });
}

const ofTypeScript = ["build", "cli", "conf", "conformance", "examples", "pack", "types"];

/// The test files that reach native code, or one of `part` of them.
function nativeTestFiles(part = 1) {
  const files = readdirSync(join(root, "test"), { recursive: true })
    .filter((f) => /\.test\.m?js$/.test(f) && !ofTypeScript.some((folder) => f.startsWith(`${folder}/`)))
    .sort();
  const commit = spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).stdout.trim();
  const first = parseInt(commit.slice(-7) || "0", 16) % part;
  if (part > 1) say(`one test file of ${part}, from number ${first + 1} on`);
  return files.filter((_, i) => i % part === first).map((f) => `test/${f}`);
}

function hasAvaTests(folder) {
  return existsSync(folder) && readdirSync(folder, { recursive: true }).some((f) => /\.test\.m?js$/.test(f));
}

let total = [0, 0];
const add = ([passed, failed]) => (total = [total[0] + passed, total[1] + failed]);
if (options.native) {
  add(
    await suite(
      "native unit tests",
      join(dir, "native_test"),
      [],
      sanitizerEnvironment(false),
      options.sanitize ? 600 : 200,
      (out) => {
        const m = [...out.matchAll(/^(\d+) passed, (\d+) failed$/gm)].pop();
        return m ? [Number(m[1]), Number(m[2])] : [0, 1];
      },
    ),
  );
}
if (options.ava && hasAvaTests(join(root, "test"))) {
  const globs = options.files.map((f) =>
    statSync(f, { throwIfNoEntry: false })?.isDirectory() ? `${f}/**/*.test.{js,mjs}` : f,
  );
  if (options.sanitize && globs.length === 0) globs.push(...nativeTestFiles(options.part));
  add(
    await suite(
      "ava suites",
      process.execPath,
      ["node_modules/ava/entrypoints/cli.mjs", "--tap", ...globs],
      { ...sanitizerEnvironment(true), ...(ofThePackage && { MW_TEST_PACK: "1" }) },
      options.sanitize ? 1500 : 900,
      (out) => {
        const plain = out.split("\n").filter((l) => !/# SKIP|# TODO/.test(l));
        return [plain.filter((l) => /^ok /.test(l)).length, plain.filter((l) => /^not ok /.test(l)).length];
      },
    ),
  );
}
console.log(`${total[0]} passed, ${total[1]} failed`);
process.exit(total[1] === 0 && total[0] > 0 ? 0 : 1);
