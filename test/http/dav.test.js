// SPDX-License-Identifier: MIT
// WebDAV: what the methods do to files, and what they refuse. All corners beside nginx: test/differential/modules-nginx.mjs.
import { existsSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { startServer } from "../helpers/api.js";

const server = `location / { root __PREFIX__/html; dav_methods PUT DELETE MKCOL COPY MOVE; }
  location /deep/ { alias __PREFIX__/html/; dav_methods PUT DELETE; create_full_put_path on; dav_access group:rw all:r;
    min_delete_depth 3; }
  location = /forward { content_by_lua_block {
    ngx.req.read_body()
    local res = ngx.location.capture("/kept.txt", { method = ngx.HTTP_PUT, always_forward_body = true })
    ngx.say(res.status, " ", ngx.req.get_body_data() or "in a file") } }`;

async function start(t) {
  const s = await startServer(t, {
    server,
    files: { "html/f.txt": "f", "html/g.txt": "g", "html/tree/a/b.txt": "b", "html/tree/c.txt": "c" },
  });
  const path = (name) => join(s.prefix, "html", name);
  return {
    s,
    path,
    text: (name) => (existsSync(path(name)) ? readFileSync(path(name), "utf8") : undefined),
    ask: async (method, target, headers = {}, body = undefined) =>
      (await s.get(target, { method, headers: { Host: "localhost", ...headers }, body })).status,
  };
}

test("PUT makes a file, or takes its place", async (t) => {
  const { s, ask, text, path } = await start(t);
  const made = await s.get("/new.txt", { method: "PUT", body: "first" });
  t.is(made.status, 201);
  t.regex(made.headers.location, /\/new\.txt$/);
  t.is(text("new.txt"), "first");
  t.is(statSync(path("new.txt")).mode & 0o777, 0o600);
  t.is(await ask("PUT", "/new.txt", { Date: "Thu, 18 Nov 2010 11:27:35 GMT" }, "x".repeat(100_000)), 204);
  t.is(text("new.txt"), "x".repeat(100_000), "a body that went to a temporary file");
  t.is(statSync(path("new.txt")).mtimeMs, 1_290_079_655_000);
  t.is(await ask("PUT", "/tree/", {}, "x"), 409);
  t.is(await ask("PUT", "/tree", {}, "x"), 409);
  t.is(await ask("PUT", "/part", { "Content-Range": "bytes 0-0/2" }, "x"), 501);
  t.is(await ask("PUT", "/none/x", {}, "x"), 500);
  t.is(await ask("PUT", "/deep/made/on/demand.txt", {}, "x"), 201);
  t.is(text("made/on/demand.txt"), "x");
  t.is(statSync(path("made/on/demand.txt")).mode & 0o777, 0o664);
});

test("a subrequest's PUT leaves its parent the body", async (t) => {
  const { s, text } = await start(t);
  t.is((await s.get("/forward", { method: "POST", body: "short" })).body, "201 short\n");
  t.is(text("kept.txt"), "short");
  const long = "l".repeat(50_000);
  t.is((await s.get("/forward", { method: "POST", body: long })).body, "204 in a file\n");
  t.is(text("kept.txt"), long);
});

test("MKCOL, COPY, MOVE, DELETE", async (t) => {
  const { ask, text, path } = await start(t);
  t.is(await ask("MKCOL", "/dir/"), 201);
  t.is(await ask("MKCOL", "/dir/"), 405);
  t.is(await ask("MKCOL", "/dir"), 409);
  t.is(await ask("COPY", "/f.txt", { Destination: "/dir/f.txt" }), 204);
  t.is(text("dir/f.txt"), "f");
  t.is(await ask("COPY", "/f.txt", { Destination: "http://localhost/dir/with%20space.txt" }), 204);
  t.is(text("dir/with space.txt"), "f");
  t.is(await ask("COPY", "/f.txt", { Destination: "http://elsewhere/x" }), 400);
  t.is(await ask("COPY", "/f.txt", { Destination: "/../x" }), 400);
  t.is(await ask("COPY", "/f.txt"), 400);
  t.is(await ask("COPY", "/f.txt", { Destination: "/g.txt", Overwrite: "F" }), 412);
  t.is(text("g.txt"), "g");
  t.is(await ask("COPY", "/tree/", { Destination: "/copy/" }), 201);
  t.is(text("copy/a/b.txt"), "b");
  t.is(await ask("MOVE", "/copy/", { Destination: "/moved/" }), 201);
  t.is(text("copy/c.txt"), undefined);
  t.is(text("moved/c.txt"), "c");
  t.is(await ask("MOVE", "/f.txt", { Destination: "/moved/new/f.txt" }), 204);
  t.is(text("moved/new/f.txt"), "f");
  t.is(await ask("DELETE", "/moved"), 409);
  t.is(await ask("DELETE", "/moved/", { Depth: "1" }), 400);
  t.is(await ask("DELETE", "/moved/"), 204);
  t.false(existsSync(path("moved")));
  t.is(await ask("DELETE", "/moved/"), 404);
  t.is(await ask("DELETE", "/deep/g.txt"), 409, "min_delete_depth");
  t.is(await ask("DELETE", "/deep/tree/c.txt"), 204);
  t.is(text("tree/c.txt"), undefined);
});

test("COPY and MOVE onto oneself, into oneself, or over what one lies in are refused, and nothing is lost", async (t) => {
  const { ask, text, path } = await start(t);
  symlinkSync(path("tree/a"), path("link"));
  symlinkSync(path("f.txt"), path("same.txt"));
  for (const method of ["COPY", "MOVE"]) {
    const to = (source, Destination) => ask(method, source, { Destination });
    t.is(await to("/f.txt", "/f.txt"), 403);
    t.is(await to("/f.txt", "/same.txt"), 403);
    t.is(await to("/tree/", "/tree/"), 403);
    t.is(await to("/tree/", "/tree/a/new/"), 403);
    t.is(await to("/tree/", "/link/new/"), 403);
    t.is(await to("/tree/a/", "/tree/"), 403);
    t.is(await to("/tree/", "/"), 403);
  }
  t.is(text("f.txt"), "f");
  t.is(text("tree/a/b.txt"), "b");
  t.is(text("tree/c.txt"), "c");
  t.false(existsSync(path("tree/a/new")));
  t.is(await ask("COPY", "/tree/", { Destination: "/tree2/" }), 201, "a name that only begins alike");
  t.is(text("tree2/a/b.txt"), "b");
});

test("with an alias a Destination outside of the location has no path", async (t) => {
  const s = await startServer(t, {
    server: `location /dav/ { alias __PREFIX__/html/; dav_methods COPY MOVE; }`,
    files: { "html/f.txt": "f" },
  });
  const copy = async (Destination) =>
    (await s.get("/dav/f.txt", { method: "COPY", headers: { Host: "localhost", Destination } })).status;
  t.is(await copy("/abcd../out.txt"), 400);
  t.is(await copy("/x"), 400);
  t.false(existsSync(join(s.prefix, "out.txt")));
  t.is(await copy("/dav/g.txt"), 204);
  t.regex(s.log(), /client sent invalid "Destination" header: "\/abcd\.\.\/out\.txt"/);
});
