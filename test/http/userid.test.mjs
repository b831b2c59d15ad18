// SPDX-License-Identifier: MIT
// userid: cookies by which clients are known again. The cases run against nginx too, see test/helpers/wire.js.
import test from "ava";
import { openWire, startServer } from "../helpers/wire.js";
import { waitFor } from "../helpers/process.js";

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");
const server = `userid on; default_type text/plain; add_header X-Got $uid_got; add_header X-Set $uid_set;
  location / { return 200 x; }
  location /v1 { userid v1; userid_service 7; return 200 x; }
  location /service { userid_service 65534; return 200 x; }
  location /log { userid log; return 200 x; }
  location /off { userid off; return 200 x; }
  location /all { userid_name id; userid_domain h.test; userid_path /all; userid_expires max; userid_p3p 'CP="X"';
    userid_mark M; userid_flags secure samesite=lax httponly; return 200 x; }
  location /hour { userid_expires 1h; return 200 x; }
  location /reset { set $uid_reset $arg_r; return 200 x; }`;

const start = async (t) => {
  const s = await startServer(t, { server });
  const wire = openWire(t, s);
  const ask = async (path, ...fields) => {
    const { headers } = await wire.send(get(path, ...fields)).response();
    const [cookie, ...more] = (headers["set-cookie"]?.[0] ?? "").split("; ");
    return { cookie, more, got: headers["x-got"]?.[0], set: headers["x-set"]?.[0], p3p: headers.p3p };
  };
  return { s, ask };
};

test("a client gets a cookie, and is known by it", async (t) => {
  const { ask } = await start(t);
  const first = await ask("/");
  t.regex(first.cookie, /^uid=[A-Za-z0-9+/]{22}==$/);
  t.deepEqual(first.more, ["path=/"]);
  t.is(first.got, undefined);
  t.regex(first.set, /^uid=0100007F[0-9A-F]{24}$/);
  const bytes = Buffer.from(first.cookie.slice(4), "base64");
  t.is(
    first.set,
    "uid=" +
      [0, 4, 8, 12]
        .map((at) => bytes.readUInt32LE(at).toString(16).padStart(8, "0"))
        .join("")
        .toUpperCase(),
  );
  const again = await ask("/", `Cookie: a=b; ${first.cookie}`);
  t.is(again.cookie, "");
  t.is(again.got, first.set);
  t.is(again.set, undefined);
  t.not((await ask("/")).set, first.set);
});

test("v1, log, off, and the server's number", async (t) => {
  const { ask } = await start(t);
  t.regex((await ask("/v1")).set, /^uid=00000007/);
  t.regex((await ask("/service")).set, /^uid=FEFF0000/);
  const { cookie, set } = await ask("/");
  for (const path of ["/log", "/off"]) t.is((await ask(path)).cookie, "", path);
  t.is((await ask("/log", `Cookie: ${cookie}`)).got, set);
  t.is((await ask("/off", `Cookie: ${cookie}`)).got, undefined);
});

test("name, domain, path, expires, P3P, mark and flags", async (t) => {
  const { ask } = await start(t);
  const all = await ask("/all");
  t.regex(all.cookie, /^id=.{22}M=$/);
  t.deepEqual(all.more, [
    "expires=Thu, 31-Dec-37 23:55:55 GMT",
    "domain=h.test",
    "path=/all",
    "secure",
    "httponly",
    "samesite=lax",
  ]);
  t.deepEqual(all.p3p, ['CP="X"']);
  t.is((await ask("/all", `Cookie: ${all.cookie}`)).cookie, "", "it has the mark");
  const other = await ask("/all", `Cookie: ${all.cookie.replace("M=", "==")}`);
  t.is(other.cookie, all.cookie, "the same, marked anew");
  const [expires] = (await ask("/hour")).more;
  t.regex(expires, /^expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT$/);
});

test("$uid_reset replaces a cookie; what is no cookie is told and replaced", async (t) => {
  const { s, ask } = await start(t);
  const { cookie, set } = await ask("/");
  t.is((await ask("/reset?r=0", `Cookie: ${cookie}`)).cookie, "");
  t.is((await ask("/reset", `Cookie: ${cookie}`)).cookie, "");
  const fresh = await ask("/reset?r=1", `Cookie: ${cookie}`);
  t.not(fresh.cookie, cookie);
  t.is(fresh.got, set);
  await ask("/reset?r=log", `Cookie: ${cookie}`);
  t.regex((await ask("/", "Cookie: uid=short")).cookie, /^uid=/);
  t.regex((await ask("/", `Cookie: uid=${"!".repeat(24)}`)).cookie, /^uid=/);
  const log = () => s.log();
  await waitFor(() => new RegExp(`userid cookie "${set}" was reset`).test(log()), "the reset");
  await waitFor(() => /client sent too short userid cookie "uid=short"/.test(log()), "the short one");
  await waitFor(() => /client sent invalid userid cookie "uid=!+"/.test(log()), "the invalid one");
});
