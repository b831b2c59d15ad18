// SPDX-License-Identifier: MIT
// What a configuration module is written with: `defineConfig`, `lua`, `luaFile`, and the type of the object, which is worked
// out from the directive table.
import type { DirectiveName, DirectiveTable } from "./directives/index.js";
import type { Context, Typed } from "./spec.js";
import type { inIf } from "./spec.js";
import type { UpstreamBlock } from "./upstream.js";

// A brand and not the class alone: a configuration may have been written with another copy of this package.
const brand = Symbol.for("moonwire.lua");

/** Lua source, as the template tag `lua` makes it; knows where it stood, for error messages. */
export class LuaSource {
  readonly [brand] = "source";
  constructor(
    readonly source: string,
    readonly file = "",
    readonly line = 0,
  ) {}
}

/** The name of a Lua file, as `luaFile` makes it. */
export class LuaFile {
  readonly [brand] = "file";
  constructor(readonly path: string) {}
}

/** True for what `lua` makes. */
export function isLuaSource(v: unknown): v is LuaSource {
  return (v as Partial<LuaSource> | null | undefined)?.[brand] === "source";
}

/** True for what `luaFile` makes. */
export function isLuaFile(v: unknown): v is LuaFile {
  return (v as Partial<LuaFile> | null | undefined)?.[brand] === "file";
}

/** Lua source in a template: lua`ngx.say("hello")`. Substitutions are put in as they are, backslashes stay. */
export function lua(strings: TemplateStringsArray, ...values: unknown[]): LuaSource {
  const source = String.raw({ raw: strings.raw }, ...values);
  const frame = new Error().stack?.split("\n")[2] ?? "";
  const at = /(?:\(|at )(?:file:\/\/)?(\/[^?()]*?)(?:\?[^:]*)?:(\d+):\d+\)?$/.exec(frame);
  return at ? new LuaSource(source, at[1], Number(at[2])) : new LuaSource(source);
}

/** A Lua file, relative to the prefix; its name may hold variables. */
export function luaFile(path: string): LuaFile {
  return new LuaFile(path);
}

type Script = string | LuaSource | LuaFile;
type Words = string | readonly string[];
type Flag = boolean | "on" | "off";
type Size<Unit extends string> = number | `${bigint}` | `${bigint}${Unit}`;
type TimeUnit = "ms" | "s" | "m" | "h" | "d" | "w" | "M" | "y";
type Time = number | `${bigint}` | `${bigint}${TimeUnit}` | `${bigint}${TimeUnit} ${string}`;

/** What a directive of each kind takes in a configuration object. */
interface KindTypes {
  flag: Flag;
  number: number;
  size: Size<"k" | "K" | "m" | "M">;
  offset: Size<"k" | "K" | "m" | "M" | "g" | "G">;
  time: Time;
  string: string;
  path: string;
  complex: string;
  words: Words;
  script: Script;
}

/** What a block is in a configuration object: an object, a list, or an object by location or MIME type. */
interface BlockTypes {
  http: Block<"http">;
  events: Block<"events">;
  stream: Omit<Block<"stream">, "server"> & {
    readonly server?: readonly Block<"stream_server">[] | Block<"stream_server">;
  };
  server: readonly Block<"server">[] | Block<"server">;
  location: { readonly [match: string]: Block<"location"> };
  types: { readonly [mime: string]: Words };
  upstream: { readonly [name: string]: UpstreamBlock };
  if: { readonly [condition: string]: Block<"if"> };
}

type EnumOf<V> = (keyof V & string) | ("on" extends keyof V ? true : never) | ("off" extends keyof V ? false : never);

type ValueOf<N extends DirectiveName, S> = N extends keyof BlockTypes
  ? BlockTypes[N]
  : S extends { readonly type: Typed<infer T> }
    ? T
    : S extends { readonly values: infer V }
      ? EnumOf<V>
      : S extends { readonly kind: infer K extends keyof KindTypes }
        ? KindTypes[K]
        : never;

type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
type In<C extends Context> =
  | {
      [N in DirectiveName]: C extends DirectiveTable[N]["in"][number] ? N : never;
    }[DirectiveName]
  | (C extends "if" ? Extract<(typeof inIf)[number], DirectiveName> : never);

/** The directives of one kind of block, in camelCase. */
export type Block<C extends Context> = { readonly [N in In<C> as Camel<N>]?: ValueOf<N, DirectiveTable[N]> };

/** A whole configuration. A property is a directive's name in camelCase, nested as nginx nests it. */
export type Config = Block<"main">;

/** Returns the configuration as it is, and gives its type to the editor. */
export function defineConfig(config: Config): Config {
  return config;
}
