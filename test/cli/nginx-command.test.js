// SPDX-License-Identifier: MIT
// moonwire-nginx: what it prints and how it ends where it does not serve. Texts and codes are nginx's.
import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { nginxCommand, nginxPrefix, runNginx } from "../helpers/nginx.js";

test("-v and -V say which nginx it is", async (t) => {
  const v = await runNginx(["-v"]);
  t.is(v.code, 0);
  t.regex(v.stderr, /^nginx version: nginx\/1\.\d+\.\d+ \(moonwire \d+\.\d+\.\d+\)\n$/);
  const { stderr } = await runNginx(["-V"]);
  t.true(stderr.startsWith(v.stderr));
  t.regex(stderr, /^built with OpenSSL \d+\.\d+\.\d+/m);
  t.regex(stderr, /^configure arguments: .*--with-http_sub_module .*--without-http_fastcgi_module/m);
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

test("-t finds what a start would: regexes, hosts, logs, in one run and in nginx's words", async (t) => {
  const conf = `error_log logs/error.log;
events { }
http {
  access_log logs/access.log;
  server {
    listen 127.0.0.1:1;
    location ~ "(" { access_log none/a.log; }
    location / { proxy_pass http://nosuch.invalid; }
  }
}
`;
  const n = await nginxPrefix(t, { conf, files: { "logs/.keep": "" } });
  const path = join(n.prefix, "conf/nginx.conf");
  const { code, stderr } = await n.run("-t");
  t.is(code, 1);
  t.deepEqual(stderr.trimEnd().split("\n"), [
    `nginx: [emerg] pcre2_compile() failed: missing closing parenthesis in "(" in ${path}:7`,
    `nginx: [emerg] open() "${n.prefix}/none/a.log" failed (2: No such file or directory) in ${path}:7`,
    `nginx: [emerg] host not found in upstream "nosuch.invalid" in ${path}:8`,
    `nginx: configuration file ${path} test failed`,
  ]);
  t.false(existsSync(join(n.prefix, "logs/access.log")));
  const start = await n.run();
  t.is(start.code, 1);
  for (const line of stderr.split("\n").filter((text) => text.includes("[emerg]")))
    t.true(start.stderr.includes(line), `${line} of ${start.stderr}`);
  t.false(existsSync(join(n.prefix, "logs/nginx.pid")));
});

test("-t creates the logs and an empty pid file, as nginx does, and says what it cannot create", async (t) => {
  const n = await nginxPrefix(t, { http: "access_log logs/access.log;" });
  t.is((await n.run("-t")).code, 0);
  for (const name of ["nginx.pid", "access.log"]) t.is(readFileSync(join(n.prefix, "logs", name), "utf8"), "");
  const { code, stderr } = await n.run("-t", "-g", "pid none/x.pid;");
  t.is(code, 1);
  t.regex(stderr, /^nginx: \[emerg\] open\(\) "\S+\/none\/x\.pid" failed \(2: No such file or directory\)$/m);
  t.regex(stderr, /test failed\n$/);
});

const asRoot = process.getuid() === 0 ? test : test.skip;
asRoot("-t with a user or a group that is not there", async (t) => {
  const n = await nginxPrefix(t, { main: "user nosuchuser;" });
  const path = join(n.prefix, "conf/nginx.conf");
  const { code, stderr } = await n.run("-t");
  t.is(code, 1);
  t.is(
    stderr,
    `nginx: [emerg] getpwnam("nosuchuser") failed in ${path}:1\nnginx: configuration file ${path} test failed\n`,
  );
  await n.write({ main: "user nobody nosuchgroup;" });
  t.regex((await n.run("-t")).stderr, /\[emerg\] getgrnam\("nosuchgroup"\) failed in \S+:1\n/);
  await n.write({ main: "user nobody nogroup;" });
  t.is((await n.run("-t")).code, 0);
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

test("a binary that cannot be loaded is told in a line", async (t) => {
  const n = await nginxPrefix(t, { files: { "logs/.keep": "" } });
  const env = { MOONWIRE_BINARY: join(n.prefix, "none.node") };
  for (const args of [[], ["-t"]]) {
    const { code, stderr } = await runNginx(["-p", n.prefix, ...args], { env });
    t.is(code, 1);
    t.regex(stderr, /^nginx: \[emerg\] no Moonwire binary for \S+: .*none\.node is missing; .*\n$/);
  }
});

test("a working directory that is gone is told in a line", async (t) => {
  const sh = spawn("/bin/sh", ["-c", `cd "$(mktemp -d)" && rmdir "$PWD" && exec "${nginxCommand}" -t`]);
  const [code, stderr] = await Promise.all([once(sh, "close").then(([c]) => c), text(sh.stderr)]);
  t.is(code, 1);
  t.is(stderr.replace(/^sh: .*\n/, ""), "nginx: [emerg] the working directory is gone\n");
});
