// SPDX-License-Identifier: MIT
// One GET a request over a pooled cosocket, by hand: what the cosocket costs, not a client library.
export default {
  title: "redis: one GET over a pooled cosocket",
  backend: "redis",
  prepare: "SET key hello\r\n",
  location: `
    location = /redis {
      content_by_lua_block {
        local sock = ngx.socket.tcp()
        local ok, err = sock:connect("127.0.0.1", __BACKEND__)
        if not ok then return ngx.exit(502) end
        sock:send("*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n")
        local size = tonumber(sock:receive():sub(2))
        local value = sock:receive(size)
        sock:receive(2)
        sock:setkeepalive(10000, 100)
        ngx.say(value)
      }
    }`,
  request: { path: "/redis" },
  expect: { body: "hello\n" },
};
