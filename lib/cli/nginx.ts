// SPDX-License-Identifier: MIT
// The command `moonwire-nginx`: the server behind nginx's own command line, for tools that drive an nginx binary. Started by
// nginx.sh, which waits for the exit code on a descriptor when the server is to become a daemon.
import { closeSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { MoonwireError } from "../errors.js";
import type { NginxOptions } from "./nginx-options.js";
import { readOptions, usage } from "./nginx-options.js";
import { complain } from "./report.js";

/** How nginx.sh waits: tell it once how the start went. */
const waiting = Number(process.env["MOONWIRE_NGINX_BACKGROUND"] ?? "") || 0;
delete process.env["MOONWIRE_NGINX_BACKGROUND"];

function answer(word: string): void {
  if (waiting === 0) return;
  writeSync(waiting, word);
  closeSync(waiting);
}

async function main(options: NginxOptions): Promise<number | undefined> {
  if (options.version) {
    const { printVersion } = await import("./nginx-version.js");
    printVersion(options.configure);
    if (options.help) complain(usage);
    if (!options.test) return 0;
  }
  const prefix = resolve(options.prefix ?? ".");
  const { NginxProcess } = await import("./nginx-process.js");
  const server = new NginxProcess({
    prefix,
    conf: resolve(prefix, options.conf ?? "conf/nginx.conf"),
    errorLog: options.errorLog === "stderr" ? "stderr" : resolve(prefix, options.errorLog ?? "logs/error.log"),
    globals: options.globals ?? "",
  });
  if (options.test) return server.test(options.quiet, options.dump);
  if (options.signal) return server.signal(options.signal);
  return server.run({ isWaitedFor: waiting !== 0, answer });
}

// A stack is shown of our own mistakes alone.
function messageOf(e: unknown): string {
  if (e instanceof MoonwireError) return e.message;
  if ((e as NodeJS.ErrnoException | null)?.syscall === "uv_cwd") return "the working directory is gone";
  return e instanceof Error ? (e.stack ?? e.message) : String(e);
}

const options = readOptions(process.argv.slice(2));
let code: number | undefined;
if (typeof options === "string") {
  complain(`nginx: ${options}`);
  code = 1;
} else {
  try {
    code = await main(options);
  } catch (e) {
    complain(`nginx: [emerg] ${messageOf(e)}`);
    code = 1;
  }
}
if (code !== undefined) {
  answer(String(code));
  process.exit(code);
}
