// SPDX-License-Identifier: MIT
const body = JSON.stringify({ user: { id: 42, name: "Ada", tags: ["a", "b", "c"] }, items: [1, 2, 3, 4, 5], ok: true });

export default {
  title: "json: cjson decodes a POST body, encodes an answer",
  http: `init_by_lua_block { require "cjson" }`,
  location: `
    location = /json {
      content_by_lua_block {
        local cjson = require "cjson"
        ngx.req.read_body()
        local value = cjson.decode(ngx.req.get_body_data())
        ngx.header.content_type = "application/json"
        ngx.print(cjson.encode({ id = value.user.id, count = #value.items, tags = value.user.tags }))
      }
    }`,
  request: { method: "POST", path: "/json", headers: { "Content-Type": "application/json" }, body },
  expect: { body: /^\{(?=.*"id":42)(?=.*"count":5)(?=.*"tags":\["a","b","c"\]).*\}$/ },
  limit: { body: '{"tags":["a","b","c"],"id":42,"count":5}' },
};
