// SPDX-License-Identifier: MIT
// moonwire-nginx: what it prints and how it ends where it does not serve. Texts and codes are nginx's.
import test from "ava";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nginxPrefix, runNginx } from "../helpers/nginx.js";

test("-v and -V say which nginx it is", async (t) => {
  const v = await runNginx(["-v"]);
  t.is(v.code, 0);
  t.regex(v.stderr, /^nginx version: nginx\/1\.\d+\.\d+ \(moonwire \d+\.\d+\.\d+\)\n$/);
  const { stderr } = await runNginx(["-V"]);
  t.true(stderr.startsWith(v.stderr));
  t.regex(stderr, /^built with OpenSSL \d+\.\d+\.\d+/m);
  t.regex(stderr, /^configure arguments: .*--with-\w+/m);
});

test("-h lists the options", async (t) => {
  const { code, stderr } = await runNginx(["-h"]);
  t.is(code, 0);
  for (const letter of "vVtTqspecg") t.regex(stderr, new RegExp(`^  -(\\?,)?${letter}`, "m"));
});

test("-t of a good file", async (t) => {
  const n = await nginxPrefix(t);
  const conf = join(n.prefix, "conf/nginx.conf");
  const { code, stderr } = await n.run("-t");
  t.is(code, 0);
  t.is(
    stderr,
    `nginx: the configuration file ${conf} syntax is ok\nnginx: configuration file ${conf} test is successful\n`,
  );
  t.is((await n.run("-tq")).stderr, "");
});

test("-t of a bad file", async (t) => {
  const n = await nginxPrefix(t, { conf: "events { }\nhttp {\n  server { lisen 80; }\n}\n" });
  const conf = join(n.prefix, "conf/nginx.conf");
  const { code, stderr } = await n.run("-t");
  t.is(code, 1);
  t.is(
    stderr,
    `nginx: [emerg] unknown directive "lisen" in ${conf}:3\nnginx: configuration file ${conf} test failed\n`,
  );
  t.regex(n.log(), /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[emerg\] (\d+)#\1: unknown directive "lisen" in \S+:3\n$/);
});

test("-T prints every file", async (t) => {
  const n = await nginxPrefix(t, { conf: "events { }\ninclude more.conf;\n", files: { "conf/more.conf": "env A;\n" } });
  const { code, stdout } = await n.run("-T");
  t.is(code, 0);
  const file = (name) =>
    `# configuration file ${join(n.prefix, name)}:\n${readFileSync(join(n.prefix, name), "utf8")}\n`;
  t.is(stdout, file("conf/nginx.conf") + file("conf/more.conf"));
});

test("-c, -e and -g", async (t) => {
  const n = await nginxPrefix(t, { files: { "other.conf": "events { }\nhttp { }\n" } });
  t.is((await n.run("-t", "-c", "other.conf", "-e", "logs/mine.log", "-g", "env A; nonsense;")).code, 1);
  t.regex(n.log("logs/mine.log"), /\[emerg\] \d+#\d+: unknown directive "nonsense" in command line\n/);
  t.is((await n.run("-t", "-cother.conf", "-g", "env A;")).code, 0);
});

test("a file that is not there", async (t) => {
  const n = await nginxPrefix(t);
  const { code, stderr } = await n.run("-c", "none.conf");
  t.is(code, 1);
  t.is(stderr, `nginx: [emerg] open() "${n.prefix}/none.conf" failed (2: No such file or directory)\n`);
});

test("an error log that cannot be opened is said and done without", async (t) => {
  const n = await nginxPrefix(t);
  const { code, stderr } = await n.run("-t", "-e", "none/error.log");
  t.is(code, 0);
  const line = `could not open error log file: open() "${n.prefix}/none/error.log" failed (2: No such file or directory)`;
  t.is(stderr.split("\n")[0], `nginx: [alert] ${line}`);
});

test("-s without a server", async (t) => {
  const n = await nginxPrefix(t, { files: { "logs/bad.pid": "x\n", "logs/old.pid": "4194304\n" } });
  const open = await n.run("-s", "quit");
  t.is(open.code, 1);
  t.is(open.stderr, `nginx: [error] open() "${n.prefix}/logs/nginx.pid" failed (2: No such file or directory)\n`);
  const bad = await n.run("-s", "quit", "-g", "pid logs/bad.pid;");
  t.is(bad.stderr, `nginx: [error] invalid PID number "x" in "${n.prefix}/logs/bad.pid"\n`);
  const gone = await n.run("-s", "reload", "-g", "pid logs/old.pid;");
  t.deepEqual(gone, { code: 1, stdout: "", stderr: "nginx: [alert] kill(4194304, 1) failed (3: No such process)\n" });
});

for (const [args, message] of [
  [["-s"], 'option "-s" requires parameter'],
  [["-s", "up"], 'invalid option: "-s up"'],
  [["-c"], 'option "-c" requires file name'],
  [["-p"], 'option "-p" requires directory name'],
  [["-x"], 'invalid option: "x"'],
  [["serve"], 'invalid option: "serve"'],
])
  test(`wrong: ${args.join(" ")}`, async (t) => {
    t.deepEqual(await runNginx(args), { code: 1, stdout: "", stderr: `nginx: ${message}\n` });
  });

test("a pid file that cannot be written", async (t) => {
  const n = await nginxPrefix(t, { main: "pid none/nginx.pid;" });
  const { code, stderr } = await n.run();
  t.is(code, 1);
  t.is(stderr, `nginx: [emerg] open() "${n.prefix}/none/nginx.pid" failed (2: No such file or directory)\n`);
});
