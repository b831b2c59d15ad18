-- The Lua half and the Lua of tests and examples run on LuaJIT with the ngx global.
std = "luajit"
max_line_length = 132
codes = true
self = false
read_globals = { "ngx", "ndk", table = { fields = { "new", "clear", "clone", "isarray", "isempty", "nkeys" } } }
globals = { "ngx" }
ignore = { "212/_.*", "213/_.*" }
files["native/lua/**"] = {
  -- the boot code builds the globals of the VM
  globals = { "ngx", "coroutine", "require", "print", "_G" },
}
files["native/lua/moonwire/env.lua"] = { globals = { "os", "io" } }
