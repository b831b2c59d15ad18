// node start.mjs: the guest book on PORT (8080). Without MYSQL_HOST or MYSQL_SOCKET it has a MariaDB of its own, in a temporary
// folder, for as long as it runs.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "moonwire";

const here = import.meta.dirname;
process.env.PATH += ":/usr/sbin"; // where Debian has mariadbd

/** Starts a MariaDB in a folder, with the table in it; resolves to its process when it answers. */
async function startDatabase(folder) {
  const options = ["--no-defaults", `--datadir=${join(folder, "data")}`, "--innodb-log-file-size=4M"];
  if (process.getuid() === 0) options.push("--user=root");
  const made = spawnSync("mariadb-install-db", [...options, "--auth-root-authentication-method=normal"]);
  if (made.status !== 0) throw new Error("no MariaDB could be made: is mariadb-server installed? Or set MYSQL_HOST");
  const start = `CREATE DATABASE guestbook; USE guestbook; ${readFileSync(join(here, "schema.sql"), "utf8")}`;
  // Each line is a statement there.
  writeFileSync(join(folder, "init.sql"), start.replaceAll("\n", " ").replaceAll(";", ";\n"));
  options.push("--skip-networking", `--socket=${join(folder, "sock")}`, `--init-file=${join(folder, "init.sql")}`);
  const child = spawn("mariadbd", [...options, `--pid-file=${join(folder, "pid")}`], {
    stdio: "ignore",
  });
  while (!existsSync(join(folder, "sock"))) {
    if (child.exitCode !== null) throw new Error("MariaDB ended at once");
    await new Promise((next) => setTimeout(next, 50));
  }
  process.env.MYSQL_SOCKET = join(folder, "sock");
  return child;
}

let folder, database;
if (process.env.MYSQL_HOST === undefined && process.env.MYSQL_SOCKET === undefined) {
  folder = mkdtempSync(join(tmpdir(), "guestbook-"));
  process.on("exit", () => {
    database?.kill("SIGKILL"); // what is in it goes with it
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  database = await startDatabase(folder);
}

const server = await serve(join(here, "moonwire.config.mjs"), { prefix: here });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close().then(() => process.exit(0)));
console.log(`guest book: http://${server.addresses[0]}`);
