// SPDX-License-Identifier: MIT
// npm start: does the set-up that is still needed, then becomes `moonwire serve` on the quickstart example.
// Arguments go to the command line program: npm start -- --workers 2
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "./shell.mjs";
import { root, setUp } from "./steps.mjs";

setUp();
const example = ["moonwire.config.mjs", "moonwire.config.ts", "nginx.conf"]
  .map((f) => join("examples/quickstart", f))
  .find((f) => existsSync(join(root, f)));
if (!example) fail("examples/quickstart holds no configuration");
const port = process.env.PORT || "8080";
const args = ["dist/cli/main.js", "serve", example, "--port", port, ...process.argv.slice(2)];
const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
// A terminal's Ctrl-C reaches the child by itself; what is sent to this process alone is passed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGWINCH"])
  process.on(signal, () => (signal === "SIGINT" && process.stdin.isTTY ? undefined : child.kill(signal)));
child.on("error", (e) => fail(e.message));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
