// SPDX-License-Identifier: MIT
// The directive `user`: a server that was started as root becomes somebody else. nginx's master stays root and its workers
// change; here the workers are threads, which the kernel lets run as one user only, so the whole process changes, for good.
import { chownSync } from "node:fs";
import { errnoText, type LogTarget, type MasterLog } from "./nginx-log.js";

/**
 * Does what `user` says. To be called when sockets are bound, logs opened and the pid file is written. False, after a line in
 * the log, when it cannot be done: then the server must not serve.
 */
export function becomeUser(
  words: readonly [user: string, group?: string] | undefined,
  logs: readonly LogTarget[],
  log: MasterLog,
): boolean {
  const [user, group = user] = words ?? [];
  if (user === undefined || group === undefined || user === "root") return true;
  if (process.geteuid?.() !== 0) {
    log.write(
      "warn",
      'the "user" directive makes sense only if the master process runs with super-user privileges, ignored',
    );
    return true;
  }
  let step = `getgrnam("${group}")`;
  try {
    process.setgid!(group);
    step = `initgroups(${user}, ${group})`;
    (process as typeof process & { initgroups(user: string, group: string): void }).initgroups(user, group);
    step = `getpwnam("${user}")`;
    own(logs, user);
    process.setuid!(user);
  } catch (e) {
    log.write("emerg", `${step} failed${isUnknown(e) ? "" : ` (${e instanceof Error ? e.message : String(e)})`}`);
    return false;
  }
  log.write(
    "warn",
    `the whole process runs as user "${user}" from now on: a reload can bind no port below 1024 that it has not bound yet, ` +
      `and opens log files as that user`,
  );
  return true;

  // As in nginx, so that they can be opened again after a rotation.
  function own(targets: readonly LogTarget[], name: string): void {
    const before = process.geteuid!();
    process.seteuid!(name);
    const uid = process.geteuid!();
    process.seteuid!(before);
    for (const { path } of targets) {
      if (path === "stderr" || path.startsWith("syslog:")) continue;
      try {
        chownSync(path, uid, -1);
      } catch (e) {
        log.write("emerg", `chown("${path}", ${uid}) failed (${errnoText(e)})`);
      }
    }
  }
}

function isUnknown(e: unknown): boolean {
  return (e as NodeJS.ErrnoException).code === "ERR_UNKNOWN_CREDENTIAL";
}
