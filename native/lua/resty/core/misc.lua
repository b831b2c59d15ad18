-- SPDX-License-Identifier: MIT
-- resty.core.misc for code that requires it: the functions it would install are already there.
local fields = require "moonwire.fields"

local version = require("resty.core.base").version

return {
  version = version,
  _VERSION = version,
  --- Makes `ngx.key` what `get()` returns; nil makes it an ordinary field again.
  register_ngx_magic_key_getter = function(key, get)
    fields.getters[key] = get
  end,
  --- Has `set(value)` called where `ngx.key` is assigned to.
  register_ngx_magic_key_setter = function(key, set)
    fields.setters[key] = set
  end,
}
