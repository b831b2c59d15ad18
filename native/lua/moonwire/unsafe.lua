-- SPDX-License-Identifier: MIT
-- Bytes that must not stand in a URI which goes into a request or a header line, and how error messages show them.
local byte, find, gsub = string.byte, string.find, string.gsub

--- The first unsafe byte of `uri` as "0x0d", and the URI with such bytes, quotes and backslashes escaped; nil when it is safe.
return function(uri)
  local at = find(uri, "[%z\1-\8\10-\31\127]")
  if not at then
    return nil
  end
  local shown = gsub(uri, '[%z\1-\8\10-\31\127"\\]', function(c)
    return ("\\x%02X"):format(byte(c))
  end)
  return ("0x%02x"):format(byte(uri, at)), shown
end
