-- One member's WebSocket. This light thread reads; another one sends, so that no two of them send at once.
local bus = require "chat.bus"
local cjson = require "cjson.safe"
local members = require "chat.members"
local server = require "resty.websocket.server"

local MOST_NAME, MOST_TEXT = 40, 2000 -- bytes
local QUIET = 25 -- seconds without anything to send, then a ping
local GONE = 60 -- seconds without anything received, then the member is gone

-- Text as it may be shown to others: UTF-8 without control characters, not empty; or nil.
local function clean(text, most)
  if not text or #text > most then
    return nil
  end
  local _, _, err = ngx.re.find(text, "^", "ju")
  text = text:gsub("[%z\1-\8\11-\31\127]", ""):match "^%s*(.-)%s*$"
  return not err and text ~= "" and text or nil
end

-- A page of another site must not speak for who visits it.
local function is_same_site()
  local origin = ngx.var.http_origin
  return not origin or origin:match "^https?://(.*)$" == ngx.var.http_host
end

local function tell(kind, member, text)
  return bus.publish(cjson.encode { type = kind, from = member.name, text = text, time = ngx.now() })
end

-- Sends what is queued for the member until it cannot, or there is nobody to send to.
local function send_all(wb, member)
  while true do
    local item = member:next(QUIET)
    local ok, err
    if member.is_slow then
      wb:send_close(1008, "too slow")
      return "sender"
    elseif not item then
      ok, err = wb:send_ping()
    elseif item[1] == "pong" then
      ok, err = wb:send_pong(item[2])
    elseif item[1] == "close" then
      wb:send_close(item[2])
      return "sender"
    elseif item[1] == "gone" then
      return "sender"
    else
      ok, err = wb:send_text(item[2])
    end
    if not ok then
      ngx.log(ngx.INFO, "chat: ", err)
      return "sender"
    end
  end
end

-- Reads until the member leaves.
local function receive_all(wb, member)
  local heard = ngx.now()
  while true do
    local data, kind, err = wb:recv_frame()
    if data then
      heard = ngx.now()
    end
    if not data and (not err:find(": timeout", 1, true) or ngx.now() - heard > GONE) then
      member:push "gone"
      return "receiver"
    elseif kind == "close" then
      member:push("close", 1000)
      return "receiver"
    elseif kind == "ping" then
      member:push("pong", data)
    elseif kind == "text" and not err then
      local text = clean(data, MOST_TEXT)
      if text and not tell("message", member, text) then
        member:push("text", cjson.encode { type = "problem", text = "The message could not be delivered." })
      end
    end
  end
end

local name = clean(ngx.unescape_uri(ngx.var.arg_name or ""), MOST_NAME)
if not name or not is_same_site() then
  return ngx.exit(name and ngx.HTTP_FORBIDDEN or ngx.HTTP_BAD_REQUEST)
elseif not bus.is_ready() then
  return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
end
local wb, err = server:new { timeout = 10000, max_payload_len = 4096 }
if not wb then
  ngx.log(ngx.INFO, "chat: ", err)
  return ngx.exit(ngx.HTTP_BAD_REQUEST)
end

local member = members.join(name)
member:push("text", cjson.encode { type = "hello", from = name, worker = ngx.worker.id() })
tell("join", member)
local sender = ngx.thread.spawn(send_all, wb, member)
local receiver = ngx.thread.spawn(receive_all, wb, member)
local _, ended = ngx.thread.wait(sender, receiver)
if ended == "receiver" then
  ngx.thread.wait(sender) -- its last frame may still be on its way
end
ngx.thread.kill(sender)
ngx.thread.kill(receiver)
members.leave(member)
tell("leave", member)
