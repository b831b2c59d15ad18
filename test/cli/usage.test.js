// SPDX-License-Identifier: MIT
// The command line's words and exit codes: 0 well, 1 the user's files or the system, 2 the command line itself.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makePrefix, removePrefix, runMoonwire } from "../helpers/index.js";
import { main } from "../helpers/process.js";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url)));

function folder(t, files) {
  const prefix = makePrefix(files);
  t.teardown(() => removePrefix(prefix));
  return prefix;
}

test("--version prints the package's version", async (t) => {
  const r = await runMoonwire(["--version"]);
  t.is(r.stdout, `${manifest.version}\n`);
  t.is(r.code, 0);
});

test("--help names every command, the signals and the exit codes", async (t) => {
  const r = await runMoonwire(["--help"]);
  t.is(r.code, 0);
  for (const word of ["serve", "check", "run", "HUP", "QUIT", "Exit codes"]) t.true(r.stdout.includes(word), word);
});

for (const [title, args, message] of [
  ["no command", [], /Usage: moonwire/],
  ["an unknown command", ["bogus"], /unknown command 'bogus'/],
  ["an unknown option", ["serve", "--bogus"], /unknown option '--bogus'/],
  ["a port that is none", ["serve", "--port", "70000"], /expected a whole number from 0 to 65535/],
  ["workers that are no number", ["serve", "--workers", "many"], /expected a whole number from 1 to 512/],
  ["an interval that is not whole", ["top", "-i", "0.5"], /expected a whole number from 1 to 3600/],
  [
    "a host that is a name",
    ["serve", "-H", "nosuch.invalid"],
    /'nosuch.invalid' is invalid. expected an IP address or localhost/,
  ],
  [
    "a prefix of serve that is not there",
    ["serve", "--prefix", "/nonexist"],
    /'\/nonexist' is invalid. no such folder/,
  ],
  [
    "a prefix of check that is not there",
    ["check", "--prefix", "/nonexist"],
    /'\/nonexist' is invalid. no such folder/,
  ],
  ["a prefix of run that is not there", ["run", "--prefix", "/nonexist"], /'\/nonexist' is invalid. no such folder/],
  ["a prefix of test that is not there", ["test", "--prefix", "/nonexist"], /'\/nonexist' is invalid. no such folder/],
  [
    "a folder of modules that is not there",
    ["run", "-I", "/nonexist", "-e", ""],
    /'\/nonexist' is invalid. no such folder/,
  ],
  ["run without a script", ["run"], /missing argument/],
])
  test(`${title} is a usage error`, async (t) => {
    const r = await runMoonwire(args);
    t.is(r.code, 2);
    t.regex(r.stderr, message);
    t.is(r.stdout, "");
  });

test("without a configuration the default names are listed", async (t) => {
  const r = await runMoonwire(["serve"], { cwd: folder(t, {}) });
  t.is(r.code, 1);
  t.regex(
    r.stderr,
    /^moonwire: no configuration found in .*moonwire\.config\.\{ts,mts,js,mjs,json\} or nginx\.conf\n$/,
  );
});

for (const args of [["serve"], ["check", "x"], ["run", "-e", "print(1)"], ["test"], ["init"]])
  test(`${args[0]} in a working directory that is gone`, async (t) => {
    const code = `cd "$(mktemp -d)" && rmdir "$PWD" && exec "$0" "$@"`;
    const r = spawnSync("sh", ["-c", code, process.execPath, main, ...args], { encoding: "utf8", timeout: 20_000 });
    t.is(r.stderr, "moonwire: the working directory is gone\n");
    t.is(r.status, 1);
  });

for (const args of [["--help"], ["check", "--help"], ["--version"], ["check"], ["init", "new"]])
  test(`${args.join(" ")} ends quietly where nobody reads its output`, async (t) => {
    const cwd = folder(t, { "nginx.conf": "events { }" });
    const code = `{ sleep 0.2; "$0" "$@"; echo $? > code; } | true`;
    const r = spawnSync("sh", ["-c", code, process.execPath, main, ...args], { cwd, encoding: "utf8" });
    t.is(r.stderr, "");
    t.is(readFileSync(join(cwd, "code"), "utf8"), "0\n");
  });

test("a configuration file that is not there is named", async (t) => {
  const r = await runMoonwire(["check", "nope.conf"], { cwd: folder(t, {}) });
  t.is(r.code, 1);
  t.is(r.stderr, "moonwire: cannot read nope.conf: no such file\n");
});
