// SPDX-License-Identifier: MIT
// `moonwire run`: a script with the whole non-blocking API, its arguments, output and exit code.
import test from "ava";
import { makePrefix, removePrefix, runMoonwire } from "../helpers/index.js";

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
