// SPDX-License-Identifier: MIT
// `-s SIGNAL`: tells the server whose pid file the configuration names.
import { readFileSync } from "node:fs";
import type { NginxSignal } from "./nginx-options.js";
import { errnoText, type MasterLog } from "./nginx-log.js";

const signals = { stop: "SIGTERM", quit: "SIGQUIT", reopen: "SIGUSR1", reload: "SIGHUP" } as const;

/** True when the signal was sent; what went wrong is logged. */
export function sendSignal(name: NginxSignal, pidFile: string, log: MasterLog): boolean {
  log.write("notice", "signal process started");
  let text: string;
  try {
    text = readFileSync(pidFile, "utf8");
  } catch (e) {
    log.write("error", `open() "${pidFile}" failed (${errnoText(e)})`);
    return false;
  }
  const pid = Number(text.trim());
  if (!/^\s*\d+\s*$/.test(text) || pid < 1) {
    log.write("error", `invalid PID number "${text.trim()}" in "${pidFile}"`);
    return false;
  }
  try {
    process.kill(pid, signals[name]);
    return true;
  } catch (e) {
    log.write("alert", `kill(${pid}, ${{ stop: 15, quit: 3, reopen: 10, reload: 1 }[name]}) failed (${errnoText(e)})`);
    return false;
  }
}
