// SPDX-License-Identifier: MIT
export default {
  title: "pipelined: hello, 16 requests per write",
  location: `
    location = /hello {
      content_by_lua_block { ngx.say("hello, world") }
    }`,
  request: { path: "/hello" },
  expect: { body: "hello, world\n" },
  pipeline: 16,
};
