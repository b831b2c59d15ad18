// SPDX-License-Identifier: MIT
// drizzle_pass and rds_json against a real MariaDB: results in both formats, errors and their statuses, timeouts, pools.
import test from "ava";
import { mariadb } from "../helpers/backend.js";
import { startMoonwire } from "../helpers/index.js";
import { column, EOF, error, greeting, mysqlServer, OK, packet, text } from "../helpers/mysql.js";

const database = mariadb(test, {
  sql: `CREATE DATABASE app CHARACTER SET utf8mb4;
CREATE USER app@'%' IDENTIFIED BY 'secret';
GRANT ALL ON *.* TO app@'%';
CREATE TABLE app.cats (id integer, name text);
INSERT INTO app.cats VALUES (2, null), (3, 'bob');
CREATE TABLE app.kinds (n int(4) zerofill, big bigint, price decimal(6,2), ratio double, at datetime, b bit(3), note varchar(30));
INSERT INTO app.kinds VALUES (7, 9007199254740993, 1.50, 0.005, '2026-11-28 13:14:15', 2, 'a "b"\\\\ \\n\\t\\b\\Z</x>');
`,
});

const upstream = (server, more = "") =>
  `upstream db { drizzle_server 127.0.0.1:${server.port} dbname=app user=app password=secret protocol=mysql; ${more} }`;

/** A server with a location for each SQL: /NAME. */
function start(t, server, { http = "", more = "", locations }) {
  const each = Object.entries(locations).map(([name, text]) => `location = /${name} { drizzle_pass db; ${text} }`);
  return startMoonwire(t, { http: upstream(server, http), server: `${more} ${each.join("\n")}` });
}

test.serial("JSON: rows, statements, types, roots and properties", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const cats = 'drizzle_query "select * from cats order by id";';
  const s = await start(t, server, {
    more: "rds_json on;",
    locations: {
      rows: cats,
      compact: `${cats} rds_json_format compact;`,
      none: 'drizzle_query "select * from cats where id = 9";',
      "none-compact": 'drizzle_query "select * from cats where id = 9"; rds_json_format compact;',
      kinds: 'drizzle_query "select * from kinds";',
      root: `${cats} rds_json_root "the rows";`,
      all: `${cats} rds_json_success_property ok; set $who 'me"'; rds_json_user_property who $who; rds_json_user_property of "x$arg_x"; rds_json_format compact;`,
      update: `drizzle_query "update cats set name = 'bob' where name = 'bob'";`,
      insert:
        "drizzle_query \"insert into cats values ($arg_id, 'x')\"; rds_json_errcode_key code; rds_json_errstr_key text;",
      delete: 'drizzle_query "delete from cats where id = 4"; rds_json_success_property done; rds_json_root rows;',
      type: `${cats} rds_json_content_type text/x-json; drizzle_module_header off;`,
    },
  });
  const rows = await s.get("/rows");
  t.like(rows, { status: 200, body: '[{"id":2,"name":null},{"id":3,"name":"bob"}]' });
  t.is(rows.headers["content-type"], "application/json");
  t.regex(rows.headers["x-resty-dbd-module"], /^ngx_drizzle \d+\.\d+\.\d+$/);
  const body = async (path) => (await s.get(path)).body;
  t.is(await body("/compact"), '[["id","name"],[2,null],[3,"bob"]]');
  t.is(await body("/none"), "[]");
  t.is(await body("/none-compact"), '[["id","name"]]');
  t.is(
    await body("/kinds"),
    '[{"n":7,"big":9007199254740993,"price":1.50,"ratio":0.005,"at":"2026-11-28 13:14:15","b":"\\u0002","note":"a \\"b\\"\\\\ \\n\\t\\b\\u001a</x>"}]',
  );
  t.is(await body("/root"), '{"the rows":[{"id":2,"name":null},{"id":3,"name":"bob"}]}');
  t.is(await body("/all?x=1"), '{"ok":true,"who":"me\\"","of":"x1","data":[["id","name"],[2,null],[3,"bob"]]}');
  t.is(await body("/update"), '{"errcode":0,"errstr":"Rows matched: 1  Changed: 0  Warnings: 0"}');
  t.is(await body("/insert?id=4"), '{"code":0,"affected_rows":1}');
  t.is(await body("/delete"), '{"done":true,"errcode":0,"affected_rows":1}');
  const other = await s.get("/type");
  t.is(other.headers["content-type"], "text/x-json");
  t.is(other.headers["x-resty-dbd-module"], undefined);
  t.notRegex(s.log(), /\[error\]/);
});

