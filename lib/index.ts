// SPDX-License-Identifier: MIT
// The public names of the package; nothing else.
export {};
