// SPDX-License-Identifier: MIT
// `moonwire init`: what it writes serves and passes its own test; what is there is never overwritten; one message a mistake.
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { makePrefix, removePrefix, runMoonwire, spawnMoonwire, waitFor } from "../helpers/index.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const project = [
  ".gitignore",
  "README.md",
  "lua/hello.lua",
  "moonwire.config.ts",
  "package.json",
  "test/hello.test.mjs",
];

function folder(t, files = {}) {
  const prefix = makePrefix(files);
  t.teardown(() => removePrefix(prefix));
  return prefix;
}

/** As `npm install` would: the package under its name. */
function installHere(dir) {
  mkdirSync(join(dir, "node_modules"));
  symlinkSync(root, join(dir, "node_modules/moonwire"));
}

test("the project serves, passes its test, and has no mistake", async (t) => {
  const cwd = folder(t);
  const made = await runMoonwire(["init", "My App"], { cwd });
  t.is(made.stderr, "");
  t.is(made.code, 0);
  t.regex(
    made.stdout,
    /^moonwire: written:\n(?: {2}My App\/\S+\n){6}Next:\n {2}cd 'My App'\n {2}npm install && npm test\n {2}npm start\n$/,
  );
  const app = join(cwd, "My App");
  const files = readdirSync(app, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
  t.is(files.length, project.length);
  for (const name of project) t.true(existsSync(join(app, name)), name);
  const manifest = JSON.parse(readFileSync(join(app, "package.json"), "utf8"));
  t.is(manifest.name, "my-app");
  t.regex(manifest.dependencies.moonwire, /^\^\d+\.\d+\.\d+$/);

  installHere(app);
  t.deepEqual(await runMoonwire(["check"], { cwd: app }).then(({ code, stderr }) => [code, stderr]), [0, ""]);
  const p = spawnMoonwire(["serve", "--port", "0"], { cwd: app });
  t.teardown(() => p.kill("SIGKILL"));
  const url = await waitFor(() => /listening on (\S+)/.exec(p.stdout())?.[1], "the server");
  t.is(await fetch(`${url}/`).then((r) => r.text()), "Moonwire serves this. Try /hello?name=you\n");
  t.deepEqual(await fetch(`${url}/hello?name=Ada`).then((r) => r.json()), { greeting: "hello, Ada", count: 1 });

  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const out = await new Promise((done) =>
    execFile(process.execPath, ["--test", "--test-reporter=tap"], { cwd: app, env }, (e, text) => done(text)),
  );
  t.regex(out, /^# pass 2$/m, out);
  t.regex(out, /^# fail 0$/m, out);
});

test("a package.json that is there stays as it is", async (t) => {
  const cwd = folder(t, { "package.json": "{}" });
  const r = await runMoonwire(["init"], { cwd });
  t.is(r.code, 0);
  t.regex(r.stdout, /package\.json was there and is as it was/);
  t.is(readFileSync(join(cwd, "package.json"), "utf8"), "{}");
  t.true(existsSync(join(cwd, "moonwire.config.ts")));
});

test("a file in the way stops it before anything is written", async (t) => {
  const cwd = folder(t, { "README.md": "mine", "lua/hello.lua": "mine" });
  const r = await runMoonwire(["init"], { cwd });
  t.is(r.code, 1);
  t.is(r.stderr, `moonwire: ${cwd} already holds README.md, lua/hello.lua; nothing was written\n`);
  t.is(r.stdout, "");
  t.is(readFileSync(join(cwd, "README.md"), "utf8"), "mine");
  t.false(existsSync(join(cwd, "package.json")));
});

test("a folder that is a file", async (t) => {
  const cwd = folder(t, { app: "" });
  const r = await runMoonwire(["init", "app"], { cwd });
  t.is(r.code, 1);
  t.is(r.stderr, `moonwire: cannot write ${join(cwd, "app")}: not a directory\n`);
});

test("a folder that cannot be made", async (t) => {
  const cwd = folder(t, { file: "" });
  chmodSync(join(cwd, "file"), 0o444);
  const r = await runMoonwire(["init", "file/app"], { cwd });
  t.is(r.code, 1);
  t.regex(r.stderr, /^moonwire: cannot write \S+file\/app\S*: ENOTDIR\b.*\n$/);
});

test("two folders are a usage error", async (t) => {
  const r = await runMoonwire(["init", "a", "b"], { cwd: folder(t) });
  t.is(r.code, 2);
  t.regex(r.stderr, /too many arguments for 'init'/);
});
