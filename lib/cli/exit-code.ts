// SPDX-License-Identifier: MIT
// What the process's exit code says; the help text and docs/cli.md repeat it in words.
export const exitCode = { ok: 0, failed: 1, usage: 2 } as const;
