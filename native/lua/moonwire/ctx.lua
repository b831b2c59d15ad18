-- SPDX-License-Identifier: MIT
-- ngx.ctx: one table per request (per run for timers and init). C++ keeps a slot number where the light thread can see it and
-- frees the slot at the end with luaL_unref, whose free list at index 0 is shared here.
local abi = require "moonwire.abi"
local fields = require "moonwire.fields"

local W = abi.W
local error, type = error, type

local M = {}

return setmetatable(M, {
  __call = function(_, _, host)
    local ctxs = host.ctxs

    local function new_slot(value)
      local ref = ctxs[0]
      if ref and ref ~= 0 then
        ctxs[0] = ctxs[ref]
      else
        ref = #ctxs + 1
      end
      ctxs[ref] = value
      return ref
    end

    local function get()
      local thread = W.thread
      if thread == nil then
        error("no request ctx found", 3)
      end
      local slot = thread.ctx_slot
      local ref = slot[0]
      if ref ~= 0 then
        return ctxs[ref]
      end
      local ctx = {}
      slot[0] = new_slot(ctx)
      return ctx
    end

    local function set(value)
      if type(value) ~= "table" then
        error("ctx should be a table while getting a " .. type(value), 2)
      end
      local thread = W.thread
      if thread == nil then
        error("no request ctx found", 3)
      end
      local slot = thread.ctx_slot
      local ref = slot[0]
      if ref ~= 0 then
        ctxs[ref] = value
      else
        slot[0] = new_slot(value)
      end
    end

    fields.define("ctx", get, set)

    --- Makes `value` the ngx.ctx of request `r`, which has none yet.
    function M.attach(r, value)
      r.ctx_ref = new_slot(value)
    end
  end,
})
