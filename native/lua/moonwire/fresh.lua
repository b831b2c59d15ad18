-- SPDX-License-Identifier: MIT
-- lua_code_cache off: what lua-nginx-module does with a VM for each request is done by forgetting what requests have loaded
-- and left behind. Modules and globals of the boot stay, and so does what requests under way hold on to.
local next, rawset = next, rawset

local function names_of(t)
  local names = {}
  for name in next, t do
    names[name] = true
  end
  return names
end

local function forget(t, kept)
  for name in next, t do
    if not kept[name] then
      rawset(t, name, nil)
    end
  end
end

local kept_modules, kept_globals = names_of(package.loaded), names_of(_G)

--- Forgets what was loaded and left since the boot.
return function()
  forget(package.loaded, kept_modules)
  forget(_G, kept_globals)
end
