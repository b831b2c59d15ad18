-- SPDX-License-Identifier: MIT
-- What a spec of `moonwire test` requires to reach the configuration under test: where it listens, requests to it, its error log.
local http = require "resty.http"

local io, ipairs, setmetatable, tostring, type = io, ipairs, setmetatable, tostring, type

local test = { urls = {} }

local log_file

--- Told by the runner. Not for users.
function test.configure(options)
  log_file = options.log
  for i, url in ipairs(options.urls) do
    test.urls[i] = url
  end
  test.url = test.urls[1]
end

--- Sends a request and returns the response: { status, headers, body, reason }; raises what kept it from coming.
---   test.request "/path"
---   test.request("/path", { method = "POST", headers = { ["X-A"] = "1" }, body = "..." })
---   test.request { path = "/path", url = test.urls[2], ... }
function test.request(path, options)
  if type(path) == "table" then
    options, path = path, path.path
  end
  options = options or {}
  local base = options.url or test.url
  if not base then
    error("the configuration listens nowhere, or there is none", 2)
  end
  local client = http.new()
  local response, err = client:request_uri(base .. (path or "/"), {
    method = options.method or (options.body and "POST" or "GET"),
    headers = options.headers,
    body = options.body,
    keepalive = false,
  })
  if not response then
    error("request of " .. base .. tostring(path or "/") .. " failed: " .. err, 2)
  end
  return response
end

--- The lines of the error log so far, each { level, message, text }; a traceback belongs to its line.
function test.logs()
  local lines = {}
  local file = io.open(log_file, "rb")
  if not file then
    return lines
  end
  for line in file:lines() do
    local level, message = line:match "^%d+/%d%d/%d%d %d%d:%d%d:%d%d %[(%a*)%] %d+#%d+: (.*)$"
    local last = lines[#lines]
    if level then
      lines[#lines + 1] = { level = level, message = (message:gsub("^%*%d+ ", "")), text = line }
    elseif last then
      last.message = last.message .. "\n" .. line
      last.text = last.text .. "\n" .. line
    end
  end
  file:close()
  return lines
end

return setmetatable(test, {
  __index = function(_, name)
    if name == "url" then
      return nil
    end
    error("moonwire.test has no field '" .. tostring(name) .. "'", 2)
  end,
})
