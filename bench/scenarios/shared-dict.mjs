// SPDX-License-Identifier: MIT
export default {
  title: "shared-dict: incr of one key",
  http: "lua_shared_dict counters 1m;",
  location: `
    location = /incr {
      content_by_lua_block {
        local hits = ngx.shared.counters:incr("hits", 1, 0)
        ngx.say(hits)
      }
    }`,
  request: { path: "/incr" },
  expect: { body: /^[1-9]\d*\n$/ },
  limit: { body: "1000000\n" },
};
