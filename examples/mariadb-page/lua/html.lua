-- Texts for HTML.
local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local _M = {}

--- A text as it may stand in an element or in a quoted attribute.
function _M.escape(text)
  return (text:gsub("[&<>\"']", ENTITIES))
end

return _M
