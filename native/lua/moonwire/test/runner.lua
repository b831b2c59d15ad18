-- SPDX-License-Identifier: MIT
-- `moonwire test` inside the worker: reads a spec file and runs its tests one by one, each in a request of its own to a server that
-- the command adds to the configuration, so that all of `ngx` is there. The command (lib/cli/test.ts) calls load, then run for
-- each test, then finish; the request's handler calls serve. One file a worker, one test at a time.
local suite = require "moonwire.test.suite"
local public = require "moonwire.test"
local semaphore = require "ngx.semaphore"

local error, ipairs, pcall, tostring, type, xpcall = error, ipairs, pcall, tostring, type, xpcall
local getmetatable = getmetatable
local concat, insert, remove = table.concat, table.insert, table.remove
local find, format, sub = string.find, string.format, string.sub
local getinfo = debug.getinfo

local runner = {}

local address -- of the server that serve() answers
local limit -- milliseconds for a test with its hooks
local tests = {}
local open = {} -- the blocks whose setup has run, from the outermost
local job -- what the next request runs
local finalizers

--- The frames of the user's own files, from `level` of the caller on (or of another thread), one a line.
local function user_frames(level, thread)
  local lines = {}
  while true do
    local info
    if thread then
      info = getinfo(thread, level, "Sln")
    else
      info = getinfo(level + 1, "Sln")
    end
    if not info then
      break
    end
    if info.currentline > 0 and sub(info.source, 1, 1) == "@" then
      local what = info.what == "main" and ": in main chunk"
        or info.name and ": in function '" .. info.name .. "'"
        or ": in function <" .. info.short_src .. ":" .. info.linedefined .. ">"
      lines[#lines + 1] = info.short_src .. ":" .. info.currentline .. what
    end
    level = level + 1
  end
  return concat(lines, "\n")
end

--- Makes an outcome of what was raised: its kind, message and traceback.
local function outcome_of(raised)
  if getmetatable(raised) == suite.Pending then
    return { status = "pending", message = raised.reason, traceback = "" }
  end
  local is_failure = type(raised) == "table" and raised.is_failure
  local message
  if type(raised) == "string" or type(getmetatable(raised)) == "table" and getmetatable(raised).__tostring then
    message = tostring(raised)
  else
    message = "(error object is a " .. type(raised) .. " value)"
  end
  return { status = is_failure and "failed" or "error", message = message, traceback = user_frames(3) }
end

--- The content handler: runs the job that its request was made for.
function runner.serve()
  local mine = job
  if not mine then
    return ngx.exit(404)
  end
  job = nil
  mine.thread = coroutine.running()
  local ok, outcome = xpcall(mine.fn, outcome_of)
  mine.outcome = ok and { status = "passed" } or outcome
end

local function head_of(request, body)
  local lines = { format("%s %s HTTP/1.0\r\n", request.method or "GET", request.path or "/") }
  local has_host = false
  for name, value in pairs(request.headers or {}) do
    has_host = has_host or name:lower() == "host"
    lines[#lines + 1] = format("%s: %s\r\n", name, tostring(value))
  end
  if not has_host then
    lines[#lines + 1] = "Host: localhost\r\n"
  end
  if body ~= "" then
    lines[#lines + 1] = format("Content-Length: %d\r\n", #body)
  end
  return concat(lines) .. "\r\n"
end

--- Sends the request that the job is run in; returns why it did not come to its end, or nil.
local function exchange(request)
  local sock = ngx.socket.tcp()
  sock:settimeout(2 ^ 30) -- the semaphore knows better, and does not log
  local ok, err = sock:connect(address.host, address.port)
  if not ok then
    return "cannot reach the runner: " .. err
  end
  local body = request.body or ""
  sock:send { head_of(request, body), body }
  local ended = semaphore.new()
  local reader = ngx.thread.spawn(function()
    while sock:receiveany(65536) do
    end
    ended:post()
  end)
  local is_over = ended:wait(limit / 1000)
  if not is_over then
    ngx.thread.kill(reader)
  end
  sock:close()
  return not is_over and format("still running after %d ms", limit) or nil
end

--- Runs `fn` in a request of its own: its outcome.
local function in_request(fn, request)
  local mine = { fn = fn }
  job = mine
  local problem = exchange(request or {})
  job = nil
  if mine.outcome and not problem then
    return mine.outcome
  end
  local traceback = problem and mine.thread and user_frames(0, mine.thread) or ""
  local ended = "the test's own request was ended: by ngx.exit, ngx.redirect, ngx.exec or a killed light thread"
  return { status = "error", message = problem or ended, traceback = traceback }
end

local function chain_of(block)
  local chain = {}
  while block do
    insert(chain, 1, block)
    block = block.parent
  end
  return chain
end

local function failed_hook(word, block, outcome)
  local name = block.name == "" and word or block.name .. " " .. word
  outcome.name, outcome.full_name = name, name
  return outcome
end

local function close_block(results)
  local block = remove(open)
  for _, fn in ipairs(block.teardown) do
    local outcome = in_request(fn)
    if outcome.status ~= "passed" then
      results[#results + 1] = failed_hook("teardown", block, outcome)
    end
  end
end

--- Opens the blocks around a test, and closes those that it is not in; the outcome of a setup that failed.
local function open_blocks(chain, results)
  while #open > 0 and open[#open] ~= chain[#open] do
    close_block(results)
  end
  for _, block in ipairs(open) do
    if block.failed then
      return block.failed
    end
  end
  for i = #open + 1, #chain do
    local block = chain[i]
    open[i] = block
    for _, fn in ipairs(block.setup) do
      local outcome = in_request(fn)
      if outcome.status ~= "passed" then
        outcome.message = "setup: " .. outcome.message
        block.failed = outcome
        return outcome
      end
    end
  end
  return nil
end

--- Runs a function; keeps what it raised first.
local function attempt(raised, fn)
  local ok, outcome = xpcall(fn, outcome_of)
  return raised or (not ok and outcome) or nil
end

--- The test with its hooks, as one function. Whatever fails, what stands behind it runs as far as it was begun.
local function body_of(test, chain)
  return function()
    local raised
    finalizers = {}
    local begun = 0
    for i, block in ipairs(chain) do
      for _, fn in ipairs(block.before_each) do
        raised = raised or attempt(nil, fn)
      end
      begun = i
      if raised then
        break
      end
    end
    raised = raised or attempt(nil, test.fn)
    for i = #finalizers, 1, -1 do
      raised = attempt(raised, finalizers[i])
    end
    for i = begun, 1, -1 do
      for _, fn in ipairs(chain[i].after_each) do
        raised = attempt(raised, fn)
      end
    end
    if raised then
      error(raised, 0)
    end
  end
end

--- Runs test number `i`: what there is to report, the test's own result last.
function runner.run(i)
  local test, results = tests[i], {}
  local chain = chain_of(test.block)
  local outcome
  if not test.fn then
    outcome = { status = "pending", message = "", traceback = "" }
  else
    ngx.update_time()
    local began = ngx.now()
    outcome = open_blocks(chain, results)
    if not outcome then
      local run, raised = body_of(test, chain), nil
      outcome = in_request(function()
        local ok, err = pcall(run)
        raised = not ok and err or nil
      end, test.request)
      outcome = raised or outcome
    end
    ngx.update_time()
    outcome.ms = (ngx.now() - began) * 1000
  end
  results[#results + 1] = {
    status = outcome.status,
    message = outcome.message,
    traceback = outcome.traceback,
    ms = outcome.ms,
    name = test.name,
    full_name = test.full_name,
    where = test.where,
  }
  return results
end

--- Closes the blocks that are open: what failed in it.
function runner.finish()
  local results = {}
  while #open > 0 do
    close_block(results)
  end
  return results
end

--- Writes to standard output, where whoever debugs a test looks.
local function print_out(...)
  local parts = { ... }
  for i = 1, select("#", ...) do
    parts[i] = tostring(parts[i])
  end
  io.stdout:write(concat(parts, "\t"), "\n")
  io.stdout:flush()
end

--- Reads the spec file: { tests = { { name, blocks } } } for those whose full name has the Lua pattern `filter` in it, or
--- { message, traceback } of what was wrong with it, or { bad_filter } of what is wrong with the pattern.
function runner.load(file, options)
  address, limit = options.runner, options.timeout
  rawset(_G, "print", print_out)
  public.configure(options)
  local chunk, syntax = loadfile(file)
  if not chunk then
    return { message = syntax, traceback = "" }
  end
  local ok, found = xpcall(function()
    return suite.read(chunk, function(fn)
      insert(finalizers, fn)
    end)
  end, outcome_of)
  if not ok then
    return found
  end
  local names = {}
  for _, test in ipairs(found) do
    local is_pattern, position = true, 1
    if options.filter then
      is_pattern, position = pcall(find, test.full_name, options.filter)
    end
    if not is_pattern then
      return { bad_filter = (position:gsub("^%S+:%d+: ", "")) }
    end
    if position then
      tests[#tests + 1] = test
      local blocks = {}
      for _, block in ipairs(chain_of(test.block)) do
        if block.name ~= "" then
          blocks[#blocks + 1] = block.name
        end
      end
      names[#names + 1] = { name = test.name, blocks = concat(blocks, "\0") }
    end
  end
  return { tests = names }
end

return runner
