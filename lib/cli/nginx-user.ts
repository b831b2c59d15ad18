// SPDX-License-Identifier: MIT
// The directive `user`: a server that was started as root becomes somebody else. nginx's master stays root and its workers
// change; here the workers are threads, which the kernel lets run as one user only, so the whole process changes, for good.
import { chownSync } from "node:fs";
import { resolve } from "node:path";
import type { ControlSettings } from "../conf/index.js";
import { errnoText, type Level, type LogTarget, type MasterLog } from "./nginx-log.js";

/** `user` as the configuration says it. */
type UserWords = ControlSettings["user"];

/** Whether what `user` names is there; a line in the log where it is not, or where the directive does nothing. */
export function checkUser(words: UserWords, log: MasterLog): boolean {
  if (!words) return true;
  const [at, user, group = user] = words;
  const say = (level: Level, message: string) => {
    const file = at.file === "" || at.file === "command line" ? at.file : resolve(at.file);
    log.problem({ file, line: at.line, message }, level);
  };
  if (process.geteuid?.() !== 0) {
    const needs = "makes sense only if the master process runs with super-user privileges";
    say("warn", `the "user" directive ${needs}, ignored`);
    return true;
  }
  // Node has no getpwnam(): becoming somebody for a moment tells.
  try {
    process.seteuid!(user);
  } catch {
    say("emerg", `getpwnam("${user}") failed`);
    return false;
  }
  process.seteuid!(0);
  const before = process.getegid!();
  try {
    process.setegid!(group);
  } catch {
    say("emerg", `getgrnam("${group}") failed`);
    return false;
  }
  process.setegid!(before);
  return true;
}

/**
 * Does what `user` says, which checkUser() has found good. To be called when sockets are bound, logs opened and the pid file is written. False, after a line in
 * the log, when it cannot be done: then the server must not serve.
 */
export function becomeUser(words: UserWords, logs: readonly LogTarget[], log: MasterLog): boolean {
  const [, user, group = user] = words ?? [];
  if (user === undefined || group === undefined || user === "root" || process.geteuid?.() !== 0) return true;
  let step = `getgrnam("${group}")`;
  try {
    process.setgid!(group);
    step = `initgroups(${user}, ${group})`;
    (process as typeof process & { initgroups(user: string, group: string): void }).initgroups(user, group);
    step = `getpwnam("${user}")`;
    own(logs, user);
    process.setuid!(user);
  } catch (e) {
    log.write("emerg", `${step} failed (${e instanceof Error ? e.message : String(e)})`);
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
