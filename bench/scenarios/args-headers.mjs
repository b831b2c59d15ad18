// SPDX-License-Identifier: MIT
export default {
  title: "args-headers: read arguments and headers, set five headers",
  location: `
    location = /args {
      content_by_lua_block {
        local args = ngx.req.get_uri_args()
        local headers = ngx.req.get_headers()
        local out = ngx.header
        out["X-One"] = args.one
        out["X-Two"] = args.two
        out["X-Agent"] = headers["user-agent"]
        out["Cache-Control"] = "no-store"
        out["Content-Type"] = "text/html"
        ngx.say(args.name, " ", headers["x-request-id"])
      }
    }`,
  request: {
    path: "/args?one=1&two=2&name=moon%20wire",
    headers: {
      "User-Agent": "bench/1.0",
      Accept: "text/html,application/xhtml+xml",
      "Accept-Language": "en-US,en",
      Cookie: "session=0123456789abcdef",
      "X-Request-Id": "a1b2c3d4",
    },
  },
  expect: {
    body: "moon wire a1b2c3d4\n",
    headers: { "x-one": "1", "x-two": "2", "x-agent": "bench/1.0" },
  },
  limit: { headers: "X-One: 1\r\nX-Two: 2\r\nX-Agent: bench/1.0\r\nCache-Control: no-store\r\n" },
};
