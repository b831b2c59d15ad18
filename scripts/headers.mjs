// SPDX-License-Identifier: MIT
// Prints the include folders of node's headers (N-API, OpenSSL, zlib) and of node-addon-api, joined by ";".
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/// The folder of node's headers: npm_config_nodedir, beside the running node, or the system's.
export function nodeHeaders() {
  const roots = [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), "/usr", "/usr/local"];
  for (const root of roots)
    if (root && existsSync(join(root, "include/node/node_api.h"))) return join(root, "include/node");
  return "";
}

/// The folder of napi.h: the package's own copy, else the npm package's; empty when the npm packages are not installed.
export function addonApiHeaders() {
  const vendored = join(dirname(dirname(fileURLToPath(import.meta.url))), "deps/vendor/node-addon-api");
  if (existsSync(vendored)) return vendored;
  try {
    return dirname(require.resolve("node-addon-api/package.json"));
  } catch {
    return "";
  }
}

const node = nodeHeaders();
const api = addonApiHeaders();
if (!node || !existsSync(join(node, "openssl/ssl.h"))) {
  console.error(
    "node's headers with OpenSSL's were not found beside node; set npm_config_nodedir to a folder with include/node",
  );
  process.exit(1);
}
if (!api) {
  console.error("the npm package node-addon-api is not installed: run `npm ci` first");
  process.exit(1);
}
console.log([node, api].join(";"));
