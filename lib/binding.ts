// SPDX-License-Identifier: MIT
// The one place that finds and loads the native addon: MOONWIRE_BINARY when set (sanitizer builds), else build/Release,
// else the prebuilt binary of this platform. Loaded once per process, on first use; all other files import it from here.
import { createRequire } from "node:module";
import { loadProblem } from "./binding-problem.js";
import { MoonwireError } from "./errors.js";
import { packageRoot } from "./package-root.js";

const require = createRequire(import.meta.url);

/** What the addon exports, as native/addon defines it; its users narrow it. */
export type Addon = Record<string, unknown>;

let loaded: Addon | undefined;

/** The loaded addon. Throws a MoonwireError that names the reason, and the remedy, when no binary fits this machine. */
export function binding(): Addon {
  return (loaded ??= load());
}

function load(): Addon {
  let file = process.env["MOONWIRE_BINARY"] || undefined;
  try {
    file ??= (require("node-gyp-build") as { path: (dir: string) => string }).path(packageRoot);
    return require(file) as Addon;
  } catch (e) {
    const { platform, arch } = process;
    const message = e instanceof Error ? (e.message.split("\n")[0] ?? "") : String(e);
    const problem = loadProblem({ root: packageRoot, file, message, platform, arch, glibc: glibcVersion() });
    throw new MoonwireError("ADDON_MISSING", `${platform}-${arch}`, problem);
  }
}

/** Node's report knows; without the network's part it takes a few milliseconds. */
function glibcVersion(): string | undefined {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}
