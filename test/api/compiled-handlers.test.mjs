// SPDX-License-Identifier: MIT
// Handlers that use the common functions of the API are compiled whole: none of those is a loop at which a trace ends.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

const counting = `
  lua_shared_dict ends 100k;
  init_worker_by_lua_block {
    local reasons = require("jit.vmdef").traceerr
    jit.attach(function(what, _, _, _, err)
      if what == "abort" and reasons[err] and reasons[err]:find("inner loop", 1, true) then ngx.shared.ends:incr("n", 1, 0) end
    end, "trace")
  }`;

const cases = {
  "arguments and headers": `local args, headers = ngx.req.get_uri_args(), ngx.req.get_headers()
    ngx.header["X-Two"] = args.two ngx.say(args.one, headers["x-request-id"])`,
  "response headers": `ngx.header["X-One"] = "a" ngx.header["X-Two"] = "b" local h = ngx.resp.get_headers() ngx.say(h["x-one"], h["x-two"])`,
  decode_args: `local t = ngx.decode_args("a=1&b=2&c=3&d=4&e=5") ngx.say(t.a, t.e)`,
  "say and print of several values": `ngx.print(1, "a", true, nil) ngx.say("x", 2, "y", 3, "z", 4)`,
};

for (const [what, code] of Object.entries(cases))
  test(what, async (t) => {
    const s = await startMoonwire(t, {
      http: counting,
      server: `location = /ends { content_by_lua_block { ngx.print(ngx.shared.ends:get("n") or 0) } }
        location = /t { content_by_lua_block { ${code} } }`,
    });
    const request =
      "GET /t?one=1&two=2&three=3 HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7\r\nAccept: */*\r\nCookie: a=b\r\n\r\n";
    const close = "GET /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (let i = 0; i < 20; i++) {
      const answers = String(await s.raw(request.repeat(50) + close));
      t.is(answers.split("HTTP/1.1 200 OK").length, 52);
    }
    t.is((await s.get("/ends")).body, "0");
  });

test("more than the straight code takes: a loop for the rest", async (t) => {
  const s = await startMoonwire(t, {
    server: `location = /t { content_by_lua_block {
      local n, sum = 0, 0 for k, v in pairs(ngx.req.get_uri_args(0)) do n = n + 1 sum = sum + v end
      local h = 0 for k in pairs(ngx.req.get_headers(0)) do if k:find("^x%-") then h = h + 1 end end
      ngx.say(n, " ", sum, " ", h, " ", ngx.decode_args(ngx.var.args, 30).a29, 1, 2, 3, 4, 5) } }`,
  });
  for (const n of [1, 23, 24, 25, 63, 64, 65, 130, 200]) {
    const args = Array.from({ length: n }, (_, i) => `a${i}=${i}`).join("&");
    const headers = Array.from({ length: n }, (_, i) => `X-${i}: ${i}\r\n`).join("");
    const answer = String(await s.raw(`GET /t?${args} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}\r\n`));
    const last = n > 29 ? "29" : "nil";
    t.regex(answer, new RegExp(`\\r\\n\\r\\n${n} ${(n * (n - 1)) / 2} ${n} ${last}12345\\n`));
  }
});
