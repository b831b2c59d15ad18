// SPDX-License-Identifier: MIT
// Where a process listens, for `moonwire top PID`: /proc names the sockets that it has open, and their addresses.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { MoonwireError } from "../errors.js";

const listening = "0A";

/** `host:port` of each listening TCP socket of the process. Throws when it cannot be looked at. */
export function listensOf(pid: number): string[] {
  const inodes = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
  } catch (e) {
    const why = (e as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such process" : (e as Error).message;
    throw new MoonwireError("CONFIG_INVALID", `cannot look at process ${pid}: ${why}`);
  }
  const out = new Set<string>();
  for (const family of ["tcp", "tcp6"]) {
    for (const line of tableOf(`/proc/${pid}/net/${family}`)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const [address = "", port = ""] = local.split(":");
      if (state === listening && inodes.has(inode)) out.add(`${hostOf(address)}:${Number.parseInt(port, 16)}`);
    }
  }
  return [...out];
}

// A descriptor may be closed between the two looks.
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function tableOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(1);
  } catch {
    return []; // without IPv6 there is no tcp6
  }
}

/** The kernel writes words of the host's byte order in hex; little endian on all that this runs on. */
function hostOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).map((b) => Number.parseInt(b, 16)).reverse());
  if (bytes.every((b) => b === 0)) return "localhost";
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16));
  return `[${groups.join(":")}]`;
}
