// SPDX-License-Identifier: MIT
// The environment for programs that are not ours: a sanitizer's library is for our own code, and ends others at their leaks.

/** This process's environment without what preloads a library, and with `more`; an undefined value takes a variable away. */
export const foreignEnv = (more = {}) => ({ ...process.env, LD_PRELOAD: undefined, ...more });
