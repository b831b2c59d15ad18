-- The bus over a shared dictionary: messages are numbered, and each worker looks for new ones while it has members. For the
-- workers of one server.
local members = require "chat.members"

local dict = ngx.shared.chat
local KEPT = 30 -- seconds that a message may be looked for
local PATIENCE = 50 -- looks at a number whose message is not there yet

local M = {}

local is_listening = false

-- Delivers what came behind number `seen`, and returns the last number delivered. A number whose message is not written yet
-- holds up those behind it; one whose writer died is passed over.
local function deliver_new(deliver, seen, patience)
  local last = dict:get "last" or 0
  while seen < last do
    local text = dict:get("message " .. seen + 1)
    if not text and patience.number ~= seen + 1 then
      patience.number, patience.left = seen + 1, PATIENCE
    end
    if not text and patience.left > 0 then
      patience.left = patience.left - 1
      return seen
    elseif text then
      deliver(text)
    end
    seen = seen + 1
  end
  return seen
end

function M.listen(deliver)
  local seen, patience = dict:get "last" or 0, {}
  is_listening = true
  while not ngx.worker.exiting() do
    if members.is_empty() then
      seen = dict:get "last" or 0
      ngx.sleep(0.1)
    else
      ngx.sleep(0.02)
      seen = deliver_new(deliver, seen, patience)
    end
  end
  is_listening = false
end

function M.publish(text)
  local number, err = dict:incr("last", 1, 0)
  if not number then
    return nil, err
  end
  return dict:set("message " .. number, text, KEPT)
end

function M.is_ready()
  return is_listening
end

return M
