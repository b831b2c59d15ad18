// SPDX-License-Identifier: MIT
// npm run build [-- --native | --ts] [--sanitize=address|thread] [--arch=x64|arm64] [--no-lto]: builds everything, or one half.
// In the unpacked package that is the addon alone, from the sources in it: dist/ is built there.
import { inRepository, nativeBuild, npmPackages, typescriptBuild } from "./steps.mjs";
import { fail } from "./shell.mjs";

const options = { sanitize: "", native: true, ts: true };
const usage = "usage: npm run build -- [--native | --ts] [--sanitize=address|thread] [--arch=x64|arm64] [--no-lto]";
for (const arg of process.argv.slice(2)) {
  const sanitize = /^--sanitize=(address|thread)$/.exec(arg);
  const arch = /^--arch=(x64|arm64)$/.exec(arg);
  if (arch) options.arch = arch[1];
  else if (sanitize) options.sanitize = sanitize[1];
  else if (arg === "--no-lto") options.lto = false;
  else if (arg === "--native") options.ts = false;
  else if (arg === "--ts") options.native = false;
  else fail(`unknown option ${arg}; ${usage}`);
}
npmPackages();
if (options.native) nativeBuild({ ...options, force: true });
if (options.ts && inRepository && !options.sanitize && !options.arch) typescriptBuild({ force: true });
