// SPDX-License-Identifier: MIT
// The one change to the copy of the harness: a block whose server cannot start is one failure with its reason. As it is,
// Test::Nginx tries for half a minute and then gives up the whole file.
import { readFileSync, writeFileSync } from "node:fs";
import { fail } from "../../scripts/shell.mjs";

const givesUp = /if \$waited < 30;(\s*)bail_out\("\$name - Cannot start nginx using command/;
const failsOnce = `if $waited < 0.3;
  my $why = \`grep -hE "\\\\[(emerg|alert|crit|error)\\\\]" $ErrLogFile 2>/dev/null | tail -1\`;
  Test::More::fail("$name - cannot start");
  Test::More::diag("cannot start: $name: $why");
  return;
`;

/// Changes Util.pm of the copy.
export function patchHarness(path) {
  const text = readFileSync(path, "latin1");
  if (!givesUp.test(text)) fail(`${path}: this Test::Nginx is not known: its check of the start was not found`);
  writeFileSync(
    path,
    text.replace(givesUp, (all, space) => failsOnce + all.slice(all.indexOf(space))),
    "latin1",
  );
}
