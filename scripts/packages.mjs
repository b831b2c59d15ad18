// SPDX-License-Identifier: MIT
// The Debian packages that tests and linters need beyond the tool chain: installed with root and apt, else named.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { hasTool, say } from "./shell.mjs";

/// What is needed by whom: how to see that it is there, and the package that brings it.
const needs = {
  test: [
    { package: "libssl3", there: () => hasLibrary("libssl.so.3") },
    { package: "zlib1g", there: () => hasLibrary("libz.so.1") },
    { package: "lua-cjson", there: () => hasModule("cjson.so") }, // a Lua C module from outside, loaded by a test
    { package: "curl", there: () => hasTool("curl") },
    { package: "luarocks", there: () => hasTool("luarocks") },
  ],
  lint: [
    { package: "clang-format", there: () => hasTool("clang-format") },
    { package: "clang-tidy", there: () => hasTool("clang-tidy") },
    { package: "lua-check", there: () => hasTool("luacheck") },
  ],
};

function libraryFolders() {
  const triple = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  return [`/usr/lib/${triple}`, `/lib/${triple}`, "/usr/lib64", "/usr/lib", "/lib"];
}

function hasLibrary(name) {
  return libraryFolders().some((d) => existsSync(`${d}/${name}`));
}

function hasModule(name) {
  return libraryFolders().some((d) => existsSync(`${d}/lua/5.1/${name}`));
}

/// Installs the missing packages of a set, or says which to install. True when all are there afterwards.
export function debianPackages(set) {
  const missing = () => needs[set].filter((n) => !n.there()).map((n) => n.package);
  const names = missing();
  if (names.length === 0) return true;
  const hint = `apt-get install ${names.join(" ")}`;
  if (process.getuid() !== 0 || !hasTool("apt-get")) {
    say(`${set}: not installed here: ${names.join(", ")}. On Debian, as root: ${hint}`);
    return false;
  }
  say(`${set}: ${hint}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "install", ...names];
  let r = spawnSync("apt-get", install, { env, encoding: "utf8" });
  if (r.status !== 0) {
    spawnSync("apt-get", ["-q", "update"], { env });
    r = spawnSync("apt-get", install, { env, encoding: "utf8" });
  }
  const still = missing();
  if (still.length > 0)
    say(
      `${set}: could not install ${still.join(", ")}:\n${`${r.stdout}${r.stderr}`.trim().split("\n").slice(-5).join("\n")}`,
    );
  return still.length === 0;
}
