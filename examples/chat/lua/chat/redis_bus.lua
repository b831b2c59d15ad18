-- The bus over Redis' channels: several servers may share it.
local redis = require "resty.redis"

local CHANNEL = "moonwire-chat"

local M = {}

--- A bus over the Redis at "host:port".
function M.new(address)
  local host, port = address:match "^(.+):(%d+)$"
  assert(host, "CHAT_REDIS is host:port")
  local is_listening = false

  local function connect()
    local red = redis:new()
    red:set_timeout(1000)
    local ok, err = red:connect(host, tonumber(port))
    if not ok then
      return nil, err
    end
    return red
  end

  local function listen(deliver)
    local red, err = connect()
    local ok = red
    if red then
      ok, err = red:subscribe(CHANNEL)
    end
    while ok and not ngx.worker.exiting() do
      is_listening = true
      local message
      message, err = red:read_reply()
      if message and message[1] == "message" then
        deliver(message[3])
      elseif not message and err ~= "timeout" then
        break
      end
    end
    is_listening = false
    if red then
      red:close()
    end
    if not ngx.worker.exiting() then
      ngx.log(ngx.WARN, "chat: no messages from Redis: ", err)
    end
  end

  local function publish(text)
    local red, err = connect()
    if not red then
      return nil, err
    end
    local ok
    ok, err = red:publish(CHANNEL, text)
    if not ok then
      return nil, err
    end
    return red:set_keepalive(10000, 16)
  end

  return {
    listen = listen,
    publish = publish,
    is_ready = function()
      return is_listening
    end,
  }
end

return M
