// SPDX-License-Identifier: MIT
// `ffi`: C functions called from JavaScript, synchronously and on its thread. The engine is LuaJIT's FFI in a VM of this
// thread, reached through the addon's `ffi.invoke(name, ...args)`; this file checks, unwraps and names things.
import { binding } from "./binding.js";
import { MoonwireError, type ErrorCode } from "./errors.js";

/** The addon's opaque reference to a cdata. */
type Handle = { readonly __cdata: unique symbol };

let native: { invoke(op: string, ...args: unknown[]): unknown } | undefined;

/** Memory of JavaScript that C may read and write during the call it is passed to. */
export type FfiMemory = ArrayBufferView | ArrayBufferLike;

/** What can be passed to a C function; a function of a library passes as its pointer. */
export type FfiArgument = undefined | null | boolean | number | bigint | string | FfiMemory | CData | FfiFunction;

/** What a C function gives back: 64-bit integers as bigint, NULL as null, void as undefined, the rest of C as CData. */
export type FfiResult = undefined | null | boolean | number | bigint | string | CData;

/** An initializer: a value, or an array or object of initializers for arrays, structs and unions. */
export type FfiInitializer = FfiArgument | readonly FfiInitializer[] | { readonly [field: string]: FfiInitializer };

/** A declared C function. */
export type FfiFunction = (...args: FfiArgument[]) => any;

/** The declared functions and constants of a library, by name. */
export type FfiLibrary = { readonly [name: string]: any };

const make = Symbol("make");
const functionHandles = new WeakMap<object, Handle>();

/** A C value that stays in C: a pointer, array, struct, union or boxed scalar. Memory of `new` lives as long as the object. */
export class CData {
  readonly #handle: Handle;
  /** What this points into; kept alive with it. */
  readonly #owner: unknown;

  /** @internal */
  constructor(token: symbol, handle: Handle, owner?: unknown) {
    if (token !== make) throw new TypeError("CData objects come from ffi.new, ffi.cast and C calls");
    this.#handle = handle;
    this.#owner = owner;
  }

  /** @internal The addon's reference. */
  static handleOf(v: CData): Handle {
    return v.#handle;
  }

