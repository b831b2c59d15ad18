// SPDX-License-Identifier: MIT
// Directives of nginx's SSI module.
import { everywhere, type Spec } from "../spec.js";

const module = { module: "ssi", in: everywhere } as const;

export const ssi = {
  ssi: { ...module, kind: "flag", default: "off", about: "carries out the SSI commands in responses" },
  ssi_silent_errors: {
    ...module,
    kind: "flag",
    default: "off",
    about: "a command that fails puts out nothing in place of its error message",
  },
  ssi_types: {
    ...module,
    kind: "words",
    merge: "replace",
    default: "text/html",
    about: "MIME types that are read beside text/html; `*` for all",
  },
  ssi_value_length: { ...module, kind: "size", default: "256", about: "values of parameters are shorter than this" },
  ssi_last_modified: {
    ...module,
    kind: "flag",
    default: "off",
    about: "a response keeps its Last-Modified",
  },
  ssi_min_file_chunk: { ...module, kind: "size", store: "none", about: "accepted, no effect" },
  ssi_ignore_recycled_buffers: { ...module, kind: "flag", store: "none", about: "accepted, no effect" },
} as const satisfies Record<string, Spec>;
