// SPDX-License-Identifier: MIT
// resty.mysql against a real MariaDB: results of every kind, types, sizes, several statements, pools, plugins, failures.
import test from "ava";
import { mariadb } from "../helpers/backend.js";
import { startMoonwire } from "../helpers/index.js";

const database = mariadb(test, {
  sql: `CREATE DATABASE app CHARACTER SET utf8mb4;
CREATE USER app@'%' IDENTIFIED BY 'secret';
GRANT ALL ON *.* TO app@'%';
CREATE USER empty@'%';
CREATE USER signer@'%' IDENTIFIED VIA ed25519 USING PASSWORD('a longer secret than the seed of a key');
SET GLOBAL secure_auth = 0;
CREATE USER old@'%' IDENTIFIED VIA mysql_old_password USING '41c49deb0f452294';
`,
  args: ["--plugin-load-add=auth_ed25519", "--max-allowed-packet=64M"],
});

/** The lines that `code` says, with `db` connected. */
async function run(t, server, code) {
  const s = await startMoonwire(t, {
    server: `location /t { content_by_lua_block {
      local mysql, cjson = require "resty.mysql", require "cjson"
      local account = { host = "127.0.0.1", port = ${server.port}, user = "app", password = "secret", database = "app", pool = ngx.var.request_id }
      local function new() local db = assert(mysql:new()) db:set_timeout(60000) return db end
      local function with(more) local opts = {} for k, v in pairs(account) do opts[k] = v end for k, v in pairs(more or {}) do opts[k] = v end return opts end
      local function open(more) local db = new() assert(db:connect(with(more))) return db end
      local function show(...)
        local out = {}
        for i = 1, select("#", ...) do
          local v = select(i, ...)
          out[i] = v == nil and "nil" or v == ngx.null and "null" or type(v) == "table" and cjson.encode(v) or tostring(v)
        end
        ngx.say(table.concat(out, " "))
      end
      local db = open()
      ${code} } }`,
  });
  const answer = await s.get("/t", { timeout: 110_000 });
  t.is(answer.status, 200, s.log());
  return answer.body.trimEnd().split("\n");
}

test.serial("statements, rows, errors, several results", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const lines = await run(
    t,
    server,
    `show((db:server_ver()):match("%d+%.%d+%.%d+%-MariaDB") ~= nil, db:connection_id() == tonumber(db:query("select connection_id() as id")[1].id))
    local created = db:query("create temporary table cats (id serial primary key, name varchar(5))") show(created.affected_rows, created.warning_count)
    local r = db:query("insert into cats (name) values ('Bob'),(''),(null)") show(r.affected_rows, r.insert_id, r.message)
    r = db:query("update cats set name = 'Bob' where name = 'Bob'") show(r.affected_rows, r.message)
    r = db:query("select id, name from cats order by id", 3) for _, row in ipairs(r) do show(row.id, row.name) end show(#r)
    show(db:query("select 1 as a where 0")) show(db:query("select * from nosuch")) show(db:query("no sql"))
    show(db:query("select 1 as a; select 2 as a; set @x = 1; select @x as a"))
    show(db:query("select 1")) show(db:set_keepalive()) show(db:read_result())
    local ok, again = db:read_result() show(ok.affected_rows, again) show(db:read_result()) show(db:read_result())
    show(db:query("select 1 as a; select * from nosuch")) show(db:read_result()) show(db:query("select 5 as a"))
    db:set_compact_arrays(true) show(db:query("select 1 as a, 'x' as b, null as c union select 2, '', 3"))
    show(db:send_query("select 7 as a") > 0, db:read_result()) show(db:query(""))
    show(db:close()) show(db:close()) show(db:query("select 1"))
    show(new():connect {}) show(new():connect { path = "/nosuch" }) show(new():connect(with { charset = "utf-8" }))
    local single = open { multi_statements = false, found_rows = false, compact_arrays = true }
    show((single:query("select 1; select 2"))) single:query("create temporary table t (a int)") single:query("insert into t values (1)")
    show((single:query("update t set a = 1")).affected_rows, (single:query("select a from t")))`,
  );
  t.deepEqual(lines, [
    "true true",
    "0 0",
    "3 1 Records: 3  Duplicates: 0  Warnings: 0",
    "1 Rows matched: 1  Changed: 0  Warnings: 0",
    "1 Bob",
    "2 ",
    "3 null",
    "3",
    "{}",
    "nil Table 'app.nosuch' doesn't exist 1146 42S02",
    lines[10],
    '[{"a":1}] again',
    "nil failed to send query: cannot send query in the current context: 2",
    "nil cannot be reused in the current connection state: 2",
    '[{"a":2}] again',
    "0 again",
    lines[16],
    "nil cannot read result in the current context: 1",
    '[{"a":1}] again',
    "nil Table 'app.nosuch' doesn't exist 1146 42S02",
    '[{"a":5}]',
    '[[1,"x",null],[2,"",3]]',
    "true [[7]]",
    "nil Query was empty 1065 42000",
    "1",
    "nil closed",
    "nil failed to send query: cannot send query in the current context: nil",
    'nil neither "host" nor "path" options are specified',
    "nil failed to connect: no such file or directory",
    "nil charset 'utf-8' is not supported",
    "nil",
    "0 [[1]]",
  ]);
  t.regex(lines[10], /^nil You have an error in your SQL syntax.* 1064 42000$/);
  t.regex(lines[16], /^\[\{"a":"?1"?\}\]$/);
});

