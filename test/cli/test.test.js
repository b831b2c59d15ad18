// SPDX-License-Identifier: MIT
// `moonwire test`: specs in Lua inside the server that they test; what is reported, and the exit code.
import test from "ava";
import { makePrefix, removePrefix, runMoonwire } from "../helpers/index.js";

const conf = `events { }
http {
  lua_package_path "$prefix/lua/?.lua;;";
  lua_shared_dict hits 1m;
  error_log logs/nowhere/error.log;
  access_by_lua_block { if ngx.var.http_x_forbidden then return ngx.exit(403) end }
  server {
    listen 80;
    location /hello {
      content_by_lua_block {
        ngx.shared.hits:incr("n", 1, 0)
        ngx.req.read_body()
        ngx.say("hello, ", require("name")(), " ", ngx.req.get_method(), " ", ngx.req.get_body_data())
      }
    }
    location /fail { content_by_lua_block { error("broken") } }
  }
}
`;
const name = `return function() if ngx.var.arg_name == "bad" then error("bad name") end return ngx.var.arg_name or "nobody" end\n`;

async function run(t, files, ...args) {
  const cwd = makePrefix(files);
  t.teardown(() => removePrefix(cwd));
  const r = await runMoonwire(["test", ...args], { cwd });
  // The time that a test took varies.
  return { ...r, stdout: r.stdout.replace(/ \(\d+ ms\)/g, "").replace(/\(\d+\.\d s\)/, "(TIME)") };
}

const project = (spec) => ({ "nginx.conf": conf, "lua/name.lua": name, "spec/one_spec.lua": spec });

test("the whole ngx API inside a test, and requests to the configuration", async (t) => {
  const r = await run(
    t,
    project(`
      local test = require "moonwire.test"
      local name = require "name"
      describe("hello", function()
        it("is asked for", function()
          local response = test.request("/hello?name=you", { body = "data" })
          assert.equal(200, response.status)
          assert.equal("hello, you POST data\\n", response.body)
          assert.equal(1, ngx.shared.hits:get("n"))
        end)
        it("is forbidden", function()
          assert.equal(403, test.request({ path = "/hello", headers = { ["X-Forbidden"] = "1" } }).status)
        end)
        it("reads its own request", { path = "/?name=me", headers = { ["X-A"] = "1" }, body = "text" }, function()
          ngx.req.read_body()
          assert.same({ "me", "1", "POST", "text" }, { name(), ngx.var.http_x_a, "POST", ngx.req.get_body_data() })
          ngx.say("goes nowhere") ngx.flush(true)
        end)
        it("waits: sleep, timers, light threads, sockets", function()
          local log = {}
          ngx.timer.at(0, function() log[#log + 1] = "timer" end)
          local thread = ngx.thread.spawn(function() ngx.sleep(0.05) log[#log + 1] = "thread" end)
          ngx.thread.wait(thread)
          local sock = ngx.socket.tcp()
          assert(sock:connect("127.0.0.1", tonumber(test.url:match ":(%d+)$")))
          sock:send "GET /hello HTTP/1.0\\r\\n\\r\\n"
          assert.matches("^HTTP/1.1 200", sock:receive())
          assert.same({ "timer", "thread" }, log)
        end)
        it("finds what was logged", function()
          test.request "/fail"
          local last = test.logs()[#test.logs()]
          assert.equal("error", last.level)
          assert.matches("broken.*\\nstack traceback:\\n", last.message)
        end)
      end)`),
  );
  t.is(
    r.stdout,
    `spec/one_spec.lua
  hello
    ✓ is asked for
    ✓ is forbidden
    ✓ reads its own request
    ✓ waits: sleep, timers, light threads, sockets
    ✓ finds what was logged

5 passed, 0 failed (TIME)
`,
  );
  t.is(r.code, 0, r.stderr);
});

test("hooks run in busted's order, around tests that fail too", async (t) => {
  const r = await run(t, {
    "test/order_spec.lua": `
      local log = {}
      local function note(word) return function() log[#log + 1] = word end end
      setup(note "setup") teardown(function() print(table.concat(log, " ")) end)
      before_each(note "before") after_each(note "after")
      describe("inner", function()
        setup(note "(setup") teardown(note "teardown)")
        before_each(note "(before") after_each(note "after)")
        it("fails", function() finally(note "finally") log[#log + 1] = "fail" error("x") end)
        it("passes", note "pass")
      end)
      it("is outside", note "out")`,
  });
  t.regex(
    r.stdout,
    /^setup \(setup before \(before fail finally after\) after before \(before pass after\) after teardown\) before out after$/m,
  );
  t.regex(r.stdout, /2 passed, 1 failed/);
  t.is(r.code, 1);
});

