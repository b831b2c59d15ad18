// SPDX-License-Identifier: MIT
// npm run conformance -- --suite DIR --test-nginx DIR [options] [t/FILE.t ...]: runs a Test::Nginx suite, such as the one of
// lua-nginx-module, against moonwire-nginx, and compares the blocks that pass with the list recorded in passing.txt. Exits 1
// when one of them no longer does. The suite and its harness are checkouts of the caller's; they are copied, never changed.
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { chmodSync, lchownSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { readOptions } from "../../scripts/options.mjs";
import { nativeBuild, npmPackages, root, typescriptBuild } from "../../scripts/steps.mjs";
import { fail, hasTool, say } from "../../scripts/shell.mjs";
import { patchHarness } from "./harness.mjs";
import { compare, readRecord, writeRecord } from "./record.mjs";
import { blockNames, readTap } from "./tap.mjs";

const { values: options, positionals } = readOptions({
  usage: "npm run conformance -- --suite DIR --test-nginx DIR [options] [t/FILE.t ...]",
  allowPositionals: true,
  options: {
    suite: { type: "string", needed: true, help: "a checkout of the suite" },
    "test-nginx": { type: "string", needed: true, help: "a checkout of Test::Nginx" },
    deps: { type: "string", help: "checkouts that the suite looks for beside itself, and mockeagain" },
    jobs: { type: "string", default: "1", help: "files at a time" },
    timeout: { type: "string", default: "240", help: "seconds for a file" },
    logs: { type: "string", help: "where to keep each file's output" },
    record: { type: "boolean", help: "write passing.txt anew" },
    sanitize: { type: "boolean", help: "under ASan and UBSan" },
    verbose: { type: "boolean", help: "name the blocks that fail" },
  },
});

const suite = resolve(options.suite);
const recordFile = join(root, "test/conformance/passing.txt");
const isRoot = process.getuid() === 0;
const nobody = 65534;
const jobs = Number(options.jobs);

for (const [module, debian] of Object.entries({
  "Test::Base": "libtest-base-perl",
  "Test::LongString": "libtest-longstring-perl",
  "List::MoreUtils": "liblist-moreutils-perl",
  "Text::Diff": "libtext-diff-perl",
  "LWP::UserAgent": "libwww-perl",
  "IPC::Run": "libipc-run-perl",
}))
  if (spawnSync("perl", [`-M${module}`, "-e1"]).status !== 0)
    fail(`missing: perl's ${module}; on Debian: apt-get install ${debian}`);

npmPackages();
typescriptBuild();
const native = nativeBuild({ sanitize: options.sanitize ? "address" : "" });

const work = mkdtempSync(join(tmpdir(), "moonwire-conformance-"));
chmodSync(work, 0o755);
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
const logs = options.logs ? resolve(options.logs) : join(work, "logs");
mkdirSync(logs, { recursive: true });
if (isRoot) chmodSync(logs, 0o755);

cpSync(resolve(options["test-nginx"]), join(work, "harness"), { recursive: true });
patchHarness(join(work, "harness/lib/Test/Nginx/Util.pm"));
const binary = writeLauncher();
const slots = Array.from({ length: jobs }, (_, i) => makeSlot(i));

/// The server as the suite runs it: refusing in each phase what OpenResty refuses there, which some blocks want to see, and
/// with the sanitizer's library where one is asked for. Where mockeagain.so, which knows poll() alone, is to let sends time out,
/// slow_send.c does.
function writeLauncher() {
  const path = join(work, "nginx");
  const lines = ["#!/bin/sh"];
  const sanitizer = [];
  if (options.sanitize) {
    const library = spawnSync("g++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout.trim();
    sanitizer.push(library);
    const reports = join(work, "reports");
    mkdirSync(reports);
    chmodSync(reports, 0o777);
    lines.push(
      `export LD_PRELOAD="${library}\${LD_PRELOAD:+ $LD_PRELOAD}"`,
      `export MOONWIRE_BINARY="${join(native, "moonwire.node")}"`,
      `export ASAN_OPTIONS="detect_leaks=0:log_path=${reports}/asan" UBSAN_OPTIONS="print_stacktrace=1:log_path=${reports}/ubsan"`,
    );
  }
  if (hasTool("cc")) {
    const slow = join(work, "slow_send.so");
    const source = join(root, "test/conformance/slow_send.c");
    const built = spawnSync("cc", ["-O1", "-shared", "-fPIC", "-o", slow, source, "-ldl"], { encoding: "utf8" });
    if (built.status !== 0) fail(`slow_send.c does not build: ${built.stderr}`);
    lines.push(`[ -z "$MOCKEAGAIN_WRITE_TIMEOUT_PATTERN" ] || export LD_PRELOAD="${[...sanitizer, slow].join(" ")}"`);
  }
  lines.push(`exec "${join(root, "dist/cli/nginx.sh")}" -g "lua_strict_phases on;" "$@"`, "");
  writeFileSync(path, lines.join("\n"), { mode: 0o755 });
  return path;
}

/// A copy of the suite for one job, with its sibling projects beside it, writable for the user that runs it.
function makeSlot(i) {
  const dir = join(work, `slot${i}`, basename(suite));
  cpSync(suite, dir, { recursive: true, verbatimSymlinks: true });
  if (options.deps)
    for (const name of readdirSync(resolve(options.deps)))
      if (name !== basename(suite)) symlinkSync(join(resolve(options.deps), name), join(work, `slot${i}`, name));
  if (isRoot) {
    for (const name of readdirSync(dir, { recursive: true })) lchownSync(join(dir, name), nobody, nobody);
    lchownSync(dir, nobody, nobody);
  }
  return dir;
}

/// Runs one file; resolves to what became of its blocks.
function runFile(file, slot) {
  const log = join(logs, file.replace(/^t\//, "").replaceAll("/", "_"));
  const script = join(root, "test/conformance/namespace.sh");
  const argv = [script, slot, file, join(work, "harness/lib"), options.timeout, log];
  const [command, args] = isRoot
    ? ["unshare", ["-n", "-m", "-p", "-f", "--mount-proc", "bash", ...argv]]
    : ["bash", argv];
  const mock = options.deps && join(resolve(options.deps), "mockeagain/mockeagain.so");
  const env = { ...process.env, TEST_NGINX_BINARY: binary, MOONWIRE_MOCK: mock && existsSync(mock) ? mock : "" };
  const began = performance.now();
  return new Promise((done) => {
    const child = spawn(command, args, { env, stdio: "ignore" });
    child.on("error", (e) => fail(`${command} could not be run: ${e.message}`));
    child.on("close", (code) => {
      const text = existsSync(`${log}.tap`) ? readFileSync(`${log}.tap`, "latin1") : "";
      const names = blockNames(readFileSync(join(suite, file), "latin1"));
      // timeout(1) ends with 124 or 137, as does a file with so many failures.
      const isLate = (code === 124 || code === 137) && performance.now() - began >= Number(options.timeout) * 1000;
      done({ file, isLate, blocks: readTap(text, names) });
    });
  });
}

if (isRoot && !hasTool("unshare")) fail("missing: unshare (Debian: util-linux)");
for (const file of positionals) if (!existsSync(join(suite, file))) fail(`${file}: no such file in ${suite}`);
const files =
  positionals.length > 0
    ? positionals
    : readdirSync(join(suite, "t"), { recursive: true })
        .filter((f) => f.endsWith(".t"))
        .sort()
        .map((f) => `t/${f}`);
const queue = [...files];
const results = [];
const total = { pass: 0, fail: 0, skip: 0 };
await Promise.all(
  slots.map(async (slot) => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const result = await runFile(file, slot);
      results.push(result);
      const count = { pass: 0, fail: 0, skip: 0 };
      for (const status of result.blocks.values()) count[status]++;
      for (const status of Object.keys(total)) total[status] += count[status];
      console.log(
        `${file}: ${count.pass} passed, ${count.fail} failed, ${count.skip} skipped${result.isLate ? ", not finished in time" : ""}`,
      );
      if (options.verbose)
        for (const [name, status] of result.blocks) if (status === "fail") console.log(`  failed: ${name}`);
    }
  }),
);

const { lost, gained } = compare(readRecord(recordFile), results);
for (const name of gained) if (options.verbose) console.log(`gained: ${name}`);
for (const name of lost) console.log(`LOST: ${name}`);
const reports = options.sanitize ? readdirSync(join(work, "reports")) : [];
for (const name of reports) console.log(`SANITIZER: ${name}\n${readFileSync(join(work, "reports", name), "utf8")}`);
if (options.record) {
  writeRecord(recordFile, results);
  say(`recorded in ${recordFile}`);
}
console.log(
  `${total.pass} passed, ${total.fail} failed, ${total.skip} skipped; ${gained.length} gained, ${lost.length} lost`,
);
process.exit((lost.length > 0 && !options.record) || reports.length > 0 ? 1 : 0);
