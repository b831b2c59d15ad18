// SPDX-License-Identifier: MIT
// nginx's post_action: a request behind the answer.
import { everywhere, typed, type Spec } from "../spec.js";

export const postAction = {
  post_action: {
    module: "core",
    in: everywhere,
    kind: "own",
    initial: "",
    read: (_c, d, level) => void (level.conf["post_action"] = d.args[0]!.text === "off" ? "" : d.args[0]!.text),
    type: typed<string>(),
    about: "URI or named location that a request goes to once more when its answer is complete; `off` for none",
  },
} as const satisfies Record<string, Spec>;
