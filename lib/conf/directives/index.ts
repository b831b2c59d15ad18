// SPDX-License-Identifier: MIT
// The directive table: every directive that is known. Both fronts, the checks, the defaults, the plan, the TypeScript types
// and the documents come from it; there is no second list.
import type { Spec } from "../spec.js";
import { access } from "./access.js";
import { accepted } from "./accepted.js";
import { charset } from "./charset.js";
import { dav } from "./dav.js";
import { files } from "./files.js";
import { geo } from "./geo.js";
import { limitExcept } from "./limit-except.js";
import { memcached } from "./memcached.js";
import { mirror } from "./copies.js";
import { drizzle } from "./drizzle.js";
import { echo } from "./echo.js";
import { filters } from "./filters.js";
import { headersMore } from "./headers-more.js";
import { http } from "./http.js";
import { limit } from "./limit.js";
import { limits } from "./limits.js";
import { log } from "./log.js";
import { lua } from "./lua.js";
import { main } from "./main.js";
import { map } from "./map.js";
import { memc } from "./memc.js";
import { postAction } from "./post-action.js";
import { proxy } from "./proxy.js";
import { proxyCache } from "./proxy-cache.js";
import { realip } from "./realip.js";
import { referer } from "./referer.js";
import { responses } from "./responses.js";
import { rewrite } from "./rewrite.js";
import { setMisc } from "./set-misc.js";
import { socket } from "./socket.js";
import { ssi } from "./ssi.js";
import { status } from "./status.js";
import { userid } from "./userid.js";
import { workerLimits } from "./worker-limits.js";

export const directives = {
  ...main,
  ...workerLimits,
  ...http,
  ...limits,
  ...limitExcept,
  ...postAction,
  ...rewrite,
  ...map,
  ...geo,
  ...setMisc,
  ...responses,
  ...log,
  ...echo,
  ...headersMore,
  ...access,
  ...realip,
  ...referer,
  ...limit,
  ...filters,
  ...charset,
  ...userid,
  ...files,
  ...ssi,
  ...mirror,
  ...dav,
  ...proxy,
  ...proxyCache,
  ...memc,
  ...memcached,
  ...drizzle,
  ...lua,
  ...socket,
  ...status,
  ...accepted,
};

export type DirectiveTable = typeof directives;
export type DirectiveName = keyof DirectiveTable;

/** The spec of a directive, or undefined when there is none of that name. */
export function specOf(name: string): Spec | undefined {
  return Object.hasOwn(directives, name) ? directives[name as DirectiveName] : undefined;
}

/** Splits `content_by_lua_block` into the script directive's name and its form. */
export function scriptOf(name: string): { name: string; form: "string" | "block" | "file" } | undefined {
  const m = /^(\w+_by_lua)(?:_(block|file))?$/.exec(name);
  if (!m || specOf(m[1]!)?.kind !== "script") return undefined;
  return { name: m[1]!, form: (m[2] as "block" | "file" | undefined) ?? "string" };
}
