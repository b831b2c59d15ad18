// SPDX-License-Identifier: MIT
// Directives that say how something is to be done which is not done here yet: they are checked and have no effect, so that
// a configuration that only mentions them serves. What would change an answer is not among them: that is an error.
import { everywhere, many, type Spec } from "../spec.js";

const http = { in: everywhere, store: "none" } as const;
const lua = { ...http, module: "lua", about: "accepted, no effect yet" } as const;
const folder = { ...http, module: "proxy", kind: "words", args: [1, 4], about: "accepted, no effect" } as const;

export const accepted = {
  proxy_temp_path: folder,
  fastcgi_temp_path: folder,
  uwsgi_temp_path: folder,
  scgi_temp_path: folder,
  lua_socket_send_lowat: { ...lua, kind: "size" },
  lua_ssl_ciphers: { ...lua, kind: "string" },
  lua_ssl_crl: { ...lua, kind: "string" },
  lua_ssl_protocols: { ...lua, kind: "words", args: [1, many] },
  lua_ssl_trusted_certificate: { ...lua, kind: "string" },
  lua_ssl_verify_depth: { ...lua, kind: "number" },
  lua_ssl_certificate: { ...lua, kind: "string" },
  lua_ssl_certificate_key: { ...lua, kind: "string" },
  lua_ssl_conf_command: { ...lua, kind: "words", args: [2, 2], repeat: true },
} as const satisfies Record<string, Spec>;
