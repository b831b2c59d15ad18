// SPDX-License-Identifier: MIT
// What LuaRocks installs with `--tree lua_modules` is found without a setting, in workers, LuaVms, thread pools and
// `moonwire run`. The rocks come from a server directory that the test makes; nothing is fetched.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { LuaVm } from "moonwire";
import { foreignEnv } from "../helpers/foreign.js";
import { makePrefix, removePrefix, runMoonwire, startMoonwire, writeFile } from "../helpers/index.js";

const isHere = spawnSync("luarocks", ["--version"], { env: foreignEnv() }).status === 0;
const tree = { share: "lua_modules/share/lua/5.1", lib: "lua_modules/lib/lua/5.1" };

const rocks = {
  greeting: {
    modules: { greeting: "init.lua", "greeting.words": "words.lua" },
    files: {
      "init.lua": `local words = require "greeting.words" return { of = function(name) return words.hello .. ", " .. name end }`,
      "words.lua": `return { hello = "hello" }`,
    },
  },
  // Keeps its state in the VM that loaded it, as C modules should; `luaopen_` finds lua_* in the addon.
  tally: {
    dependencies: ["greeting >= 1.0"],
    modules: { tally: "tally.lua", "tally.core": "core.c" },
    files: {
      "tally.lua": `local core = require "tally.core" return { new = core.new, greet = require("greeting").of }`,
      "core.c": `#include <lua.h>
        #include <lauxlib.h>
        static int add(lua_State *L) {
          lua_Number *sum = luaL_checkudata(L, 1, "tally");
          lua_pushnumber(L, *sum += luaL_checknumber(L, 2));
          return 1;
        }
        static int new_tally(lua_State *L) {
          *(lua_Number *)lua_newuserdata(L, sizeof(lua_Number)) = 0;
          luaL_getmetatable(L, "tally");
          lua_setmetatable(L, -2);
          return 1;
        }
        int luaopen_tally_core(lua_State *L) {
          luaL_newmetatable(L, "tally");
          lua_pushvalue(L, -1);
          lua_setfield(L, -2, "__index");
          lua_pushcfunction(L, add);
          lua_setfield(L, -2, "add");
          lua_newtable(L);
          lua_pushcfunction(L, new_tally);
          lua_setfield(L, -2, "new");
          return 1;
        }`,
    },
  },
};

/** Runs a command to its end, in `cwd`, with a home folder of its own; throws what it wrote where it fails. */
function command(cwd, name, ...args) {
  const env = foreignEnv({ HOME: cwd, LUA_PATH: undefined, LUA_CPATH: undefined });
  const r = spawnSync(name, args, { cwd, env, encoding: "utf8" });
  if (r.status !== 0) throw new Error(`${name} ${args.join(" ")}: ${r.error ?? ""}${r.stdout}${r.stderr}`);
  return r.stdout;
}

/** A rocks server directory in `home` with the rocks above. */
function makeServer(home) {
  mkdirSync(join(home, "server"));
  for (const [name, { modules, files, dependencies = [] }] of Object.entries(rocks)) {
    for (const [file, text] of Object.entries(files)) writeFile(home, `${name}-1.0/${file}`, text);
    const list = Object.entries(modules).map(([module, file]) => `["${module}"] = "${file}"`);
    writeFile(
      home,
      `${name}-1.0-1.rockspec`,
      `package = "${name}" version = "1.0-1"
      source = { url = "file://${home}/${name}-1.0.tar.gz" }
      dependencies = { ${dependencies.map((d) => `"${d}"`).join(", ")} }
      build = { type = "builtin", modules = { ${list.join(", ")} } }\n`,
    );
    command(home, "tar", "czf", `${name}-1.0.tar.gz`, `${name}-1.0`);
    command(join(home, "server"), "luarocks", "--lua-version", "5.1", "pack", `../${name}-1.0-1.rockspec`);
  }
  command(home, "luarocks-admin", "--lua-version", "5.1", "make_manifest", "server");
  return join(home, "server");
}

let project = ""; // with lua_modules

test.before((t) => {
  if (!isHere) return t.log("no luarocks here");
  t.timeout(120_000);
  project = makePrefix();
  const server = makeServer(project);
  const args = ["--tree", "lua_modules", "--lua-version", "5.1", "--only-server", server, "install", "tally"];
  command(project, "luarocks", ...args);
});
test.after.always(() => project && removePrefix(project));

/** Copies lua_modules into a prefix. */
const install = (prefix) => cpSync(join(project, "lua_modules"), join(prefix, "lua_modules"), { recursive: true });

const use = `local tally = require "tally" local one = tally.new() one:add(1)
  local answer = tally.greet("rocks") .. " " .. one:add(41.5)`;

test("a rock with a C module, and the one that it depends on: in two workers and a thread pool", async (t) => {
  if (!isHere) return t.pass();
  const s = await startMoonwire(t, {
    main: "worker_processes 2; thread_pool rocks threads=2;",
    files: { "job.lua": `return { run = function() ${use} return answer end }` },
    http: `lua_package_path "$prefix/?.lua;;";`,
    server: `location / { content_by_lua_block { ${use} ngx.say(ngx.worker.id(), " ", answer) } }
      location /pool { content_by_lua_block { ngx.say(ngx.run_worker_thread("rocks", "job", "run")) } }`,
  });
  install(s.prefix);
  const seen = new Set();
  for (let i = 0; i < 400 && seen.size < 2; i++) seen.add((await s.get("/")).body);
  t.deepEqual([...seen].sort(), ["0 hello, rocks 42.5\n", "1 hello, rocks 42.5\n"]);
  const answers = await Promise.all(Array.from({ length: 4 }, () => s.get("/pool")));
  t.deepEqual(new Set(answers.map((a) => a.body)), new Set(["truehello, rocks 42.5\n"]));
});

