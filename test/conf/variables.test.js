// SPDX-License-Identifier: MIT
// Every variable that a configuration may name is one that the server has.
import test from "ava";
import { builtin, families } from "../../dist/conf/variables.js";
import { startMoonwire } from "../helpers/index.js";

test("the server knows every built-in variable and family", async (t) => {
  const names = [...builtin, ...families.map((family) => `${family}x`)];
  const text = names.map((name) => `${name}=\${${name}}`).join("|");
  const s = await startMoonwire(t, { server: `location / { return 200 "${text}"; }` });
  const { status, body } = await s.get("/?x=a");
  t.is(status, 200);
  for (const name of names) t.true(body.includes(`${name}=`), name);
  t.true(body.includes("arg_x=a"));
  t.true(body.includes("|uri=/|"));
});
