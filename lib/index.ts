// SPDX-License-Identifier: MIT
// The public names of the package; nothing else.
export { LuaError, MoonwireError, type ErrorCode } from "./errors.js";
export {
  CData,
  ffi,
  type Ffi,
  type FfiArgument,
  type FfiFunction,
  type FfiInitializer,
  type FfiLibrary,
  type FfiMemory,
  type FfiResult,
} from "./ffi.js";
