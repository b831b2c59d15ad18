-- SPDX-License-Identifier: MIT
-- moonwire_status: what the server does, put together from what each worker says of itself. figures() is one worker's part, which
-- it is asked for through its mailbox; document() asks all of them; handler() answers a request, in JSON or in Prometheus's text
-- (moonwire.status_text). Where the directive stands in the configuration this is loaded when the VM boots, since aborted traces
-- are counted by LuaJIT's own events.
local abi = require "moonwire.abi"
local cjson = require "cjson"
local ffi = require "ffi"
local jit_util = require "jit.util"

local C = abi.C
local ipairs, pairs, setmetatable, tonumber, type, min = ipairs, pairs, setmetatable, tonumber, type, math.min
local sort = table.sort

local MAX_POOLS = 32 -- by name; the others are counted together
local MAX_TRACES = 8000 -- as boot.lua sets maxtrace
local PATIENCE_MS = 250 -- with workers that do not answer: they run Lua that does not yield
local PHASES = { "access", "content", "log" }

local status = {}

-- LuaJIT tells of traces while it makes them, and of collections by ending an object that is then made anew.
local traces = { started = 0, completed = 0, aborted = 0, flushed = 0 }
local WORDS = { start = "started", stop = "completed", abort = "aborted", flush = "flushed" }
jit.attach(function(what)
  local word = WORDS[what]
  if word then
    traces[word] = traces[word] + 1
  end
end, "trace")

local collections = -1
local function new_sentinel()
  local sentinel = newproxy(true)
  getmetatable(sentinel).__gc = function()
    collections = collections + 1
    new_sentinel()
  end
end
new_sentinel()

local function live_traces()
  local n = 0
  for i = 1, MAX_TRACES do
    if jit_util.traceinfo(i) then
      n = n + 1
    end
  end
  return n
end

--- What is counted in a mw_metrics_t, as a table of numbers.
local function counted(m)
  local rate = C.mw_status_tick_rate()
  local out = {
    requests = {},
    buckets = {},
    seconds = tonumber(m.ticks) / rate,
    phases = {},
    accepted = tonumber(m.accepted),
    lua_errors = tonumber(m.lua_errors),
    upstream_failures = tonumber(m.upstream_failures),
    socket_connects = tonumber(m.socket_connects),
    socket_failures = tonumber(m.socket_failures),
    socket_reuses = tonumber(m.socket_reuses),
  }
  for i = 1, tonumber(C.MW_STATUS_CLASSES) do
    out.requests[i] = tonumber(m.requests[i - 1])
  end
  for i = 1, tonumber(C.MW_STATUS_BUCKETS) do
    out.buckets[i] = tonumber(m.buckets[i - 1])
  end
  for i = 1, tonumber(C.MW_STATUS_PHASES) do
    out.phases[i] = tonumber(m.phase_ticks[i - 1]) / rate
  end
  return out
end

local function pools(n)
  local room = ffi.new("mw_status_pool_t[?]", n)
  local out = {}
  for i = 0, C.mw_status_pools(room, n) - 1 do
    local p = room[i]
    out[i + 1] =
      { name = ffi.string(p.name.data, p.name.size), connections = p.connections, idle = p.idle, queued = p.queued }
  end
  return out
end

--- This worker's part, as JSON.
function status.figures()
  local now = ffi.new "mw_status_worker_t"
  C.mw_status_worker(now)
  local jit_on = jit.status()
  return cjson.encode {
    worker = now.worker,
    generation = now.generation,
    counted = counted(C.mw_status_metrics()),
    connections = {
      active = tonumber(now.active),
      reading = tonumber(now.reading),
      writing = tonumber(now.writing),
      waiting = tonumber(now.waiting),
    },
    sockets = {
      open = tonumber(now.sockets_open),
      idle = tonumber(now.sockets_idle),
      queued = tonumber(now.sockets_queued),
      pools = pools(tonumber(now.pools)),
    },
    timers = { pending = ngx.timer.pending_count(), running = ngx.timer.running_count() },
    lua = { memory_bytes = collectgarbage "count" * 1024, collections = collections < 0 and 0 or collections },
    jit = {
      on = jit_on,
      traces = live_traces(),
      started = traces.started,
      completed = traces.completed,
      aborted = traces.aborted,
      flushed = traces.flushed,
    },
  }
end

