-- The members of the room on this worker. Each has a queue and a semaphore: whoever has something for a member puts it
-- there, and the member's own light thread sends it. One that does not take what it is sent is put out.
local semaphore = require "ngx.semaphore"

local MOST_QUEUED = 256

local members = {}

local member = {}
member.__index = member

--- Puts { what, payload } behind what is queued.
function member:push(what, payload)
  if self.last - self.first >= MOST_QUEUED then
    self.is_slow = true
  else
    self.last = self.last + 1
    self.queue[self.last] = { what, payload }
  end
  self.ready:post(1)
end

--- The next { what, payload }; nil after `seconds` without one, or when the member is too slow.
function member:next(seconds)
  if not self.ready:wait(seconds) or self.is_slow then
    return nil
  end
  local item = self.queue[self.first + 1]
  self.first = self.first + 1
  self.queue[self.first] = nil
  return item
end

local M = {}

--- A new member of that name.
function M.join(name)
  local one = setmetatable({ name = name, queue = {}, first = 0, last = 0, ready = semaphore.new(0) }, member)
  members[one] = true
  return one
end

function M.leave(one)
  members[one] = nil
end

--- Whether anybody is here.
function M.is_empty()
  return next(members) == nil
end

--- Gives a text to everybody on this worker.
function M.deliver(text)
  for one in pairs(members) do
    one:push("text", text)
  end
end

return M
