-- SPDX-License-Identifier: MIT
-- The fields of `ngx` that are computed: ngx.ctx, ngx.status, ngx.headers_sent ... Installers register a getter and a setter
-- here; one metatable serves them all.
local fields = { getters = {}, setters = {} }
local getters, setters = fields.getters, fields.setters
local rawset, error = rawset, error

--- Makes `ngx.name` computed. Without `set`, assigning throws.
function fields.define(name, get, set)
  getters[name] = get
  setters[name] = set or function()
    error("attempt to write to ngx." .. name, 3)
  end
end

local metatable = {
  __index = function(_, key)
    local get = getters[key]
    if get then
      return get()
    end
    return nil
  end,
  __newindex = function(ngx, key, value)
    local set = setters[key]
    if set then
      return set(value)
    end
    rawset(ngx, key, value)
  end,
}

return setmetatable(fields, {
  __call = function(_, ngx)
    setmetatable(ngx, metatable)
  end,
})
