// SPDX-License-Identifier: MIT
// The one place that finds and loads the native addon: MOONWIRE_BINARY when set (sanitizer builds), else build/Release,
// else the prebuilt binary of this platform. Loaded once per process, on first use; all other files import it from here.
import { createRequire } from "node:module";
import { MoonwireError } from "./errors.js";
import { packageRoot } from "./package-root.js";

const require = createRequire(import.meta.url);

/** What the addon exports, as native/addon defines it; its users narrow it. */
export type Addon = Record<string, unknown>;

let loaded: Addon | undefined;

/** The loaded addon. Throws a MoonwireError that names the reason when no binary fits this machine. */
export function binding(): Addon {
  try {
    return (loaded ??= load());
  } catch (e) {
    const reason = e instanceof Error ? (e.message.split("\n")[0] ?? "") : String(e);
    throw new MoonwireError("ADDON_MISSING", `${process.platform}-${process.arch}`, reason);
  }
}

function load(): Addon {
  const override = process.env["MOONWIRE_BINARY"];
  if (override) return require(override) as Addon;
  const nodeGypBuild = require("node-gyp-build") as (dir: string) => Addon;
  return nodeGypBuild(packageRoot);
}
