// SPDX-License-Identifier: MIT
// examples/mariadb-page as its README says: one command, a page from the database, an entry added to it, nothing left behind.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, URLSearchParams } from "node:url";
import test from "ava";
import { get, waitFor } from "../helpers/index.js";

const script = fileURLToPath(new URL("../../examples/mariadb-page/start.mjs", import.meta.url));

test("the guest book", async (t) => {
  t.timeout(120_000);
  const temporary = mkdtempSync(join(tmpdir(), "moonwire-test-"));
  t.teardown(() => rmSync(temporary, { recursive: true, force: true }));
  const env = { ...process.env, PORT: "0", TMPDIR: temporary };
  for (const name of Object.keys(env)) if (name.startsWith("MYSQL_")) delete env[name];
  const child = spawn(process.execPath, [script], { env });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (out += part));
  const gone = new Promise((resolve) => child.on("exit", resolve));
  t.teardown(() => child.kill("SIGTERM"));
  const begun = () => /guest book: (\S+)|no MariaDB could be made/.exec(out) ?? child.exitCode !== null;
  const url = await waitFor(begun, "the page", 110_000);
  if (url[0]?.startsWith("no ")) {
    t.log("no mariadbd here");
    return t.pass();
  }
  const read = async () => (await get(url[1])).body;
  const write = (form) => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return get(url[1], { method: "POST", headers, body: new URLSearchParams(form).toString() });
  };

  t.regex(await read(), /<h2>Moonwire<\/h2><p>The first entry. &lt;b&gt;Not&lt;\/b&gt; in bold type\.<\/p>/);
  const added = await write({ author: "O'Hara & <co>", body: `"x'); DROP TABLE entries; -- \\ \u{1f600} 100 %s` });
  t.is(added.status, 303, out);
  t.is(added.headers.location, "/");
  const page = await read();
  t.true(page.includes("<h2>O&#39;Hara &amp; &lt;co&gt;</h2>"), page);
  t.true(page.includes("<p>&quot;x&#39;); DROP TABLE entries; -- \\ \u{1f600} 100 %s</p>"), page);
  t.is((await write({ author: "nobody" })).status, 400);
  t.is((await write({ author: "somebody", body: "x".repeat(501) })).status, 400);
  t.is((await get(url[1], { method: "PUT" })).status, 405);

  child.kill("SIGTERM");
  t.is(await gone, 0, out);
  t.deepEqual(readdirSync(temporary), []);
});