  /** The C type, for example `struct point` or `const char *`. */
  get type(): string {
    return invoke("FFI_TYPE", "typeof", [this.#handle]) as string;
  }

  /** The address a pointer holds, or at which an array or struct stands. */
  get address(): bigint {
    return BigInt(invoke("FFI_TYPE", "address", [this.#handle]) as bigint);
  }

  /** The number, bigint or boolean that a scalar is; null for a NULL pointer. Throws for anything else. */
  get value(): null | boolean | number | bigint {
    return invoke("FFI_TYPE", "value", [this.#handle]) as null | boolean | number | bigint;
  }

  /** Reads an element (as C does: no bounds are checked) or a field. */
  get(key: number | string): any {
    return adopt(invoke("FFI_TYPE", "get", [this.#handle, key]), this);
  }

  /** Writes an element (as C does: no bounds are checked) or a field. */
  set(key: number | string, value: FfiInitializer): this {
    invoke("FFI_TYPE", "set", [this.#handle, key, pass(value)]);
    return this;
  }

  /** Calls a function pointer. */
  call(...args: FfiArgument[]): any {
    return adopt(invoke("FFI_CALL", "call", [this.#handle, ...args.map(pass)], "function pointer"));
  }

  /** Copies `length` bytes from a pointer or array; without `length` up to the first NUL of a char pointer or array. */
  bytes(length?: number): Buffer {
    return invoke("FFI_TYPE", "bytes", length === undefined ? [this.#handle] : [this.#handle, length]) as Buffer;
  }

  /** As `bytes`, decoded as UTF-8. */
  string(length?: number): string {
    return this.bytes(length).toString("utf8");
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `CData<${this.type}>`;
  }
}

/** LuaJIT's FFI. Declarations are shared by the whole thread and stay until it ends. */
export interface Ffi {
  /**
   * Declares C types, functions and constants, in C without preprocessor.
   * @returns the process's own namespace, `ffi.C`, with the type the caller gives it
   */
  cdef<T extends object = FfiLibrary>(declarations: string): T;
  /** Symbols of the process: libc, and what Node exports of OpenSSL and zlib. */
  readonly C: FfiLibrary;
  /** Opens a shared library: a path, or a name such as `z` for `libz.so`. `isGlobal` offers its symbols to later ones. */
  load<T extends object = FfiLibrary>(name: string, isGlobal?: boolean): T;
  /** A new zero-filled object of a C type; a `[?]` array takes its length first. */
  "new"(type: string, ...init: FfiInitializer[]): CData;
  /** A value converted as a C cast does. A cast of JavaScript memory keeps that memory alive. */
  cast(type: string, value: FfiArgument): CData;
  /** Size in bytes of a type or object. */
  sizeof(type: string | CData, length?: number): number;
  /** Offset in bytes of a struct's field. */
  offsetof(type: string, field: string): number;
  /** The C error number that the last call left. */
  errno(): number;
}

function failure(code: ErrorCode, e: unknown, name = ""): unknown {
  if (!(e instanceof Error)) return e;
  const text = e.message
    .replace(/^ffi:\d+: /, "")
    .replace(/^bad argument #(\d+) to '[^']*'/, (_, n) => `bad argument #${n} to '${name || "ffi"}'`)
    .replace(/^wrong number of arguments for function call/, `wrong number of arguments for '${name}'`);
  return new MoonwireError(code, text);
}

function invoke(code: ErrorCode, op: string, args: unknown[], name?: string): unknown {
  native ??= binding()["ffi"] as NonNullable<typeof native>;
  try {
    return native.invoke(op, ...args);
  } catch (e) {
    throw failure(code, e, name);
  }
}

// A CData becomes its reference, also inside initializers; memory and plain values go as they are.
function pass(v: unknown): unknown {
  if (typeof v === "function") return functionHandles.get(v) ?? v;
  if (typeof v !== "object" || v === null || ArrayBuffer.isView(v)) return v;
  if (v instanceof CData) return CData.handleOf(v);
  if (v instanceof ArrayBuffer) return v;
  if (typeof SharedArrayBuffer !== "undefined" && v instanceof SharedArrayBuffer) return new Uint8Array(v);
  if (Array.isArray(v)) return v.map(pass);
  return Object.fromEntries(Object.entries(v).map(([k, item]) => [k, pass(item)]));
}

// The addon's references are the only objects among results. `owner` lives as long as they do: a library stays open while
// something that came from it is in use.
function adopt(v: unknown, owner?: unknown): FfiResult {
  if (typeof v === "object" && v !== null && !Buffer.isBuffer(v)) return new CData(make, v as Handle, owner);
  return v as FfiResult;
}

function string(v: unknown, what: string): string {
  if (typeof v !== "string") throw new TypeError(`${what} must be a string`);
  return v;
}

// Looks symbols up at first use; functions are kept, variables read anew each time.
function namespace(library: Handle): FfiLibrary {
  const functions = new Map<string, FfiFunction>();
  return new Proxy(Object.create(null) as FfiLibrary, {
    get(_target, name) {
      if (typeof name === "symbol" || name === "then") return undefined; // await and inspect look, and mean no C symbol
      const known = functions.get(name);
      if (known) return known;
      const v = invoke("FFI_SYMBOL", "symbol", [library, name]);
      if (!Array.isArray(v)) return adopt(v);
      const handle = v[0] as Handle;
      const fn: FfiFunction = (...args) =>
        adopt(invoke("FFI_CALL", "call", [handle, ...args.map(pass)], name), library);
      Object.defineProperty(fn, "name", { value: name });
      functions.set(name, fn);
      functionHandles.set(fn, handle);
      return fn;
    },
    set(_target, name) {
      throw new TypeError(`ffi: cannot assign '${String(name)}': set C variables through a pointer`);
    },
  });
}

let processNamespace: FfiLibrary | undefined;

/** C functions from JavaScript, through LuaJIT's FFI. */
export const ffi = {
  cdef(declarations: string) {
    invoke("FFI_DECLARATION", "cdef", [string(declarations, "declarations")]);
    return ffi.C;
  },
  get C() {
    return (processNamespace ??= namespace(invoke("FFI_LIBRARY", "load", []) as Handle));
  },
  load(name: string, isGlobal = false) {
    return namespace(invoke("FFI_LIBRARY", "load", [string(name, "name"), isGlobal]) as Handle);
  },
  new(type: string, ...init: FfiInitializer[]) {
    const handle = invoke("FFI_TYPE", "new", [string(type, "type"), ...init.map(pass)]) as Handle;
    return new CData(make, handle, init);
  },
  cast(type: string, value: FfiArgument) {
    return new CData(make, invoke("FFI_TYPE", "cast", [string(type, "type"), pass(value)]) as Handle, value);
  },
  sizeof(type: string | CData, length?: number) {
    return invoke("FFI_TYPE", "sizeof", length === undefined ? [pass(type)] : [pass(type), length]) as number;
  },
  offsetof(type: string, field: string) {
    return invoke("FFI_TYPE", "offsetof", [string(type, "type"), string(field, "field")]) as number;
  },
  errno() {
    return invoke("FFI_TYPE", "errno", []) as number;
  },
} as Ffi;
