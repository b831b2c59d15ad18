// SPDX-License-Identifier: MIT
// `--watch`: calls back when the configuration, a file it includes, or a Lua file below the prefix has changed. Changes that
// come together are one.
import { basename, dirname, extname, relative, resolve } from "node:path";
import { watch as chokidarWatch } from "chokidar";
import type { Server } from "../server.js";
import { complain } from "./report.js";

const settleMs = 60;
const skippedFolders = new Set(["node_modules", "dist", "build", "logs"]);

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
  let pending: string | undefined;
  const run = async () => {
    if (running || pending === undefined) return;
    const file = pending;
    pending = undefined;
    running = true;
    await onChange(relative(process.cwd(), file) || file);
    follow();
    running = false;
    void run();
  };
  watcher.on("all", (event, path) => {
    if (event === "addDir" || event === "unlinkDir" || !isRelevant(path)) return;
    pending = path;
    clearTimeout(timer);
    timer = setTimeout(() => void run(), settleMs);
  });
  watcher.on("error", (e) => complain(`moonwire: cannot watch: ${e instanceof Error ? e.message : String(e)}`));
  await new Promise<void>((ready) => watcher.once("ready", () => ready()));
}
