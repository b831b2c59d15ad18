// SPDX-License-Identifier: MIT
// scripts/audit.mjs tells a vulnerable package from a clean answer, and both from no answer.
import test from "ava";
import { judge } from "../../scripts/audit.mjs";

const vulnerable = { jiti: { name: "jiti", severity: "high", range: "<2.1.0" }, ava: { name: "ava", severity: "low", range: "*" } };

test("a vulnerability of a package that we ship", (t) => {
  const answer = JSON.stringify({ auditReportVersion: 2, vulnerabilities: vulnerable });
  t.deepEqual(judge(answer, ["jiti", "chokidar"]), { bad: ["jiti <2.1.0: high"] });
});

test("vulnerabilities of tools alone", (t) => {
  t.deepEqual(judge(JSON.stringify({ vulnerabilities: vulnerable }), ["chokidar"]), { bad: [] });
});

test("no answer is not a clean one", (t) => {
  t.deepEqual(judge('{ "message": "405 Method Not Allowed", "error": { "summary": "" } }', ["jiti"]), {
    unknown: "405 Method Not Allowed",
  });
  t.deepEqual(judge("", ["jiti"]), { unknown: "npm said nothing" });
  t.deepEqual(judge("npm error network ENOTFOUND", ["jiti"]), { unknown: "npm error network ENOTFOUND" });
});
