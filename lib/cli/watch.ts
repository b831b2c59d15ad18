// SPDX-License-Identifier: MIT
// `--watch`: calls back when the configuration, a file it includes, or a Lua file below the prefix has changed. Changes that
// come together are one. Of a Lua file that has a mistake, which only a request would find, the mistake is told.
import { readFile } from "node:fs/promises";
import { basename, dirname, extname, resolve } from "node:path";
import { watch as chokidarWatch } from "chokidar";
import { displayName } from "../conf/parser.js";
import type { Server } from "../server.js";
import { LuaSyntax } from "./lua-syntax.js";
import { complain } from "./report.js";

const settleMs = 60;
const skippedFolders = new Set(["node_modules", "dist", "build", "logs"]);

/** Prints what is wrong with the syntax of changed Lua files. */
async function checkLua(files: Iterable<string>): Promise<void> {
  const lua = new LuaSyntax();
  for (const path of files) {
    if (extname(path) !== ".lua") continue;
    const file = displayName(path);
    const source = await readFile(path).catch(() => undefined); // it may be gone
    const isFile = source !== undefined && source[0] !== 0x1b; // not compiled already
    const text = isFile && source[0] === 0x23 ? Buffer.concat([Buffer.from("--"), source]) : source; // #!
    const problem = isFile ? await lua.check(text!, `@${file}`) : null;
    if (problem !== null) complain(problem);
  }
  await lua.close();
}

/** Starts watching; resolves once changes are noticed. `onChange` gets the file's path and is not called while it runs. */
export async function watch(
  server: Server,
  prefix: string | undefined,
  onChange: (file: string) => Promise<void>,
): Promise<void> {
  const config = new Set<string>();
  const root = resolve(prefix ?? dirname(server.configFiles[0] ?? "."));
  const isRelevant = (path: string) => config.has(path) || extname(path) === ".lua";
  const watcher = chokidarWatch([root], {
    ignoreInitial: true,
    ignored: (path, stats) => {
      if (path === root) return false;
      if (stats?.isFile()) return !isRelevant(path);
      return basename(path).startsWith(".") || skippedFolders.has(basename(path));
    },
  });
  const follow = () => {
    for (const file of server.configFiles.map((f) => resolve(f))) {
      if (config.has(file)) continue;
      config.add(file);
      watcher.add(file);
    }
  };
  follow();

  let timer: NodeJS.Timeout | undefined;
  let running = false;
  const pending = new Set<string>();
  const run = async () => {
    const files = [...pending];
    if (running || files.length === 0) return;
    pending.clear();
    running = true;
    await checkLua(files);
    await onChange(displayName(files.at(-1)!));
    follow();
    running = false;
    void run();
  };
  watcher.on("all", (event, path) => {
    if (event === "addDir" || event === "unlinkDir" || !isRelevant(path)) return;
    pending.add(path);
    clearTimeout(timer);
    timer = setTimeout(() => void run(), settleMs);
  });
  watcher.on("error", (e) => complain(`moonwire: cannot watch: ${e instanceof Error ? e.message : String(e)}`));
  await new Promise<void>((ready) => watcher.once("ready", () => ready()));
}
