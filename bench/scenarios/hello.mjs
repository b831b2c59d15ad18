// SPDX-License-Identifier: MIT
export default {
  title: "hello: ngx.say of a constant",
  location: `
    location = /hello {
      content_by_lua_block { ngx.say("hello, world") }
    }`,
  request: { path: "/hello" },
  expect: { body: "hello, world\n" },
};
