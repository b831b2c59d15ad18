-- SPDX-License-Identifier: MIT
-- `require` in Lua, so that a module may wait while it loads (no C frame stands between), the package paths of the
-- configuration, and the embedded modules as the last place to look.
local package = package
local loaded = package.loaded
local type, error, tostring, concat = type, error, tostring, table.concat
local getmetatable, setmetatable, pcall = getmetatable, setmetatable, pcall
local gsub, find, match, gmatch = string.gsub, string.find, string.match, string.gmatch

local DEFAULT_PATH = "./?.lua;/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua"
  .. ";/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua"
local DEFAULT_CPATH = "./?.so;/usr/local/lib/lua/5.1/?.so;/usr/lib/x86_64-linux-gnu/lua/5.1/?.so"
  .. ";/usr/lib/aarch64-linux-gnu/lua/5.1/?.so;/usr/lib/lua/5.1/?.so"

--- The default in place of an empty element (";;").
local function fill(path, default)
  if not find(path, ";;", 1, true) then
    return path
  end
  path = gsub(path, ";;", ";\1;", 1)
  path = gsub(path, "\1", (gsub(default, "%%", "%%%%")))
  return (gsub(gsub(path, "^;", ""), ";$", ""))
end

--- A path of the configuration: `$prefix` becomes the server prefix, an empty element the default.
local function expand(path, default, prefix)
  local folder = gsub(prefix, "%%", "%%%%") -- ends with a slash, as nginx's
  path = gsub(gsub(path, "%${prefix}", "$prefix"), "%$prefix/?", folder)
  return fill(path == "" and ";;" or path, default)
end

--- What ";;" stands for: what LuaRocks installed for the project (`luarocks --tree lua_modules`), below the prefix and below
-- the working directory, then the environment's path or Lua's own.
local function defaults(files, variable, default, host)
  local own = ""
  for _, folder in ipairs { host.prefix, host.cwd ~= host.prefix and "./" or nil } do
    for file in gmatch(files, "[^;]+") do
      own = own .. folder .. "lua_modules/" .. file .. ";"
    end
  end
  return own .. fill(os.getenv(variable) or default, default)
end

-- In package.loaded while a module loads: `thread` and `ticket` name the light thread that loads it. A userdata, since the
-- function module() would take a table for the module itself.
local prototype = newproxy(true)
local Loading = getmetatable(prototype)
local loads = setmetatable({}, { __mode = "k" })
function Loading.__index(token, key)
  return loads[token][key]
end

local function load_module(name)
  local loaders = package.loaders
  if type(loaders) ~= "table" then
    error("'package.loaders' must be a table", 3)
  end
  local tried = {}
  for i = 1, #loaders do
    local ok, chunk = pcall(loaders[i], name)
    if not ok then -- a syntax error: stock loaders name the place of their caller, which is here
      error(type(chunk) == "string" and gsub(chunk, "^%[moonwire%][^:]*:%d+: ", "") or chunk, 0)
    end
    if type(chunk) == "function" then
      return chunk
    elseif type(chunk) == "string" then
      tried[#tried + 1] = chunk
    end
  end
  error("module '" .. name .. "' not found:" .. concat(tried), 3)
end

return function(_, host)
  local path = defaults("share/lua/5.1/?.lua;share/lua/5.1/?/init.lua", "LUA_PATH", DEFAULT_PATH, host)
  local cpath = defaults("lib/lua/5.1/?.so", "LUA_CPATH", DEFAULT_CPATH, host)
  package.path = expand(host.package_path, path, host.prefix)
  package.cpath = expand(host.package_cpath, cpath, host.prefix)

  -- The engine's own modules are ours alone: another copy, such as a system's lua-resty-core, speaks to nginx's C functions.
  -- Those of its modules that we have not got are refused here, before that copy is found.
  local later = {}
  for name in gmatch("ocsp proxyssl ssl", "%a+") do
    later["ngx." .. name] = true
  end
  table.insert(package.loaders, 2, function(name)
    local is_core = find(name, "^resty%.core%f[.%z]")
    if is_core or find(name, "^ngx%.") then
      local chunk = host.embedded(name)
      if not chunk and (is_core or later[match(name, "^ngx%.%a+")]) then
        error(
          "module '" .. name .. "' not found: it speaks to nginx itself, and Moonwire has no part of its own for it",
          0
        )
      end
      return chunk
    end
  end)
  package.loaders[#package.loaders + 1] = function(name)
    return host.embedded(name) or ("\n\tno bundled module '" .. name .. "'")
  end

  local self, is_alive = host.thread.self, host.thread.is_alive

  local waits = {} -- ticket of a light thread in wait_for -> what it waits for

  -- A module that is loading: an error where this light thread itself loads it, or one that in the end waits for this one.
  -- Where another loads it, we wait; when that one was killed the module is loaded anew.
  local function wait_for(name, loading)
    local thread, ticket = self()
    local last = loading
    while last and last.ticket ~= ticket do
      last = waits[last.ticket]
    end
    if thread == nil or last then
      error("loop or previous error loading module '" .. name .. "'", 3)
    end
    waits[ticket] = loading
    while loaded[name] == loading do
      if not is_alive(loading.thread, loading.ticket) then
        loaded[name] = nil
      else
        ngx.sleep(0.001)
      end
    end
    waits[ticket] = nil
    local module = loaded[name]
    if module and getmetatable(module) == Loading then
      return wait_for(name, module)
    end
    return module
  end

  function require(name)
    if type(name) == "number" then
      name = tostring(name)
    end
    if type(name) ~= "string" then
      error(
        "bad argument #1 to 'require' (string expected, got " .. (name == nil and "no value" or type(name)) .. ")",
        2
      )
    end
    local module = loaded[name]
    if module and getmetatable(module) == Loading then
      module = wait_for(name, module)
    end
    if module then
      return module
    end
    local chunk = load_module(name)
    local loading = newproxy(prototype)
    local thread, ticket = self()
    loads[loading] = { thread = thread, ticket = ticket }
    loaded[name] = loading
    local ok, result = pcall(chunk, name)
    if not ok then
      loaded[name] = nil
      error(result, 0)
    end
    if result ~= nil then
      loaded[name] = result
    elseif loaded[name] == loading then
      loaded[name] = true
    end
    return loaded[name]
  end
end
