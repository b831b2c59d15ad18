// SPDX-License-Identifier: MIT
// The public names of the package; nothing else.
export {
  defineConfig,
  lua,
  luaFile,
  type Block,
  type Config,
  LuaFile,
  LuaSource,
  type LoadOptions,
  type Overrides,
} from "./conf/index.js";
export {
  ConfigError,
  LuaError,
  MoonwireError,
  SocketError,
  StartError,
  type ConfigProblem,
  type ErrorCode,
} from "./errors.js";
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
export { serve, type CloseOptions, type ServeOptions, type Server, type ServerEvents } from "./server.js";
export {
  TcpSocket,
  UdpSocket,
  type ConnectOptions,
  type Received,
  type SocketData,
  type SocketOptions,
  type UntilReader,
} from "./socket.js";
export type {
  ConnectionStatus,
  DurationBucket,
  JitStatus,
  LuaStatus,
  PhaseTime,
  PoolStatus,
  ServerStatus,
  TimerStatus,
  WorkerStatus,
} from "./status.js";
export { testServer, type LogLevel, type LogLine, type TestServer, type TestServerOptions } from "./test-server.js";
export { LuaVm, type LuaArgument, type LuaValue, type LuaVmOptions } from "./vm.js";
export type { VmLoss, WorkerExit, WorkerStats } from "./worker-host.js";
