-- A module as any Lua program has them, found through lua_package_path.
local _M = {}

local readers = {
  utc = ngx.utctime,
  ["local"] = ngx.localtime,
}

--- The time as text, or nil and why not.
function _M.now(zone)
  local read = readers[zone]
  if not read then
    return nil, "unknown zone: " .. tostring(zone)
  end
  return read()
end

return _M
