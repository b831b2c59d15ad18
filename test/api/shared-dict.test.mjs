// SPDX-License-Identifier: MIT
// ngx.shared.DICT: what else comes back with a value.
import { apiCase } from "../helpers/api.js";

apiCase("user flags are signed; zero is none", {
  http: "lua_shared_dict d 1m;",
  content: `
    local d = ngx.shared.d
    for _, flags in ipairs { -1, 0, 1, 2147483647, -2147483648 } do
      d:set("k", "v", 0, flags)
      local value, got = d:get("k")
      local _, stale = d:get_stale("k")
      ngx.say(value, " ", tostring(got), " ", tostring(stale))
    end`,
  body: "v -1 -1\nv nil nil\nv 1 1\nv 2147483647 2147483647\nv -2147483648 -2147483648\n",
});