--- Every worker's part, and what those had counted that have ended; how many did not answer.
local function ask()
  local question = ffi.gc(C.mw_status_ask(), C.mw_status_free)
  local pause, left = 1, PATIENCE_MS
  while C.mw_status_missing(question) > 0 and left > 0 do
    ngx.sleep(pause / 1000)
    left = left - pause
    pause = min(pause * 2, 10)
  end
  local missing = C.mw_status_missing(question)
  local parts = {}
  for i = 0, C.mw_status_collect(question) - 1 do
    local text = C.mw_status_text(question, i)
    if text.size > 0 then
      parts[#parts + 1] = cjson.decode(ffi.string(text.data, text.size))
    end
  end
  local retired = counted(C.mw_status_retired(question))
  C.mw_status_free(ffi.gc(question, nil))
  sort(parts, function(a, b)
    if a.generation ~= b.generation then
      return a.generation < b.generation
    end
    return a.worker < b.worker
  end)
  return parts, retired, missing
end

local function add(to, from)
  for k, v in pairs(from) do
    if type(v) == "table" then
      add(to[k], v)
    elseif type(v) == "number" then
      to[k] = (to[k] or 0) + v
    end
  end
end

local function shared_dicts()
  local out = {}
  for name, dict in pairs(ngx.shared) do
    out[name] = {
      capacity_bytes = dict:capacity(),
      free_bytes = dict:free_space(),
      keys = tonumber(C.mw_shdict_entries(dict[1])),
    }
  end
  return out
end

--- Pools of one name in all workers together; the largest of them by name.
local function merged_pools(parts)
  local by_name, list = {}, {}
  for _, part in ipairs(parts) do
    for _, pool in ipairs(part.sockets.pools) do
      local sum = by_name[pool.name]
      if not sum then
        sum = { name = pool.name, connections = 0, idle = 0, queued = 0 }
        by_name[pool.name] = sum
        list[#list + 1] = sum
      end
      add(sum, pool)
    end
  end
  sort(list, function(a, b)
    if a.connections ~= b.connections then
      return a.connections > b.connections
    end
    return a.name < b.name
  end)
  local rest = { connections = 0, idle = 0, queued = 0 }
  for i = #list, MAX_POOLS + 1, -1 do
    add(rest, list[i])
    list[i] = nil
  end
  if rest.connections > 0 then
    rest.name = "(others)"
    list[#list + 1] = rest
  end
  return list
end

local function duration_of(sum)
  local buckets, count = {}, 0
  local last = tonumber(C.MW_STATUS_BUCKETS)
  for i = 1, last do
    count = count + sum.buckets[i]
    buckets[i] = { le = i < last and C.mw_status_bound(i - 1) or "+Inf", count = count }
  end
  return { buckets = buckets, sum_seconds = sum.seconds, count = count }
end

--- The whole document, as a table.
function status.document()
  local parts, sum, missing = ask()
  local totals = {
    connections = { active = 0, reading = 0, writing = 0, waiting = 0 },
    sockets = { open = 0, idle = 0, queued = 0 },
    timers = { pending = 0, running = 0 },
    lua = { memory_bytes = 0, collections = 0 },
    jit = { traces = 0, started = 0, completed = 0, aborted = 0, flushed = 0 },
  }
  local workers, by_status, total, phases = {}, {}, 0, {}
  for i, part in ipairs(parts) do
    add(sum, part.counted)
    for name, to in pairs(totals) do
      for key in pairs(to) do
        to[key] = to[key] + part[name][key]
      end
    end
    local requests = 0
    for _, n in ipairs(part.counted.requests) do
      requests = requests + n
    end
    workers[i] = {
      generation = part.generation,
      worker = part.worker,
      requests = requests,
      connections = part.connections,
      timers = part.timers,
      lua = part.lua,
      jit = part.jit,
    }
  end
  for i, n in ipairs(sum.requests) do
    by_status[i == 1 and "none" or (i - 1) .. "xx"] = n
    total = total + n
  end
  for i, name in ipairs(PHASES) do
    phases[name] = { seconds = sum.phases[i] }
  end
  totals.connections.accepted, totals.connections.handled = sum.accepted, sum.accepted
  totals.sockets.connects, totals.sockets.reuses = sum.socket_connects, sum.socket_reuses
  totals.sockets.failures = sum.socket_failures
  totals.sockets.pools = setmetatable(merged_pools(parts), cjson.array_mt)
  return {
    pid = abi.W.process_pid,
    time = ngx.now(),
    workers_missing = missing,
    connections = totals.connections,
    requests = { total = total, by_status = by_status, duration = duration_of(sum), phases = phases },
    sockets = totals.sockets,
    shared_dicts = shared_dicts(),
    timers = totals.timers,
    lua = totals.lua,
    jit = totals.jit,
    errors = { lua = sum.lua_errors, upstream = sum.upstream_failures },
    workers = setmetatable(workers, cjson.array_mt),
  }
end

--- The document as JSON, for server.status().
function status.json()
  return cjson.encode(status.document())
end

local function wants_text(format)
  local asked = ngx.var.arg_format
  if asked == "prometheus" or asked == "json" then
    return asked == "prometheus"
  elseif format ~= "" then
    return format == "prometheus"
  end
  local accept = ngx.var.http_accept
  -- What a Prometheus server sends; a browser's */* is no wish.
  return accept ~= nil and (accept:find("version=0.0.4", 1, true) or accept:find("openmetrics-text", 1, true)) ~= nil
end

--- The content handler; `format` is the directive's word, or empty.
function status.handler(format)
  ngx.req.discard_body()
  local document = status.document()
  ngx.header["Cache-Control"] = "no-store"
  if wants_text(format) then
    ngx.header["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
    ngx.print(require("moonwire.status_text")(document))
  else
    ngx.header["Content-Type"] = "application/json"
    ngx.say(cjson.encode(document))
  end
end

return status
