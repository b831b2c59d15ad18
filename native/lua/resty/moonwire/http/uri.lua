-- SPDX-License-Identifier: MIT
-- resty.moonwire.http.uri: URIs taken apart, and whether a proxy is used for a host.
local find, gmatch, gsub, lower, match, sub =
  string.find, string.gmatch, string.gsub, string.lower, string.match, string.sub
local tonumber, pcall = tonumber, pcall

local _M = {}

-- The scheme of the current request, for a URI that leaves it out; nil where there is no request.
local function scheme_of_request()
  local ok, scheme = pcall(function()
    return ngx.var.scheme
  end)
  return ok and scheme or nil
end

-- Host and port ("" or digits) of "host[:port]" or "[address][:port]"; nil when it is neither.
local function split_authority(text)
  local host, port = match(text, "^(%[[%x:.]+%]):?(%d*)$")
  if not host then
    host, port = match(text, "^([^%[%]:@%s%c]+):?(%d*)$")
  end
  return host, port
end

--- { scheme, host, port, path, query }; unless `query_in_path` is false, the query stays with the path. Or nil and why not.
function _M.parse(uri, query_in_path)
  local scheme, authority, rest = match(uri, "^(%a*:?)//([^/?#]+)(.*)$")
  local host, port
  if scheme == "" or scheme and find(scheme, ":$") then
    host, port = split_authority(authority)
  end
  port = port ~= "" and tonumber(port) or nil
  if not host or port and port > 65535 or find(authority, ":$") then
    return nil, "bad uri: " .. uri
  end
  if scheme == "" then
    scheme = scheme_of_request()
    if scheme ~= "http" and scheme ~= "https" then
      return nil, "schemaless URIs require a request context: " .. uri
    end
  else
    scheme = lower(sub(scheme, 1, -2))
    if scheme ~= "http" and scheme ~= "https" then
      return nil, "bad uri: " .. uri
    end
  end
  local path, query = match(gsub(rest, "#.*$", ""), "^([^?]*)%??(.*)$")
  if path == "" then
    path = "/"
  end
  port = port or scheme == "https" and 443 or 80
  if query_in_path == false then
    return { scheme, host, port, path, query }
  end
  return { scheme, host, port, query ~= "" and path .. "?" .. query or path }
end

--- Whether `no_proxy`, a list with commas, names the host or a domain that it is in.
function _M.is_excluded(no_proxy, host)
  if no_proxy == nil then
    return false
  elseif no_proxy == "*" then
    return true
  end
  host = lower(host)
  for name in gmatch(lower(no_proxy), "[^,%s]+") do
    name = gsub(name, "^%.", "")
    if host == name or name ~= "" and sub(host, -#name - 1) == "." .. name then
      return true
    end
  end
  return false
end

return _M
