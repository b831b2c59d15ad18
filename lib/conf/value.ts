// SPDX-License-Identifier: MIT
// Values as bytes: how plans and LuaVm values cross between TypeScript and C++. native/base/value.h has the format.
import { isUtf8 } from "node:buffer";
import { MoonwireError } from "../errors.js";
import { encodeRaw } from "./bytes.js";

const tag = {
  nil: 0,
  false: 1,
  true: 2,
  number: 3,
  string: 4,
  array: 5,
  table: 6,
  null: 7,
  integer: 8,
  unsigned: 9,
} as const;
const maxDepth = 64;

/** How to decode. */
export interface DecodeOptions {
  /** `"utf8"`: strings as strings, or as Buffers when they are not UTF-8; `"buffer"`: always as Buffers. */
  strings?: "utf8" | "buffer";
}

class Writer {
  #bytes = Buffer.allocUnsafe(4096);
  #size = 0;
  readonly #isRaw: boolean;

  constructor(isRaw: boolean) {
    this.#isRaw = isRaw;
  }

  #room(size: number): number {
    const at = this.#size;
    this.#size += size;
    if (this.#size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#size, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }

  tag(t: number): void {
    const at = this.#room(1);
    this.#bytes[at] = t;
  }

  count(t: number, n: number): void {
    this.tag(t);
    const at = this.#room(4);
    this.#bytes.writeUInt32LE(n, at);
  }

  number(n: number): void {
    this.tag(tag.number);
    const at = this.#room(8);
    this.#bytes.writeDoubleLE(n, at);
  }

  integer(n: bigint): void {
    const isSigned = BigInt.asIntN(64, n) === n;
    if (!isSigned && BigInt.asUintN(64, n) !== n)
      throw new MoonwireError("VALUE_UNSUPPORTED", "a bigint of more than 64 bits");
    this.tag(isSigned ? tag.integer : tag.unsigned);
    const at = this.#room(8);
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, n), at);
  }

  string(s: string | Uint8Array): void {
    if (typeof s === "string" && this.#isRaw) s = encodeRaw(s);
    const size = typeof s === "string" ? Buffer.byteLength(s) : s.byteLength;
    this.count(tag.string, size);
    const at = this.#room(size);
    if (typeof s === "string") this.#bytes.write(s, at);
    else this.#bytes.set(s, at);
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }
}

function write(out: Writer, v: unknown, depth: number): void {
  if (v === undefined) return out.tag(tag.nil);
  if (v === null) return out.tag(tag.null);
  switch (typeof v) {
    case "boolean":
      return out.tag(v ? tag.true : tag.false);
    case "number":
      return out.number(v);
    case "bigint":
      return out.integer(v);
    case "string":
      return out.string(v);
    case "object":
      return writeObject(out, v, depth);
    default:
      throw new MoonwireError("VALUE_UNSUPPORTED", `a ${typeof v}`);
  }
}

function writeObject(out: Writer, v: object, depth: number): void {
  if (depth >= maxDepth) throw new MoonwireError("VALUE_UNSUPPORTED", "a value that nests deeper than 64 levels");
  if (v instanceof Uint8Array) return out.string(v);
  if (Array.isArray(v)) {
    out.count(tag.array, v.length);
    for (let i = 0; i < v.length; i++) write(out, v[i], depth + 1);
    return;
  }
  const pairs = v instanceof Map ? [...(v as Map<unknown, unknown>)] : Object.entries(v as Record<string, unknown>);
  const kept = pairs.filter(([, item]) => item !== undefined);
  out.count(tag.table, kept.length);
  for (const [key, item] of kept) {
    if (typeof key !== "string" && typeof key !== "number")
      throw new MoonwireError("VALUE_UNSUPPORTED", `a key of type ${typeof key}`);
    write(out, key, depth + 1);
    write(out, item, depth + 1);
  }
}

/** How to encode. */
export interface EncodeOptions {
  /** Strings may hold bytes as bytes.ts keeps them. */
  raw?: boolean;
}

/** Encodes a value; objects and Maps become tables, undefined members are left out. Throws on functions and symbols. */
export function encodeValue(v: unknown, options: EncodeOptions = {}): Buffer {
  const out = new Writer(options.raw ?? false);
  write(out, v, 0);
  return out.done();
}

class Reader {
  #at = 0;
  readonly #bytes: Buffer;
  readonly #strings: "utf8" | "buffer";

  constructor(bytes: Buffer, strings: "utf8" | "buffer") {
    this.#bytes = bytes;
    this.#strings = strings;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(): unknown {
    const t = this.#bytes.readUInt8(this.#skip(1));
    switch (t) {
      case tag.nil:
        return undefined;
      case tag.null:
        return null;
      case tag.false:
      case tag.true:
        return t === tag.true;
      case tag.number:
        return this.#bytes.readDoubleLE(this.#skip(8));
      case tag.integer:
        return this.#bytes.readBigInt64LE(this.#skip(8));
      case tag.unsigned:
        return this.#bytes.readBigUInt64LE(this.#skip(8));
      case tag.string:
        return this.#string(this.#strings);
      case tag.array:
        return Array.from({ length: this.#count() }, () => this.value());
      case tag.table:
        return this.#table();
      default:
        throw new RangeError(`unknown tag ${t}`);
    }
  }

  #skip(size: number): number {
    const at = this.#at;
    this.#at += size;
    return at;
  }

  #count(): number {
    return this.#bytes.readUInt32LE(this.#skip(4));
  }

  #string(as: "utf8" | "buffer"): string | Buffer {
    const size = this.#count();
    const at = this.#skip(size);
    const bytes = this.#bytes.subarray(at, at + size);
    return as === "utf8" && isUtf8(bytes) ? bytes.toString("utf8") : Buffer.from(bytes);
  }

  #table(): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (let n = this.#count(); n > 0; n--) {
      const key = this.#key();
      // defineProperty: a key named __proto__ is a key like any other
      Object.defineProperty(out, key, { value: this.value(), enumerable: true, configurable: true, writable: true });
    }
    return out;
  }

  #key(): string {
    if (this.#bytes[this.#at] !== tag.string) return String(this.value());
    this.#skip(1);
    return this.#string("utf8").toString();
  }
}

/** Decodes one value: tables become objects, numeric keys their decimal text. Throws a RangeError on bytes that are none. */
export function decodeValue(bytes: Buffer, options: DecodeOptions = {}): unknown {
  const reader = new Reader(bytes, options.strings ?? "utf8");
  const v = reader.value();
  if (!reader.isDone) throw new RangeError("bytes after the value");
  return v;
}
