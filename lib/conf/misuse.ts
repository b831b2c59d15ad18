// SPDX-License-Identifier: MIT
// How a directive stands: in which block, with a block of its own or without, with how many words, how often.
import { arityOf, isAllowedIn, type Context, type Spec } from "./spec.js";
import type { Directive } from "./tree.js";

/**
 * What is wrong with how a directive stands, in nginx's words and its order of checks; undefined when nothing is. `name` is the
 * table's, `form` that of a script, `isRepeated` when the block has had one.
 */
export function misuse(
  d: Directive,
  spec: Spec,
  name: string,
  form: string | undefined,
  context: Context,
  isRepeated: boolean,
): string | undefined {
  if (!isAllowedIn(spec, name, context)) return `"${d.name}" directive is not allowed here`;
  const isLua = form === "block";
  if (isLua ? d.lua === undefined : spec.kind === "block" && !d.block)
    return `directive "${d.name}" has no opening "{"`;
  if (!isLua && spec.kind !== "block" && (d.block || d.lua !== undefined))
    return `directive "${d.name}" is not terminated by ";"`;
  const before = spec.blockArgs ?? 0;
  const [low, high] = isLua ? [before, before] : arityOf(spec);
  if (d.args.length < low || d.args.length > high) return `invalid number of arguments in "${d.name}" directive`;
  return isRepeated && !spec.repeat ? `"${d.name}" directive is duplicate` : undefined;
}
