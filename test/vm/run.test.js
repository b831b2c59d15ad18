// SPDX-License-Identifier: MIT
// LuaVm: Lua on its own thread, values both ways, errors with Lua's traceback.
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { ConfigError, LuaError, LuaVm, MoonwireError } from "moonwire";

async function vmOf(t, options) {
  const vm = await LuaVm.create(options);
  t.teardown(() => vm.close());
  return vm;
}

test("values cross both ways", async (t) => {
  const vm = await vmOf(t);
  for (const v of [undefined, null, true, false, 0, -1.5, "grüße", [1, 2, 3], { a: { b: ["c"] } }])
    t.deepEqual(await vm.run("return ...", v), v);
  t.deepEqual(await vm.run("return ...", Buffer.from([0xff, 0])), Buffer.from([0xff, 0]));
  t.is(await vm.run("return type((...))", null), "userdata");
  t.is(await vm.run("return select('#', ...)", 1, undefined, 3), 3);
  t.is(await vm.run("return ..., 2", "first"), "first");
});

test("64-bit integers are bigint here and cdata there, exact both ways", async (t) => {
  const vm = await vmOf(t);
  const most = (1n << 63n) - 1n;
  const all = [0n, 5n, -5n, 9007199254740993n, most, -most - 1n, most + 1n, 2n * most + 1n];
  for (const v of all) t.is(await vm.run("return ...", v), v);
  t.deepEqual(await vm.run("return ...", { list: all, one: [{ n: 7n }] }), { list: all, one: [{ n: 7n }] });
  const text = "local x = ... return type(x) .. ' ' .. tostring(x)";
  t.is(await vm.run(text, most), "cdata 9223372036854775807LL");
  t.is(await vm.run(text, most + 1n), "cdata 9223372036854775808ULL");
  t.is(await vm.run(text, -1n), "cdata -1LL");
  t.is(await vm.run("local x = ... return x + 1", 9007199254740993n), 9007199254740994n);
  t.is(await vm.run("return 5LL"), 5n);
  t.is(await vm.run("return 18446744073709551615ULL"), 18446744073709551615n);
  t.is(await vm.run("return require('ffi').cast('int64_t', 5)"), 5n);
  t.is(await vm.run("local ffi = require('ffi') return ffi.new('size_t', 3)"), 3n);
  await vm.run("function twice(x) return { x * 2 } end");
  t.deepEqual(await vm.call("twice", 1n << 62n), [-(1n << 63n)]);
});

test("other cdata cannot leave Lua, nor be a key", async (t) => {
  const vm = await vmOf(t);
  const cannot = { code: "LUA_ERROR", message: "a value of this type cannot leave Lua" };
  const types = ["ffi.typeof('int64_t')", "ffi.typeof('uint64_t')", "ffi.new('int32_t', 5)", "ffi.new('int64_t[1]')"];
  for (const x of [...types, "ffi.new('struct { int64_t x; }')", "ffi.cast('int64_t *', 0)", "1i"])
    await t.throwsAsync(vm.run(`local ffi = require('ffi') return ${x}`), cannot, x);
  await t.throwsAsync(vm.run("return { [5LL] = 1 }"), { message: "a table key is neither a string nor a number" });
  t.is(await vm.run("package.loaded.ffi, tostring = nil, nil return 5LL"), 5n);
});

test("multiple: true resolves with all results; encoding: 'buffer' with bytes", async (t) => {
  const vm = await vmOf(t, { multiple: true, encoding: "buffer" });
  t.deepEqual(await vm.run("return nil, 'no such thing', 5"), [undefined, Buffer.from("no such thing"), 5]);
  t.deepEqual(await vm.run("local x = 1"), []);
});

test("globals stay between runs, call reaches functions by their dotted name", async (t) => {
  const vm = await vmOf(t);
  await vm.run("function add(a, b) return a + b end  app = { greet = function(n) return 'hello, ' .. n end }");
  t.is(await vm.call("add", 2, 3), 5);
  t.is(await vm.call("app.greet", "world"), "hello, world");
  t.is(await vm.call("string.rep", "ab", 3), "ababab");
});

test("what waits in Lua blocks neither JavaScript nor other runs", async (t) => {
  const vm = await vmOf(t);
  const order = [];
  await Promise.all([
    vm.run("ngx.sleep(0.15) return 1").then(() => order.push("slow")),
    vm.run("ngx.sleep(0.02) return 2").then(() => order.push("fast")),
    sleep(60).then(() => order.push("js")),
  ]);
  t.deepEqual(order, ["fast", "js", "slow"]);
});

test("a Lua error is a LuaError with position and traceback", async (t) => {
  const vm = await vmOf(t);
  const error = await t.throwsAsync(vm.run("local function deep() error('oops') end\ndeep()"), {
    instanceOf: LuaError,
  });
  t.true(error instanceof MoonwireError);
  t.is(error.code, "LUA_ERROR");
  t.is(error.message, "run:1: oops");
  t.regex(error.luaTraceback, /in function 'deep'/);
  await t.throwsAsync(vm.run("return +"), { instanceOf: LuaError, message: /^run:1: unexpected symbol/ });
  await t.throwsAsync(vm.run("error({ code = 5 })"), { instanceOf: LuaError });
  await t.throwsAsync(vm.call("no.such"), { instanceOf: LuaError });
  t.is(await vm.run("return 'still alive'"), "still alive");
});

test("what cannot cross is named, on both sides", async (t) => {
  const vm = await vmOf(t);
  await t.throwsAsync(
    vm.run("return ...", () => 1),
    { code: "VALUE_UNSUPPORTED" },
  );
  await t.throwsAsync(vm.run("return print"), { message: /cannot leave Lua/ });
  await t.throwsAsync(vm.run("local t = {} t.t = t return t"), { instanceOf: LuaError });
});

test("options: a shared dictionary, a package path, code at start", async (t) => {
  const vm = await vmOf(t, { luaSharedDict: { d: "64k" }, luaPackagePath: "/nowhere/?.lua;;" });
  t.is(await vm.run("return ngx.shared.d:incr('n', 1, 0)"), 1);
  t.true((await vm.run("return package.path")).startsWith("/nowhere/?.lua;"));
  await t.throwsAsync(LuaVm.create({ luaSharedDict: { d: "many" } }), { instanceOf: ConfigError });
});

test("close ends what runs, a closed VM rejects", async (t) => {
  const vm = new LuaVm();
  const pending = vm.run("ngx.sleep(60)");
  await sleep(50);
  await Promise.all([vm.close(), t.throwsAsync(pending, { code: "VM_CLOSED" })]);
  await t.throwsAsync(vm.run("return 1"), { code: "VM_CLOSED" });
  await vm.close();
});

test("the settings of cosockets hold in it", async (t) => {
  const vm = await vmOf(t, { luaSocketLogErrors: false, resolver: "127.0.0.1:1", resolverTimeout: "50ms" });
  const code = `local s = ngx.socket.tcp() return select(2, s:connect("name.test", 80))`;
  t.is(await vm.run(code), "name.test could not be resolved (110: Operation timed out)");
});
