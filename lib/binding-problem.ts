// SPDX-License-Identifier: MIT
// Why the native addon could not be loaded, and what to do about it: a sentence each for the machines that the package is not
// for, a C library that is too old or another, and files that are missing or damaged. Runs only when loading has failed.
import { closeSync, existsSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";

/** What is known of the failure and of the machine. */
export interface LoadFailure {
  /** The package's folder. */
  readonly root: string;
  /** The binary that was tried; undefined where none was found. */
  readonly file: string | undefined;
  /** The system loader's message. */
  readonly message: string;
  readonly platform: string;
  readonly arch: string;
  /** The running glibc's version; undefined on another C library. */
  readonly glibc: string | undefined;
}

const machines: Readonly<Record<number, string>> = { 3: "ia32", 40: "arm", 62: "x64", 183: "arm64", 243: "riscv64" };

/** The processor that an ELF file is for; undefined for what is no ELF file. */
function elfMachine(file: string): string | undefined {
  const head = Buffer.alloc(20);
  const fd = openSync(file, "r");
  try {
    if (readSync(fd, head, 0, 20, 0) < 20 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  } finally {
    closeSync(fd);
  }
  const machine = head.readUInt16LE(18);
  return machines[machine] ?? `machine ${machine}`;
}

function prebuilds(root: string): string[] {
  try {
    return readdirSync(join(root, "prebuilds")).sort();
  } catch {
    return [];
  }
}

/** The reason and the remedy, in one line. */
export function loadProblem(f: LoadFailure): string {
  const build = `build it from its sources: npm run build in ${f.root}`;
  const again = existsSync(join(f.root, "package-lock.json"))
    ? "npm run build makes it"
    : `install the package again, or ${build}`;
  if (f.platform !== "linux") return "it runs on Linux; elsewhere use a container or a virtual machine";
  if (f.arch === "ia32" || f.arch === "arm") return "this node is a 32-bit one; install a 64-bit node";
  if (f.arch !== "x64" && f.arch !== "arm64") return "it runs on x64 and arm64 processors";
  if (f.file === undefined) {
    const others = prebuilds(f.root);
    if (f.glibc === undefined)
      return "the package has no binary for musl (Alpine); take an image with glibc, node:20-slim for one";
    if (others.length === 0) return `neither build/Release nor prebuilds in ${f.root} holds a binary; ${again}`;
    const wanted = join(f.root, "prebuilds", `linux-${f.arch}`, "moonwire.glibc.node");
    return `${wanted} is missing (there is ${others.join(", ")}); ${again}`;
  }
  if (!existsSync(f.file)) return `${f.file} is missing; ${again}`;
  const machine = elfMachine(f.file);
  if (machine === undefined) return `${f.file} is damaged: not an ELF file; ${again}`;
  if (machine !== f.arch) return `${f.file} is for ${machine}; node_modules came from another machine: ${again}`;
  const needed = /version `GLIBC_([\d.]+)' not found/.exec(f.message)?.[1];
  if (needed !== undefined)
    return `it needs glibc ${needed} or newer, this system has ${f.glibc ?? "none"}; take a newer system, or ${build}`;
  if (f.glibc === undefined)
    return `${f.file} is for glibc, and this node runs on musl (Alpine); take an image with glibc, node:20-slim for one`;
  if (f.message.includes("failed to map segment"))
    return `${f.file} may not be executed; is its file system mounted with noexec?`;
  return f.message;
}
