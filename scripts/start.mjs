// SPDX-License-Identifier: MIT
// npm start [EXAMPLE]: does the set-up that is still needed, then becomes `moonwire serve` on an example, quickstart unless
// said. Other arguments go to the command line program: npm start chat -- --workers 2
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "./shell.mjs";
import { root, setUp } from "./steps.mjs";

setUp();
const args = process.argv.slice(2);
const name = args[0] !== undefined && !args[0].startsWith("-") ? args.shift() : "quickstart";
const example = ["moonwire.config.mjs", "moonwire.config.ts", "nginx.conf"]
  .map((f) => join("examples", name, f))
  .find((f) => existsSync(join(root, f)));
if (!example) fail(`examples/${name} holds no configuration`);
const port = process.env.PORT || "8080";
const command = ["dist/cli/main.js", "serve", example, "--port", port, ...args];
const child = spawn(process.execPath, command, { cwd: root, stdio: "inherit" });
// A terminal's Ctrl-C reaches the child by itself; what is sent to this process alone is passed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGWINCH"])
  process.on(signal, () => (signal === "SIGINT" && process.stdin.isTTY ? undefined : child.kill(signal)));
child.on("error", (e) => fail(e.message));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