test("a failure shows the values, the user's lines and the log", async (t) => {
  const r = await run(
    t,
    project(`
local name = require "name"
it("errors", { path = "/?name=bad" }, function() name() end)
it("compares", function() assert.same({ a = { 1, { b = "x" } } }, { a = { 1, { b = "y" } } }) end)
it("logs", function() assert.equal(200, require("moonwire.test").request("/fail").status) end)
it("says why", function() assert.is_true(false, "this is why") end)
`),
  );
  t.regex(
    r.stdout,
    /1\) errors\n {3}lua\/name.lua:1: bad name\n {3}lua\/name.lua:1: in function 'name'\n {3}spec\/one_spec.lua:3: in /,
  );
  t.regex(
    r.stdout,
    /2\) compares\n {3}Expected values to be the same\n[^]*They differ at \.a\[2\]\.b\n {3}spec\/one_spec.lua:4: /,
  );
  t.regex(
    r.stdout,
    /3\) logs\n.*\n {3}Passed in: \(number\) 500\n {3}Expected: {2}\(number\) 200\n {3}spec.*\n {3}error log:\n.*broken/,
  );
  t.regex(r.stdout, /4\) says why\n {3}this is why\n {3}Expected true\n {3}Passed in: \(boolean\) false\n/);
  t.notRegex(r.stdout, /\[moonwire\]|moonwire\/test/);
  t.is(r.code, 1);
});

test("every assertion, under its names, and not", async (t) => {
  const r = await run(t, {
    "spec/assert_spec.lua": `
      local function raises(pattern, fn, ...)
        local ok, err = pcall(fn, ...)
        assert(not ok, "nothing was raised")
        assert(tostring(err):find(pattern), tostring(err))
      end
      local t = {}
      it("holds", function()
        assert.equal(1, 1) assert.equals(t, t) assert.are.equal("a", "a") assert.are_not.equal({}, {}) assert.is_not.equal(1, 2)
        assert.same({ 1, { x = t } }, { 1, { x = {} } }) assert.are.same(0 / 0, 0 / 0) assert.are_not.same({ 1 }, { 1, 2 })
        local a, b = { 1 }, { 1 } a.a = a b.a = b assert.same(a, b)
        assert.is_true(true) assert.is.False(false) assert.True(true) assert.is_nil(nil) assert.is_not_nil(0) assert.is.Not.Nil(1)
        assert.truthy(0) assert.is_falsy(nil) assert.is_falsy(false) assert.is_not_truthy(nil)
        assert.is_string("") assert.is_number(1) assert.is_table({}) assert.is_function(print) assert.is_boolean(false)
        assert.is_not_table("x") assert.matches("^a.c$", "abc") assert.does.Not.match("x", "abc") assert.is_near(1, 1.05, 0.1)
        assert.has_error(function() error("plain", 0) end, "plain") assert.has.errors(function() error("placed") end, "placed")
        assert.has_error(function() error({ code = 1 }) end, { code = 1 }) assert.has_no.errors(function() end)
        assert.has_error_matches(function() error("abc") end, "b") assert.has.error.match(function() error("abc") end, "c$")
        assert.has_no_error(function() end)
        assert.equal(2, (select("#", assert(1, 2)))) assert(true)
      end)
      it("fails", function()
        raises("Expected values to be equal", assert.equal, 1, "1")
        raises("Expected not values to be equal", assert.are_not.equal, 1, 1)
        raises("differ at .b", assert.same, { a = 1, b = 2 }, { a = 1 })
        raises("differ at %[2%]", assert.same, { 1 }, { 1, 2 })
        raises("Expected true", assert.is_true, 1) raises("Expected nil", assert.is_nil, false)
        raises("Expected a string", assert.is_string, 1) raises("matches", assert.matches, "x", "abc")
        raises("matches", assert.matches, "x", nil) raises("within", assert.near, 1, 2, 0.5)
        raises("an error", assert.has_error, function() end) raises("Caught", assert.has_error, function() error("a") end, "b")
        raises("Expected not an error", assert.has_no.errors, function() error("a") end)
        raises("there is no assertion is_purple", assert.is_purple, 1)
        raises("assertion failed!", assert, nil) raises("^why$", assert, false, "why")
        raises("value expected", assert)
      end)`,
  });
  t.is(r.code, 0, r.stdout + r.stderr);
  t.regex(r.stdout, /2 passed, 0 failed/);
});