test.serial("types of columns; procedures; character sets; binary data", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const lines = await run(
    t,
    server,
    `local kinds = { "tinyint", "smallint", "mediumint", "int", "bigint", "decimal(10,2)", "float", "double", "bit(4)", "year", "date", "time", "datetime", "timestamp",
      "char(5)", "varchar(5)", "binary(3)", "varbinary(3)", "tinytext", "text", "mediumtext", "longtext", "blob", "enum('a','b')", "set('a','b')", "json", "geometry" }
    local values = { "-1", "-300", "70000", "-5", "9007199254740993", "12.50", "1.5", "-2.25", "5", "2026", "'2026-11-28'", "'13:14:15'", "'2026-11-28 13:14:15'",
      "'2026-11-28 13:14:15'", "'abc'", "'abc'", "'ab'", "'ab'", "'a'", "'a'", "'a'", "'a'", "'a'", "'b'", "'a,b'", "'[1]'", "null" }
    local columns = {}
    for i, kind in ipairs(kinds) do columns[i] = "c" .. i .. " " .. kind .. " null" end
    assert(db:query("create temporary table kinds (" .. table.concat(columns, ",") .. ")"))
    assert(db:query("insert into kinds values (" .. table.concat(values, ",") .. ")"))
    local row = assert(db:query("select * from kinds"))[1]
    for i, kind in ipairs(kinds) do local v = row["c" .. i] show(kind, type(v), type(v) == "string" and ("%q"):format(v) or v) end
    assert(db:query("create or replace procedure three() begin select 1 as a; select 2 as b; end"))
    show(db:query("call three()")) show(db:read_result()) local ok, again = db:read_result() show(ok.affected_rows, again)
    local all = {} for i = 0, 255 do all[i + 1] = string.char(i) end all = table.concat(all)
    local bin = open { charset = "binary" }
    show(bin:query("select " .. ngx.quote_sql_str(all) .. " as a")[1].a == all, bin:query("select @@character_set_client as c")[1].c)
    show(open { charset = "utf8mb4" }:query("select '\\xf0\\x9f\\x98\\x80' as a, @@character_set_client as c")[1])
    show(open { charset = "latin1" }:query("select '\\xe9' as a, @@character_set_client as c, convert(_latin1'\\xe9' using utf8mb4) = '\\xe9' as same")[1].same)`,
  );
  t.deepEqual(lines.slice(0, 27), [
    "tinyint number -1",
    "smallint number -300",
    "mediumint number 70000",
    "int number -5",
    'bigint string "9007199254740993"',
    "decimal(10,2) number 12.5",
    "float number 1.5",
    "double number -2.25",
    'bit(4) string "\\5"',
    "year number 2026",
    'date string "2026-11-28"',
    'time string "13:14:15"',
    'datetime string "2026-11-28 13:14:15"',
    'timestamp string "2026-11-28 13:14:15"',
    'char(5) string "abc"',
    'varchar(5) string "abc"',
    'binary(3) string "ab\\0"',
    'varbinary(3) string "ab"',
    'tinytext string "a"',
    'text string "a"',
    'mediumtext string "a"',
    'longtext string "a"',
    'blob string "a"',
    "enum('a','b') string \"b\"",
    "set('a','b') string \"a,b\"",
    'json string "[1]"',
    "geometry userdata null",
  ]);
  t.deepEqual(lines.slice(27), ['[{"a":1}] again', '[{"b":2}] again', "0 nil", "true binary", lines[31], "1"]);
  t.deepEqual(JSON.parse(lines[31]), { a: "\u{1f600}", c: "utf8mb4" });
});

test.serial("packets at and over 16 MiB, both ways; max_packet_size", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const lines = await run(
    t,
    server,
    `db:close() db = open { max_packet_size = 64 * 1024 * 1024 }
    for _, n in ipairs { 250, 251, 65535, 65536, 16777214, 16777215, 16777216 } do
      local query = "select length('" .. ("x"):rep(n - 23) .. "') as n"
      local got = assert(db:query(query))[1].n
      local row = assert(db:query("select repeat('y', " .. n .. " - 4) as a, 'end' as b"))[1]
      show(n, #query + 1 - n, tonumber(got) == n - 23, #row.a == n - 4, row.b)
    end
    db = open { max_packet_size = 1000 }
    show(#db:query("select repeat('y', 990) as a")[1].a) show(db:query("select repeat('y', 2000) as a")) show(db:close())
    show(open():query("select repeat('y', 1048577) as a"))
    local many = open() many:query("create temporary table n (a int)") local list = {} for i = 1, 20000 do list[i] = "(" .. i .. ")" end
    many:query("insert into n values " .. table.concat(list, ","))
    local sum, rows = 0, many:query("select a from n", 20000) for _, row in ipairs(rows) do sum = sum + row.a end show(#rows, sum)`,
  );
  t.deepEqual(lines, [
    ...[250, 251, 65535, 65536, 16777214, 16777215, 16777216].map((n) => `${n} 0 true true end`),
    "990",
    "nil packet size too big: 2003 nil nil",
    "nil closed",
    "nil packet size too big: 1048581 nil nil",
    "20000 200010000",
  ]);
});

