-- SPDX-License-Identifier: MIT
-- What stands where TLS is wanted, which is not built yet: functions that say so, in modules that load all the same.
local gmatch = string.gmatch

local no_tls = { message = "TLS is not supported yet" }
local message = no_tls.message

function no_tls.refuse()
  return nil, message
end

--- Adds functions that refuse to `module`; `names` are parted by spaces.
function no_tls.add(module, names)
  for name in gmatch(names, "%S+") do
    module[name] = no_tls.refuse
  end
  return module
end

return no_tls