test("pending, --filter, --bail and TAP", async (t) => {
  const files = {
    "spec/a_spec.lua": `describe("a", function()
      it("later") pending("some day", function() error("never") end)
      it("gives up", function() pending("why not") error("never") end)
      it("#slow fails", function() assert.is_nil(1) end)
      it("passes", function() end)
    end)`,
    "spec/deep/b_spec.lua": `it("passes too", function() end)`,
    "spec/other.lua": `error("no spec")`,
  };
  const tap = await run(t, files, "--reporter=tap");
  t.deepEqual(
    tap.stdout.split("\n").filter((line) => !line.startsWith("#")),
    [
      "TAP version 13",
      "ok 1 - a later # SKIP pending",
      "ok 2 - a some day # SKIP pending",
      "ok 3 - a gives up # SKIP why not",
      "not ok 4 - a \\#slow fails",
      "ok 5 - a passes",
      "ok 6 - passes too",
      "1..6",
      "",
    ],
  );
  t.is(tap.code, 1);
  const bail = await run(t, files, "--bail", "-r", "tap");
  t.regex(bail.stdout, /not ok 4 - [^]*1\.\.4\n$/);
  const filter = await run(t, files, "--filter", "passes");
  t.is(filter.code, 0);
  t.is(filter.stdout.match(/✓/g).length, 2);
  const none = await run(t, files, "--filter", "nothing");
  t.is(none.stderr, 'moonwire: no test matches "nothing"\n');
  t.is(none.code, 1);
  const bad = await run(t, files, "-f", "(");
  t.is(bad.stderr, "error: option '-f, --filter <pattern>' argument '(' is invalid. unfinished capture\n");
  t.is(bad.code, 2);
});

test("mistakes are told with file and line, and the other files run", async (t) => {
  const r = await run(t, {
    "spec/error_spec.lua": `describe("x", function()\n  local y = nil + 1\nend)`,
    "spec/good_spec.lua": `it("passes", function() end)`,
    "spec/syntax_spec.lua": `describe("x", function()\n\n`,
  });
  t.regex(
    r.stdout,
    /1\) spec\/error_spec.lua\n {3}spec\/error_spec.lua:2: attempt to perform arithmetic on a nil value\n/,
  );
  t.regex(r.stdout, /2\) spec\/syntax_spec.lua\n {3}spec\/syntax_spec.lua:3: .* near '<eof>'\n/);
  t.regex(r.stdout, /1 passed, 2 failed/);
  t.is(r.code, 1);
  const none = await run(t, { "spec/readme.txt": "" });
  t.is(none.stderr, "moonwire: no specs found: expected spec/**/*_spec.lua and test/**/*_spec.lua\n");
  t.is(none.code, 1);
  const missing = await run(t, {}, "nope");
  t.is(missing.stderr, "moonwire: cannot read nope: no such file\n");
  const config = await run(t, { "nginx.conf": "http { bogus; }", "spec/a_spec.lua": "" });
  t.regex(config.stderr, /^nginx.conf:1:8: unknown directive "bogus"\n/);
  t.is(config.code, 1);
});

test("a test that waits too long, ends its request, or fails in its setup does not stop the others", async (t) => {
  const r = await run(
    t,
    {
      "app.conf": conf,
      "lua/name.lua": name,
      "a.lua": `
        it("hangs", function()
          ngx.sleep(600)
        end)
        it("exits", function() ngx.exit(403) end)
        it("spins", function() while true do end end)
        describe("bad", function()
          setup(function() error("no database") end)
          it("needs it", function() print("never") end)
        end)
        it("passes", function() end)`,
    },
    "--timeout=500",
    "--config",
    "app.conf",
    "a.lua",
  );
  t.regex(r.stdout, /1\) hangs\n {3}still running after 500 ms\n {3}a.lua:3: in function </);
  t.regex(r.stdout, /2\) exits\n {3}the test's own request was ended: by ngx.exit/);
  t.regex(r.stdout, /3\) spins\n {3}a.lua:6: handler has run for \d+ ms without waiting/);
  t.regex(r.stdout, /4\) bad needs it\n {3}setup: a.lua:8: no database\n/);
  t.notRegex(r.stdout, /never/);
  t.regex(r.stdout, /1 passed, 4 failed/);
});