test.serial("without rds_json: a Resty DBD Stream", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const s = await start(t, server, {
    locations: {
      rows: 'drizzle_query "select * from cats order by id";',
      update: `drizzle_query "update cats set name = 'bob' where name = 'bob'";`,
    },
  });
  const get = async (path) => {
    const answer = (await s.raw(`GET ${path} HTTP/1.0\r\n\r\n`)).toString("latin1");
    t.regex(answer, /\r\nContent-Type: application\/x-resty-dbd-stream\r\n/);
    return answer.slice(answer.indexOf("\r\n\r\n") + 4);
  };
  t.is(
    await get("/rows"),
    "\0\x03\0\0\0\0\0\0\0\0\0\0" +
      "\0".repeat(16) +
      "\x02\0" +
      "\x09\0\x03\0\x02\0id" +
      "\x13\x80\xfc\0\x04\0name" +
      "\x01\x01\0\0\x002\xff\xff\xff\xff" +
      "\x01\x01\0\0\x003\x03\0\0\0bob" +
      "\0",
  );
  const text = "Rows matched: 1  Changed: 0  Warnings: 0";
  t.is(await get("/update"), `\0\x03\0\0\0\0\0\0\0\0\x28\0${text}${"\0".repeat(18)}`);
});

test.serial("what goes wrong has a status and a line in the log", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const one = 'drizzle_query "select 1 as a";';
  const s = await startMoonwire(t, {
    http: `rds_json on; ${upstream(server, "drizzle_keepalive max=4;")}
      upstream wrong { drizzle_server 127.0.0.1:${server.port} user=app password=wrong; }
      upstream nobody { drizzle_server 127.0.0.1:1 user=app; }`,
    server: `
      location = /unknown { set $back blah-blah; drizzle_pass $back; ${one} }
      location = /empty-pass { set $back ""; drizzle_pass $back; ${one} }
      location = /variable { drizzle_pass $arg_up; ${one} }
      location = /no-query { drizzle_pass db; }
      location = /empty-query { drizzle_pass db; drizzle_query "$arg_none"; }
      location = /bad { drizzle_pass db; drizzle_query "select '32"; }
      location = /several { drizzle_pass db; drizzle_query "select 1; select 2"; }
      location = /gone { drizzle_pass db; drizzle_query "select * from app.nosuch"; }
      location = /wrong { drizzle_pass wrong; ${one} }
      location = /nobody { drizzle_pass nobody; ${one} }
      location = /slow { drizzle_pass db; drizzle_query "select sleep(20)"; drizzle_send_query_timeout 50ms;
        more_set_headers -s 504 "X-Mysql-Tid: $drizzle_thread_id"; }
      location = /id { drizzle_pass db; drizzle_query "select connection_id() as id"; more_set_headers "X-Id: $drizzle_thread_id"; }`,
  });
  const status = async (path) => (await s.get(path)).status;
  t.is(await status("/unknown"), 500);
  t.is(await status("/empty-pass"), 500);
  t.is((await s.get("/variable?up=db")).body, '[{"a":1}]');
  t.is(await status("/no-query"), 500);
  t.is(await status("/empty-query"), 500);
  t.is(await status("/bad"), 500);
  t.is(await status("/several"), 500);
  t.is(await status("/gone"), 410);
  t.is(await status("/wrong"), 502);
  t.is(await status("/nobody"), 502);
  const id = await s.get("/id");
  t.is(id.body, `[{"id":${id.headers["x-id"]}}]`);
  const again = await s.get("/id");
  t.is(again.headers["x-id"], id.headers["x-id"], "a pooled connection is known");
  const slow = await s.get("/slow");
  t.is(slow.status, 504);
  t.is(slow.headers["x-mysql-tid"], id.headers["x-id"]);
  t.not((await s.get("/id")).headers["x-id"], id.headers["x-id"], "what timed out is not used again");
  const log = s.log();
  t.regex(log, /\[error\] [^[]*drizzle: upstream "blah-blah" not found, client: /);
  t.regex(log, /drizzle: missing "drizzle_query" directive or empty query/);
  t.regex(log, /drizzle: Table 'app.nosuch' doesn't exist \(1146\) while sending query to drizzle upstream/);
  t.regex(log, /Access denied for user 'app'@'[^']+' \(using password: YES\) while connecting to drizzle upstream/);
  t.regex(log, /failed to connect: connection refused while connecting to drizzle upstream/);
  t.regex(log, /upstream timed out \(110: Connection timed out\) while sending query to drizzle upstream/);
});

test.serial("pools: overflow, turns of servers; large results; in a capture", async (t) => {
  const server = await database(t);
  if (!server) return t.pass();
  const account = "dbname=app user=app password=secret";
  const s = await startMoonwire(t, {
    http: `rds_json on; rds_json_format compact;
      upstream one { drizzle_server 127.0.0.1:${server.port} ${account}; drizzle_keepalive max=1 overflow=reject; }
      upstream two { drizzle_server 127.0.0.1:${server.port} ${account}; drizzle_server unix:${server.socket} ${account}; drizzle_keepalive max=9 mode=multi; }`,
    server: `
      location = /sleep { drizzle_pass one; drizzle_query "select sleep(0.3)"; }
      location = /host { drizzle_pass two; drizzle_query "select substring_index(host, ':', 1) as h from information_schema.processlist where id = connection_id()"; }
      location = /large { drizzle_pass two; drizzle_query "select seq, repeat('x', 100) as x from seq_1_to_30000"; }
      location = /capture { content_by_lua_block {
        local res = ngx.location.capture("/large") local rows = require("cjson").decode(res.body) ngx.print(res.status, " ", #rows, " ", rows[30001][1]) } }`,
  });
  const answers = await Promise.all([s.get("/sleep"), s.get("/sleep"), s.get("/sleep")]);
  t.deepEqual(answers.map((a) => a.status).sort(), [200, 503, 503]);
  t.is((await s.get("/sleep")).status, 200);
  const hosts = [(await s.get("/host")).body, (await s.get("/host")).body, (await s.get("/host")).body];
  t.deepEqual(hosts, ['[["h"],["127.0.0.1"]]', '[["h"],["localhost"]]', '[["h"],["127.0.0.1"]]']);
  const large = JSON.parse((await s.get("/large")).body);
  t.deepEqual([large.length, large[30_000][0], large[1][1].length], [30_001, 30_000, 100]);
  t.is((await s.get("/capture")).body, "200 30001 30000");
});

test("a result that breaks off breaks the response", async (t) => {
  const rows = (...payloads) =>
    Buffer.concat([Buffer.from([1]), column("a", 3), EOF, text("1"), ...payloads].map((p, i) => packet(i + 1, p)));
  const ends = {
    error: rows(error(1317, "70100", "Query execution was interrupted")),
    malformed: rows(Buffer.from([5, 0x31]), EOF),
    closed: rows(),
  };
  const port = await mysqlServer(t, async (io) => {
    await io.send(greeting({ plugin: "mysql_native_password", scramble: Buffer.alloc(20, "x") }));
    await io.receive();
    await io.send(OK);
    const query = (await io.receive())?.toString("latin1", 1);
    await io.raw(ends[query]);
    io.end();
  });
  const s = await startMoonwire(t, {
    http: `upstream db { drizzle_server 127.0.0.1:${port} user=app protocol=mysql; }`,
    server: `
      location = /q { drizzle_pass db; drizzle_query $arg_q; rds_json on; drizzle_buffer_size 1; }
      location = /capture { content_by_lua_block {
        local res = ngx.location.capture("/q?q=" .. ngx.var.arg_q) ngx.print(tostring(res.truncated)) } }`,
  });
  for (const end of ["error", "malformed", "closed"]) {
    await t.throwsAsync(s.get(`/q?q=${end}`), undefined, end);
    t.is((await s.get(`/capture?q=${end}`)).body, "true", end);
  }
  t.regex(s.log(), /Query execution was interrupted while receiving rows from drizzle upstream/);
  t.regex(s.log(), /malformed packet while receiving rows from drizzle upstream/);
});
