// SPDX-License-Identifier: MIT
// docs/configuration.md is what the directive table says.
import { readFileSync } from "node:fs";
import test from "ava";
import { directives } from "../../dist/conf/directives/index.js";
import { configurationDocument } from "../../scripts/docs.mjs";

test("docs/configuration.md is up to date (node scripts/docs.mjs)", (t) => {
  const file = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  t.is(file, configurationDocument(directives));
});

test("every directive is in it, and says in one line what it does", (t) => {
  const file = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  for (const [name, spec] of Object.entries(directives)) {
    t.true(file.includes(`| \`${name}\``), name);
    t.notRegex(spec.about, /\n|\|/, name);
  }
});