test("in several LuaVms at once, again and again", async (t) => {
  if (!isHere) return t.pass();
  for (let round = 0; round < 3; round++) {
    const vms = await Promise.all(Array.from({ length: 4 }, () => LuaVm.create({ prefix: project })));
    const answers = await Promise.all(vms.map((vm) => vm.run(`${use} return answer`)));
    t.deepEqual(answers, Array(4).fill("hello, rocks 42.5"));
    await Promise.all(vms.map((vm) => vm.close()));
  }
});

test("moonwire run: below the working directory, with another prefix too", async (t) => {
  if (!isHere) return t.pass();
  const here = await runMoonwire(["run", "-e", `${use} print(answer)`], { cwd: project });
  t.is(here.stdout, "hello, rocks 42.5\n", here.stderr);
  const there = await runMoonwire(["run", "--prefix", "/tmp", "-e", `${use} print(answer)`], { cwd: project });
  t.is(there.stdout, "hello, rocks 42.5\n", there.stderr);
});

const say = (module) => `location /${module} { content_by_lua_block { ngx.say(require("${module}").from) } }`;
const from = (text) => `return { from = "${text}" }`;

test("the user's copy of a bundled module wins; lua_package_path decides about the rest", async (t) => {
  const files = {
    [`${tree.share}/resty/redis.lua`]: from("lua_modules"),
    [`${tree.share}/both.lua`]: from("lua_modules"),
    [`${tree.share}/folder/init.lua`]: from("lua_modules"),
    "first/both.lua": from("before"),
    "last/both.lua": from("behind"),
    "last/other.lua": from("behind"),
  };
  const server = ["resty.redis", "resty.memcached", "both", "folder", "other"].map(say).join("\n");
  const ask = async (http) => {
    const s = await startMoonwire(t, { files, http, server });
    const names = ["resty.redis", "resty.memcached", "both", "folder", "other"];
    return Promise.all(names.map(async (name) => (await s.get(`/${name}`)).body.trim().slice(0, 20)));
  };
  const failed = "<html>\r\n<head><title";
  t.deepEqual(await ask(""), ["lua_modules", "nil", "lua_modules", "lua_modules", failed]);
  const around = `lua_package_path "$prefix/first/?.lua;;$prefix/last/?.lua";`;
  t.deepEqual(await ask(around), ["lua_modules", "nil", "before", "lua_modules", "behind"]);
  const alone = `lua_package_path "$prefix/last/?.lua";`;
  t.deepEqual(await ask(alone), ["nil", "nil", "behind", failed, "behind"]);
});

test("LUA_PATH and LUA_CPATH stand behind lua_modules; ;; in them is Lua's default", async (t) => {
  const cwd = makePrefix({ [`${tree.share}/both.lua`]: from("lua_modules"), "env/both.lua": from("env") });
  t.teardown(() => removePrefix(cwd));
  const env = { LUA_PATH: `${cwd}/env/?.lua;;`, LUA_CPATH: `;;${cwd}/env/?.so` };
  const code = `print(require("both").from) print(package.path) print(package.cpath)`;
  const { stdout, stderr } = await runMoonwire(["run", "-e", code], { cwd, env });
  const [both, path, cpath] = stdout.split("\n");
  t.is(both, "lua_modules", stderr);
  const own = `${cwd}/${tree.share}`;
  t.true(
    path.startsWith(`${own}/?.lua;${own}/?/init.lua;${cwd}/env/?.lua;./?.lua;/usr/local/share/lua/5.1/?.lua;`),
    path,
  );
  t.true(cpath.startsWith(`${cwd}/${tree.lib}/?.so;./?.so;`) && cpath.endsWith(`;${cwd}/env/?.so`), cpath);
  t.notRegex(path + cpath, /;;/);
});

test("a broken C module says what is wrong with it, and the worker goes on", async (t) => {
  const files = {
    "nosymbol.c": "int other(void) { return 1; }",
    "unknown.c": "int lua_nosuch(void); int luaopen_unknown(void *L) { return lua_nosuch(); }",
  };
  const s = await startMoonwire(t, {
    files: { ...files, [`${tree.lib}/text.so`]: "this is no library\n".repeat(100) },
    server: `location / { content_by_lua_block {
      local ok, err = pcall(require, ngx.var.arg_m) ngx.say(ok and "loaded" or err) } }`,
  });
  for (const name of ["nosymbol", "unknown"])
    command(s.prefix, "cc", "-shared", "-fPIC", "-o", `${tree.lib}/${name}.so`, `${name}.c`);
  const ask = async (name) => (await s.get(`/?m=${name}`)).body.replaceAll(`${s.prefix}/`, "");
  const head = (name) => `error loading module '${name}' from file '${tree.lib}/${name}.so':\n\t`;
  t.is(await ask("text"), `${head("text")}${tree.lib}/text.so: invalid ELF header\n`);
  t.regex(await ask("nosymbol"), new RegExp(`^${head("nosymbol")}.*undefined symbol: luaopen_nosymbol\n$`));
  t.regex(await ask("unknown"), new RegExp(`^${head("unknown")}.*undefined symbol: lua_nosuch\n$`));
  t.regex(await ask("absent"), /^module 'absent' not found:.*no file 'lua_modules\/lib\/lua\/5\.1\/absent\.so'/s);
});
