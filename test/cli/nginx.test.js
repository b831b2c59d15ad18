// SPDX-License-Identifier: MIT
// moonwire-nginx: start, signals, pid file and reload, as tools that drive an nginx binary use them.
import { chmodSync, existsSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { nginxPrefix, spawnNginx } from "../helpers/nginx.js";
import { udpServer } from "../helpers/datagram.js";
import { waitFor } from "../helpers/index.js";

const say = (text) => `location / { content_by_lua_block { ngx.say("${text}") } }`;

test("returns 0 when the server listens; its pid is in the pid file", async (t) => {
  const n = await nginxPrefix(t, { server: `location / { content_by_lua_block { ngx.say(ngx.worker.pid()) } }` });
  const { stderr, stdout } = await n.start();
  t.is((await n.get()).body, `${n.pid()}\n`);
  t.is(stderr + stdout, "");
});

test("-s quit ends it, and the pid file goes", async (t) => {
  const n = await nginxPrefix(t, { server: say("one") });
  await n.start();
  const pid = n.pid();
  t.is((await n.run("-s", "quit")).code, 0);
  await n.hasEnded(pid);
  t.false(existsSync(join(n.prefix, "logs/nginx.pid")));
  t.regex(n.log(), /\[notice\] \d+#\d+: signal process started/);
  t.regex(n.log(), /signal 3 \(SIGQUIT\) received, shutting down\n.*gracefully shutting down/);
});

test("-s stop ends it while a request waits", async (t) => {
  const n = await nginxPrefix(t, { server: `location / { content_by_lua_block { ngx.sleep(30) } }` });
  await n.start();
  const pid = n.pid();
  const pending = n.get().catch((e) => e.code);
  await new Promise((next) => setTimeout(next, 100));
  t.is((await n.run("-s", "stop")).code, 0);
  await n.hasEnded(pid);
  t.is(await pending, "ECONNRESET");
});

test("-s reload serves the new configuration in the same process", async (t) => {
  const n = await nginxPrefix(t, { server: say("one") });
  await n.start();
  const pid = n.pid();
  await n.write({ server: say("two") });
  t.is((await n.run("-s", "reload")).code, 0);
  await waitFor(async () => (await n.get()).body === "two\n", "the reload");
  t.is(n.pid(), pid);
  t.regex(n.log(), /signal 1 \(SIGHUP\) received, reconfiguring\n.*\[notice\] \d+#\d+: reconfiguring\n/);
});

test("a reload of a bad file is refused in the log, and the old one serves", async (t) => {
  const n = await nginxPrefix(t, { server: say("one") });
  await n.start();
  await n.write({ server: "nonsense on;" });
  process.kill(n.pid(), "SIGHUP");
  await waitFor(() => n.log().includes("[emerg]"), "the log");
  t.regex(n.log(), /\[emerg\] \d+#\d+: unknown directive "nonsense" in \S+\/conf\/nginx\.conf:4\n/);
  t.is((await n.get()).body, "one\n");
});

test("SIGUSR1 opens the logs anew", async (t) => {
  const n = await nginxPrefix(t, {
    server: `location / { access_log logs/a.log; content_by_lua_block { ngx.log(ngx.ERR, "here") } }`,
  });
  await n.start();
  await n.get();
  for (const name of ["error", "a"]) renameSync(join(n.prefix, `logs/${name}.log`), join(n.prefix, `logs/${name}.old`));
  t.is((await n.run("-s", "reopen")).code, 0);
  await waitFor(() => n.log("logs/error.log").includes("reopening logs"), "the new log");
  await waitFor(() => existsSync(join(n.prefix, "logs/a.log")), "the new access log");
  await n.get();
  await waitFor(() => n.log("logs/a.log") !== "", "a line");
  t.regex(n.log(), /here/);
});

test("SIGWINCH takes the workers, SIGHUP brings them back", async (t) => {
  const n = await nginxPrefix(t, { server: say("one") });
  await n.start();
  process.kill(n.pid(), "SIGWINCH");
  await waitFor(
    () =>
      n.get().then(
        () => false,
        (e) => e.code === "ECONNREFUSED",
      ),
    "no listener",
  );
  t.true(n.isAlive());
  process.kill(n.pid(), "SIGHUP");
  await waitFor(
    () =>
      n.get().then(
        (r) => r.body === "one\n",
        () => false,
      ),
    "the workers",
  );
});

test("a port in use is tried five times, then refused", async (t) => {
  const n = await nginxPrefix(t, { server: say("one") });
  await n.start();
  const r = await n.run("-g", "pid logs/other.pid;");
  t.is(r.code, 1);
  const line = `nginx: [emerg] bind() to 127.0.0.1:${n.port} failed (98: Address already in use)\n`;
  t.is(r.stderr, `${line.repeat(5)}nginx: [emerg] still could not bind()\n`);
  t.false(existsSync(join(n.prefix, "logs/other.pid")));
});

test("a port that becomes free in time is taken", async (t) => {
  const n = await nginxPrefix(t, { server: say("one") });
  await n.start();
  const first = n.pid();
  const second = n.run();
  await waitFor(() => n.log().includes("try again to bind() after 500ms"), "the first try");
  process.kill(first, "SIGTERM");
  t.is((await second).code, 0);
  t.not(n.pid(), first);
  t.is((await n.get()).body, "one\n");
});

test("daemon off stays in the foreground and takes signals itself", async (t) => {
  const n = await nginxPrefix(t, { main: "daemon off;", server: say("one") });
  const p = spawnNginx(["-p", n.prefix]);
  await waitFor(() => n.pid() > 0, "the pid file");
  t.is(n.pid(), p.child.pid);
  t.is((await n.get()).body, "one\n");
  p.child.kill("SIGQUIT");
  t.deepEqual(await p.exit, { code: 0, signal: null });
});

test("what Lua writes to standard error is in the error log", async (t) => {
  const n = await nginxPrefix(t, {
    server: `location / { content_by_lua_block { io.stderr:write("straight\\n") ngx.say("ok") } }`,
  });
  const { stderr } = await n.start();
  await n.get();
  await waitFor(() => n.log().includes("straight\n"), "the line");
  t.is(stderr, "");
});

test("an error of init_by_lua keeps it from starting", async (t) => {
  const n = await nginxPrefix(t, { http: `init_by_lua_block { error("no way") }`, server: say("one") });
  const r = await n.run();
  t.is(r.code, 1);
  t.regex(r.stderr, /^nginx: \[error\] init_by_lua error: .*no way/);
  t.regex(n.log(), /\[error\] \d+#\d+: init_by_lua error: /);
  t.false(existsSync(join(n.prefix, "logs/nginx.pid")));
});

const asRoot = process.getuid() === 0 ? test : test.skip;

asRoot("user: a server started as root serves as somebody else, in all of its threads", async (t) => {
  const n = await nginxPrefix(t, {
    main: "user nobody nogroup;",
    server: `location / { content_by_lua_block { local f = io.open("/proc/thread-self/status") ngx.print(f:read("*a")) } }`,
  });
  chmodSync(n.prefix, 0o755);
  await n.start();
  const { body } = await n.get();
  const nobody = statSync(join(n.prefix, "logs/error.log")).uid;
  t.not(nobody, 0);
  t.regex(body, new RegExp(`^Uid:\\s+${nobody}\\s+${nobody}\\s+${nobody}\\s+${nobody}$`, "m"));
  t.notRegex(body, /^Gid:\s+0\b/m);
  t.regex(
    n.log(),
    /\[warn\] .*: the whole process runs as user "nobody" from now on: a reload can bind no port below 1024/,
  );
  await n.write({ main: "user nobody nogroup;", server: say("reloaded") });
  process.kill(n.pid(), "SIGHUP");
  await waitFor(async () => (await n.get()).body === "reloaded\n", "the reload");
});

asRoot("user: one that does not exist is refused at the start", async (t) => {
  const n = await nginxPrefix(t, { main: "user nosuchuser;", server: say("one") });
  const { code, stderr } = await n.run();
  t.is(code, 1);
  t.regex(stderr, /\[emerg\] getpwnam\("nosuchuser"\) failed in \S+\/nginx\.conf:1\n/);
  t.false(existsSync(join(n.prefix, "logs/nginx.pid")));
});

test("what the process itself says goes to syslog too", async (t) => {
  const lines = [];
  const port = await udpServer(t, (text) => void lines.push(text));
  const n = await nginxPrefix(t, {
    main: `error_log syslog:server=127.0.0.1:${port},nohostname,tag=x notice; error_log logs/error.log notice;`,
    server: say("one"),
  });
  await n.start();
  const pid = n.pid();
  process.kill(pid, "SIGHUP");
  await waitFor(() => lines.some((line) => line.includes("reconfiguring")), "the line");
  t.regex(
    lines[0],
    /^<189>[A-Z][a-z]{2} [ \d]\d [\d:]{8} x: \d{4}\/[\d/]+ [\d:]{8} \[notice\] \d+#\d+: start worker processes$/,
  );
  t.true(lines.some((line) => /: signal 1 \(SIGHUP\) received, reconfiguring$/.test(line)));
});
