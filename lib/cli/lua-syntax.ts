// SPDX-License-Identifier: MIT
// What Lua itself says of chunks, in a VM that is started for the first of them.
import type { LuaVm } from "../vm.js";

/** Checks chunks until it is closed. */
export class LuaSyntax {
  #vm: LuaVm | undefined;

  /** What is wrong with the chunk, in Lua's words, or null. */
  async check(source: string | Uint8Array, chunkname: string): Promise<string | null> {
    if (!this.#vm) {
      const { LuaVm } = await import("../vm.js");
      this.#vm = await LuaVm.create();
    }
    const message = await this.#vm.run<unknown>("local _, err = loadstring(...) return err", source, chunkname);
    return typeof message === "string" ? message : null;
  }

  async close(): Promise<void> {
    await this.#vm?.close();
  }
}
