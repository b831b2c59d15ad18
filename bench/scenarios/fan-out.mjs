// SPDX-License-Identifier: MIT
// Ten light threads a request, each with a GET over a pooled cosocket.
export default {
  title: "fan-out: ten light threads, a Redis GET each",
  backend: "redis",
  prepare: "SET key hello\r\n",
  location: `
    location = /fan-out {
      content_by_lua_block {
        local function get()
          local sock = ngx.socket.tcp()
          if not sock:connect("127.0.0.1", __BACKEND__) then return 0 end
          sock:send("*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n")
          local value = sock:receive(tonumber(sock:receive():sub(2)))
          sock:receive(2)
          sock:setkeepalive(10000, 1000)
          return #value
        end
        local threads, n = {}, 0
        for i = 1, 10 do threads[i] = ngx.thread.spawn(get) end
        for i = 1, 10 do n = n + select(2, ngx.thread.wait(threads[i])) end
        ngx.say(n)
      }
    }`,
  connections: 16,
  request: { path: "/fan-out" },
  expect: { body: "50\n" },
};
