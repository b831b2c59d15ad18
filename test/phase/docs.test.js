// SPDX-License-Identifier: MIT
// docs/lua-api.md is what the table of the phase matrix says.
import { readFileSync } from "node:fs";
import test from "ava";
import { luaApiDocument } from "../../scripts/docs.mjs";
import * as table from "./table.js";

test("docs/lua-api.md is up to date (node scripts/docs.mjs)", (t) => {
  const file = readFileSync(new URL("../../docs/lua-api.md", import.meta.url), "utf8");
  t.is(file, luaApiDocument(table));
});
