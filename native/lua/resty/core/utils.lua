-- SPDX-License-Identifier: MIT
-- resty.core.utils for code that requires it.
local gsub = string.gsub

return {
  version = require("resty.core.base").version,
  --- `text` with every `find` (one character) replaced by `replace`.
  str_replace_char = function(text, find, replace)
    return (gsub(text, "%" .. find, (gsub(replace, "%%", "%%%%"))))
  end,
}
