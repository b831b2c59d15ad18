// SPDX-License-Identifier: MIT
// `moonwire run`: a script with the whole non-blocking API, its arguments, output and exit code.
import test from "ava";
import { createServer } from "node:net";
import { startRedis } from "../helpers/backend.js";
import { dnsServer } from "../helpers/dns.js";
import { makePrefix, removePrefix, runMoonwire, spawnMoonwire, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

async function run(t, source, ...args) {
  const cwd = makePrefix({ "app.lua": source, "lib/greet.lua": `return function(name) return "hello, " .. name end` });
  t.teardown(() => removePrefix(cwd));
  return runMoonwire(["run", "app.lua", ...args], { cwd });
}

test("print, io.write, ngx.say and ngx.print go to standard output", async (t) => {
  const r = await run(t, `print("a", 1, nil) io.write("b\\n") ngx.say("c", {1, {2}}, true) ngx.print("d\\n")`);
  t.is(r.stdout, "a\t1\tnil\nb\nc12true\nd\n");
  t.is(r.stderr, "");
  t.is(r.code, 0);
});

test("arguments arrive as ... and as the table arg", async (t) => {
  const r = await run(t, `print(arg[0], #arg, arg[2], select("#", ...), (...))`, "one", "two words", "--flag");
  t.is(r.stdout, "app.lua\t3\ttwo words\t3\tone\n");
});

test("-e runs code, with arguments too", async (t) => {
  const r = await runMoonwire(["run", "-e", "print(...)", "x", "y"]);
  t.is(r.stdout, "x\ty\n");
  t.is(r.code, 0);
});

test("modules beside the script are found, light threads and timers are waited for", async (t) => {
  const r = await run(
    t,
    `package.path = "lib/?.lua;" .. package.path
     ngx.thread.spawn(function() ngx.sleep(0.05) print(require("greet")("thread")) end)
     ngx.timer.at(0.1, function() ngx.sleep(0.05) print("timer") end)
     ngx.sleep(0.01) print("main")`,
  );
  t.is(r.stdout, "main\nhello, thread\ntimer\n");
  t.is(r.code, 0);
});

test("a Lua error is printed with file:line and is exit code 1", async (t) => {
  const r = await run(t, `local t\n\nprint(t.x)`);
  t.regex(r.stderr, /^app\.lua:3: attempt to index local 't' \(a nil value\)\n/);
  t.notRegex(r.stderr, /node:internal|\.js:/);
  t.is(r.code, 1);
});

test("a syntax error and a missing file too", async (t) => {
  const bad = await run(t, `print(`);
  t.regex(bad.stderr, /^app\.lua:1: unexpected symbol near '<eof>'/);
  t.is(bad.code, 1);
  const missing = await runMoonwire(["run", "nope.lua"]);
  t.regex(missing.stderr, /cannot open nope\.lua/);
  t.is(missing.code, 1);
});

test("what is wrong with the script itself is told without a traceback", async (t) => {
  const cwd = makePrefix({ "syntax.lua": "print(", "folder/x": "", "broken.lua": "local x = =" });
  t.teardown(() => removePrefix(cwd));
  for (const [args, message] of [
    [["nope.lua"], "cannot open nope.lua: No such file or directory\n"],
    [["folder"], "cannot read folder: Is a directory\n"],
    [["syntax.lua"], "syntax.lua:1: unexpected symbol near '<eof>'\n"],
    [["-e", "x("], "(command line):1: unexpected symbol near '<eof>'\n"],
    [
      ["-l", "broken", "-e", ""],
      /^error loading module 'broken' .*\n\t\.\/broken\.lua:1: unexpected symbol near '='\n$/,
    ],
    [["-l", "nomod", "-e", ""], /^module 'nomod' not found:\n(\tno .*\n)+$/],
  ]) {
    const r = await runMoonwire(["run", ...args], { cwd });
    if (typeof message === "string") t.is(r.stderr, message);
    else t.regex(r.stderr, message);
    t.is(r.code, 1);
  }
});

test("a traceback ends where the script does", async (t) => {
  const r = await run(t, "local t\nlocal function f() print(t.x) end\nf()");
  t.regex(r.stderr, /\nstack traceback:\n\tapp\.lua.*in function 'f'\n\tapp\.lua:3: in function 'chunk'\n$/);
});

for (const [code, status] of [
  ["3", 3],
  ["true", 0],
  ["false", 1],
  ["", 0],
])
  test(`os.exit(${code}) ends with ${status} and keeps what was printed`, async (t) => {
    const r = await run(t, `io.write("before") os.exit(${code}) print("after")`);
    t.is(r.stdout, "before");
    t.is(r.code, status);
  });

test("cosockets, with the defaults where no configuration says anything", async (t) => {
  const r = await run(t, `local s = ngx.socket.tcp() print(s:connect("localhost", 1)) print(s:send("x"))`);
  t.is(r.stdout, "nil\tconnection refused\nnil\tclosed\n");
  t.is(r.code, 0);
});

for (const [code, status] of [
  ["7", 7],
  ["ngx.OK", 0],
  ["ngx.ERROR", 255],
])
  test(`ngx.exit(${code}) ends with ${status}, from a light thread too`, async (t) => {
    const r = await run(
      t,
      `io.write("before") ngx.thread.spawn(function() ngx.sleep(0.01) ngx.exit(${code}) end)
      ngx.timer.at(3600, function() end) ngx.sleep(3600) print("after")`,
    );
    t.is(r.stdout, "before");
    t.is(r.code, status);
  });

test("a timer that a light thread makes after the script's end is waited for", async (t) => {
  const r = await run(
    t,
    `ngx.thread.spawn(function()
       ngx.sleep(0.05)
       ngx.timer.at(0.05, function() ngx.thread.spawn(function() ngx.sleep(0.05) print("last") end) end)
     end) print("main")`,
  );
  t.is(r.stdout, "main\nlast\n");
  t.is(r.code, 0);
});

test("an error ends the script at once; one in a timer or a light thread is logged", async (t) => {
  const script = await run(t, `ngx.timer.at(3600, function() end) error({ code = 1 })`);
  t.is(script.code, 1);
  t.not(script.stderr, "");
  const others = await run(
    t,
    `ngx.timer.at(0, function() error("in a timer") end) ngx.thread.spawn(function() error("in a thread") end)`,
  );
  t.is(others.code, 0);
  t.regex(others.stderr, /\[error\].*lua entry thread aborted: runtime error: app\.lua:1: in a timer/);
  t.regex(others.stderr, /lua user thread aborted: runtime error: app\.lua:1: in a thread/);
});

test("standard input: lines, all of it, and a script from it", async (t) => {
  const code = `print(io.read()) print(#io.read("*a")) io.stderr:write("told\\n")`;
  const read = await runMoonwire(["run", "-e", code], { input: `first\n${"x".repeat(100_000)}` });
  t.is(read.stdout, "first\n100000\n");
  t.is(read.stderr, "told\n");
  const script = await runMoonwire(["run", "-", "a"], { input: "#!/usr/bin/env moonwire\nprint(arg[0], ...)" });
  t.is(script.stdout, "-\ta\n");
});

test("-e several times, -l, -I", async (t) => {
  const cwd = makePrefix({
    "one/greet.lua": `return { text = "one" }`,
    "two/greet.lua": `return { text = "two" }`,
    "two/folder/init.lua": `loaded_folder = ... return {}`,
  });
  t.teardown(() => removePrefix(cwd));
  const more = ["-l", "folder", "-e", `print(require("greet").text, loaded_folder)`, "-e", "print(...)", "x"];
  const r = await runMoonwire(["run", "-I", "one", "-I", "two", ...more], { cwd });
  t.is(r.stdout, "one\tfolder\nx\n", r.stderr);
  const none = await runMoonwire(["run", "-I", "three", "-e", ""], { cwd });
  t.is(none.code, 2);
  const missing = await runMoonwire(["run", "-l", "nothing", "-e", "print(1)"], { cwd });
  t.regex(missing.stderr, /module 'nothing' not found:/);
  t.is(missing.stdout, "");
  t.is(missing.code, 1);
});

test("--ns: names are looked up there, IPv6 addresses with --resolve-ipv6", async (t) => {
  const dns = await dnsServer(t, (name, type) => ({ addresses: type === "A" ? ["127.0.0.1"] : [] }));
  const port = await listening(
    t,
    createServer((socket) => socket.on("error", () => {}).end("reached")),
  );
  const code = `local s = ngx.socket.tcp() print(s:connect("name.test", ${port})) print(s:receive("*a"))`;
  const r = await runMoonwire(["run", "--ns", `127.0.0.1:${dns.port}`, "-e", code]);
  t.is(r.stdout, "1\nreached\n", r.stderr);
  t.deepEqual(dns.asked, ["name.test A"]);
  await runMoonwire(["run", "--nameserver", `127.0.0.1:${dns.port}`, "--resolve-ipv6", "-e", code]);
  t.deepEqual(dns.asked.slice(1).sort(), ["name.test A", "name.test AAAA"]);
  const bad = await runMoonwire(["run", "--ns", "nowhere.test", "-e", code]);
  t.regex(bad.stderr, /host not found in resolver "nowhere\.test"/);
  t.is(bad.code, 2);
});

for (const [args, message] of [
  [["--shdict", "foo"], "option '--shdict <name size>' argument 'foo' is invalid. expected \"name size\"."],
  [["--shdict", "a b 1m"], "option '--shdict <name size>' argument 'a b 1m' is invalid. expected \"name size\"."],
  [
    ["--shdict", "a 1m", "--shdict", "a 2m"],
    "option '--shdict <name size>' argument 'a 2m' is invalid. the name is taken.",
  ],
  [["--shdict", "foo 1x"], "option '--shdict <name size>': invalid lua shared dict size \"1x\""],
  [["--ns", "bad:bad:x"], /^error: option '--ns, --nameserver <address>': .*bad:bad:x/],
])
  test(`a usage error of run: ${args.join(" ")}`, async (t) => {
    const r = await runMoonwire(["run", ...args, "-e", ""]);
    if (typeof message === "string") t.is(r.stderr, `error: ${message}\n`);
    else t.regex(r.stderr, message);
    t.is(r.code, 2);
  });

test("--errlog-level: warnings without it", async (t) => {
  const code = `for _, level in ipairs { "ERR", "WARN", "INFO" } do ngx.log(ngx[level], "said ", level) end`;
  const said = async (...args) => (await runMoonwire(["run", ...args, "-e", code])).stderr.match(/said \w+/g) ?? [];
  t.deepEqual(await said(), ["said ERR", "said WARN"]);
  t.deepEqual(await said("--errlog-level", "info"), ["said ERR", "said WARN", "said INFO"]);
  t.deepEqual(await said("--errlog-level", "crit"), []);
  t.is((await runMoonwire(["run", "--errlog-level", "loud", "-e", ""])).code, 2);
});

test("resty.redis, shared dictionaries and light threads in one script", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const code = `local redis, counts = require "resty.redis", ngx.shared.counts
    local function work(i)
      local red = redis:new() assert(red:connect("127.0.0.1", ${port}))
      counts:incr("n", red:incrby("sum", i) and 1, 0) assert(red:set_keepalive(1000, 10))
    end
    local threads = {}
    for i = 1, 20 do threads[i] = ngx.thread.spawn(work, i) end
    for i = 1, 20 do assert(ngx.thread.wait(threads[i])) end
    local red = redis:new() assert(red:connect("127.0.0.1", ${port})) print(red:get("sum"), counts:get("n"))`;
  const r = await runMoonwire(["run", "--shdict", "counts 1m", "-e", code]);
  t.is(r.stdout, "210\t20\n", r.stderr);
});

for (const [what, code] of [
  ["that waits", "ngx.sleep(3600)"],
  ["that computes", "while true do end"],
])
  test(`SIGINT and SIGTERM end a script ${what}`, async (t) => {
    for (const signal of ["SIGINT", "SIGTERM"]) {
      const p = spawnMoonwire(["run", "-e", `print("up") ${code}`]);
      await waitFor(() => p.stdout() === "up\n");
      p.kill(signal);
      t.deepEqual(await p.exit, { code: null, signal });
    }
  });

test("a script whose output nobody reads any more ends, as with SIGPIPE", async (t) => {
  const p = spawnMoonwire(["run", "-e", "while true do print('line') end"]);
  await waitFor(() => p.stdout().length > 0);
  p.child.stdout.destroy();
  t.deepEqual(await p.exit, { code: 141, signal: null });
});
