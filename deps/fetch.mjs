// SPDX-License-Identifier: MIT
// Gets a source tarball through the machine's own apt sources, read as deb-src in a private apt folder: nothing of the
// system's apt configuration changes, and no root is needed. A tarball is used only when its SHA-256 is the manifest's.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheDir, sha256File } from "./cache.mjs";
import { fail, hasTool, say } from "../scripts/shell.mjs";

let apt; // environment of the private apt, made once per run

/// The path of the checked tarball of a manifest entry, from the cache or from apt.
export function fetchTarball(name, entry) {
  const path = join(cacheDir(), "tarballs", entry.file);
  if (existsSync(path)) {
    const sum = sha256File(path);
    if (sum === entry.sha256) return path;
    fail(`${path} has SHA-256 ${sum}, the manifest wants ${entry.sha256}; remove the file or put the right one there`);
  }
  const where = `; place the file (SHA-256 ${entry.sha256}) at ${path}`;
  if (!hasTool("apt-get")) fail(`${name}: ${entry.file} is not in the cache and apt-get is missing here${where}`);
  say(`${name}: fetching ${entry.file} from the apt sources`);
  const env = privateApt();
  const version = findVersion(env, entry, where);
  const dir = mkdtempSync(join(cacheDir(), "tarballs", "part-"));
  const r = spawnSync("apt-get", ["source", "-q", "--download-only", "--tar-only", `${entry.source}=${version}`], {
    cwd: dir,
    env,
    encoding: "utf8",
  });
  const got = join(dir, entry.file);
  if (!existsSync(got)) {
    rmSync(dir, { recursive: true, force: true });
    fail(`${name}: ${entry.file} could not be fetched (${lastLine(r)})${where}`);
  }
  const sum = sha256File(got);
  if (sum === entry.sha256) renameSync(got, path);
  rmSync(dir, { recursive: true, force: true });
  if (sum !== entry.sha256) fail(`${name}: fetched ${entry.file} has SHA-256 ${sum}, not the manifest's${where}`);
  return path;
}

/// The Debian version whose source record lists exactly the manifest's tarball.
function findVersion(env, entry, where) {
  const r = spawnSync("apt-cache", ["showsrc", entry.source], { env, encoding: "utf8", maxBuffer: 1 << 26 });
  const records = (r.stdout || "").split(/\n\n+/).filter((t) => /^Package:/m.test(t));
  for (const record of records) if (record.includes(` ${entry.sha256} `)) return /^Version: *(\S+)/m.exec(record)[1];
  if (records.length > 0) {
    const served = records.map((t) => /^Version: *(\S+)/m.exec(t)?.[1]).join(", ");
    const why = served.includes(entry.version) ? "with another SHA-256" : "only";
    fail(`the manifest pins ${entry.source} ${entry.version}, but the apt sources serve ${served} ${why}${where}`);
  }
  return fail(
    `the apt sources have no source package "${entry.source}" (${env.MOONWIRE_APT_ERROR || "none found"})${where}`,
  );
}

function lastLine(r) {
  if (r.error) return String(r.error);
  return (
    `${r.stdout}${r.stderr}`
      .trim()
      .split("\n")
      .filter((l) => /^[EW]:|Err/.test(l))
      .pop() || `exit ${r.status}`
  );
}

/// Makes the private apt folder with every source of the machine as deb-src, and updates its lists.
function privateApt() {
  if (apt) return apt;
  const root = join(cacheDir(), "apt");
  for (const d of ["lists/partial", "cache/archives/partial", "parts"]) mkdirSync(join(root, d), { recursive: true });
  writeSources(join(root, "parts"));
  writeFileSync(
    join(root, "apt.conf"),
    `Dir::State::lists "${root}/lists";\nDir::Cache "${root}/cache";\nDir::Etc::sourcelist "${root}/none";\n` +
      `Dir::Etc::sourceparts "${root}/parts";\nAPT::Sandbox::User "root";\nAcquire::Languages "none";\n` +
      `Acquire::Retries "2";\nAcquire::http::Timeout "30";\n`,
  );
  apt = { ...process.env, APT_CONFIG: join(root, "apt.conf"), LC_ALL: "C" };
  say("reading the machine's apt sources as deb-src");
  const r = spawnSync("apt-get", ["update", "-q"], { env: apt, encoding: "utf8" });
  if (r.status !== 0 || /^[EW]:/m.test(r.stderr)) apt.MOONWIRE_APT_ERROR = lastLine(r);
  return apt;
}

/// Copies /etc/apt/sources.list and sources.list.d with deb turned into deb-src.
function writeSources(parts) {
  for (const f of readdirSync(parts)) rmSync(join(parts, f));
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder) ? readdirSync(folder).map((f) => join(folder, f)) : [];
  let n = 0;
  for (const file of ["/etc/apt/sources.list", ...files]) {
    if (!existsSync(file)) continue;
    const text = readFileSync(file, "utf8");
    const out = join(parts, `moonwire-${n++}`);
    if (file.endsWith(".sources")) {
      writeFileSync(
        `${out}.sources`,
        text.replace(/^Types:.*$/gm, "Types: deb-src").replace(/^Architectures:.*\n/gm, ""),
      );
    } else if (file.endsWith(".list")) {
      const lines = text.split("\n").filter((l) => /^\s*deb\s/.test(l));
      writeFileSync(`${out}.list`, lines.map((l) => l.replace(/^\s*deb\s/, "deb-src ") + "\n").join(""));
    }
  }
}