test.serial("pools, unix sockets, plugins", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const lines = await run(
    t,
    server,
    `local id, version = db:connection_id(), db:server_ver() show(db:get_reused_times(), db:set_keepalive(10000, 10)) show(db:query("select 1"))
    db = open() show(db:get_reused_times(), db:connection_id() == id, db:server_ver() == version, db:query("select 2 as a"))
    db:send_query("select 3") show(db:set_keepalive()) db:close()
    db = open() show(db:get_reused_times()) local other = open() other:query("kill " .. db:connection_id())
    db:set_keepalive() ngx.sleep(0.05) show(open():get_reused_times())
    account.port = nil account.host = nil account.path = "${server.socket}"
    db = open() show(db:query("select database() as d")) show(db:set_keepalive(), open():get_reused_times())
    for _, user in ipairs { { "app", "wrong" }, { "nobody", "x" }, { "empty", "" }, { "empty", "x" }, { "signer", "a longer secret than the seed of a key" }, { "signer", "" },
      { "old", "secret pass" }, { "old", "secret pasx" } } do
      show(user[1], new():connect { path = "${server.socket}", user = user[1], password = user[2] })
    end
    show(new():connect { host = "127.0.0.1", port = ${server.port}, user = "signer", password = "a longer secret than the seed of a key" })
    show(new():connect(with { database = "nosuch", pool = "other" })) show(new():connect(with { ssl = true, pool = "another" }))`,
  );
  const denied = (user, password = "YES") =>
    `nil Access denied for user '${user}'@'localhost' (using password: ${password}) 1045 28000`;
  t.deepEqual(lines, [
    "0 1",
    "nil failed to send query: cannot send query in the current context: nil",
    '1 true true [{"a":2}]',
    "nil cannot be reused in the current connection state: 2",
    "0",
    "0",
    '[{"d":"app"}]',
    "1 1",
    `app ${denied("app")}`,
    lines[9],
    "empty 1",
    `empty ${denied("empty")}`,
    "signer 1",
    `signer ${denied("signer")}`,
    "old 1",
    `old ${denied("old")}`,
    "1",
    "nil Unknown database 'nosuch' 1049 42000",
    "nil ssl disabled on server nil nil",
  ]);
  t.regex(lines[9], /^nobody nil Access denied for user 'nobody'@'localhost'.* 28000$/);
});

test.serial("timeouts, and connections that the server ends", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const lines = await run(
    t,
    server,
    `db:set_timeout(30) show(db:query("select sleep(0.3) as a")) show(db:set_keepalive()) db:set_timeout(20000) show(db:read_result()) show(db:query("select 1 as a"))
    local other = open() show(other:query("kill " .. db:connection_id()) ~= nil) ngx.sleep(0.05)
    local res, err = db:query("select 1") show(res, err and (err:find("closed", 1, true) or err:find("killed", 1, true) or err:find("reset", 1, true) or err:find("broken", 1, true)) ~= nil)
    local sleeper = open()
    ngx.thread.spawn(function() ngx.sleep(0.05) other:query("kill query " .. sleeper:connection_id()) end)
    show((sleeper:query("select sleep(30) as a"))) show(sleeper:query("select 4 as a"))
    ngx.thread.spawn(function() ngx.sleep(0.05) other:query("kill " .. sleeper:connection_id()) end)
    res, err = sleeper:query("select sleep(30) as a") show(res, err ~= nil)`,
  );
  t.deepEqual(lines, [
    "nil failed to receive packet header: timeout",
    "nil cannot be reused in the current connection state: 2",
    '[{"a":0}]',
    '[{"a":1}]',
    "true",
    "nil true",
    lines[6],
    '[{"a":4}]',
    "nil true",
  ]);
});

test.serial("a server that dies", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block {
      local db = require("resty.mysql"):new() db:set_timeout(20000)
      assert(db:connect { host = "127.0.0.1", port = ${server.port}, user = "app", password = "secret" })
      ngx.say("ready") ngx.flush(true)
      local res, err = db:query("select sleep(60)") ngx.say(tostring(res), " ", err) ngx.say(tostring((db:query("select 1")))) } }`,
  });
  const answer = s.get("/");
  await new Promise((next) => setTimeout(next, 300));
  await server.kill();
  t.regex(
    (await answer).body,
    /^ready\nnil failed to receive packet header: (closed|connection reset by peer)\nnil\n$/,
  );
});
