-- What all workers hear: publish(text) here, and every worker's `deliver` gets it, this one's too. A timer of each worker
-- listens; what it listens to is Redis or the shared dictionary.
local address = os.getenv "CHAT_REDIS"
local source = address and require("chat.redis_bus").new(address) or require "chat.shared_bus"

local M = {}

--- Starts to listen, on this worker.
function M.start(deliver)
  local function listen(premature)
    if premature then
      return
    end
    local ok, err = pcall(source.listen, deliver)
    if not ok then
      ngx.log(ngx.ERR, "chat: ", err)
    end
    ngx.timer.at(0.5, listen) -- it came to an end; once more
  end
  assert(ngx.timer.at(0, listen))
end

--- Whether this worker hears what is published.
function M.is_ready()
  return source.is_ready()
end

--- Tells all workers. Returns true, or nil and the reason.
function M.publish(text)
  return source.publish(text)
end

return M
