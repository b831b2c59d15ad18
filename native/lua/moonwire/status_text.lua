-- SPDX-License-Identifier: MIT
-- The document of moonwire.status in Prometheus's text format, version 0.0.4.
local concat, format, gsub = table.concat, string.format, string.gsub
local ipairs, pairs, sort, tostring = ipairs, pairs, table.sort, tostring

local function label(value)
  return (gsub(gsub(gsub(tostring(value), "\\", "\\\\"), '"', '\\"'), "\n", "\\n"))
end

local function number(v)
  return format("%.14g", v)
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do
    keys[#keys + 1] = k
  end
  sort(keys)
  return keys
end

return function(document)
  local lines = {}

  --- A metric and its samples: add(labels, value) for each, where labels are name, value, name, value ...
  local function metric(name, kind, help)
    name = "moonwire_" .. name
    lines[#lines + 1] = format("# HELP %s %s\n# TYPE %s %s", name, help, name, kind)
    return function(value, suffix, ...)
      local labels = {}
      for i = 1, select("#", ...), 2 do
        local key, v = select(i, ...)
        labels[#labels + 1] = format('%s="%s"', key, label(v))
      end
      local braces = #labels > 0 and "{" .. concat(labels, ",") .. "}" or ""
      lines[#lines + 1] = name .. (suffix or "") .. braces .. " " .. number(value)
    end
  end

  local requests, connections, sockets = document.requests, document.connections, document.sockets
  local add = metric("requests_total", "counter", "Requests answered, by the class of their status.")
  for _, class in ipairs(sorted_keys(requests.by_status)) do
    add(requests.by_status[class], nil, "status", class)
  end
  add = metric("request_duration_seconds", "histogram", "Time from a request's head until it is answered.")
  for _, bucket in ipairs(requests.duration.buckets) do
    add(bucket.count, "_bucket", "le", bucket.le)
  end
  add(requests.duration.sum_seconds, "_sum")
  add(requests.duration.count, "_count")
  add = metric("request_phase_seconds_total", "counter", "Where the time of requests went.")
  for _, phase in ipairs(sorted_keys(requests.phases)) do
    add(requests.phases[phase].seconds, nil, "phase", phase)
  end
  add = metric("connections", "gauge", "Connections of clients, by what they do.")
  for _, state in ipairs { "reading", "writing", "waiting" } do
    add(connections[state], nil, "state", state)
  end
  metric("connections_active", "gauge", "Connections of clients.")(connections.active)
  metric("connections_accepted_total", "counter", "Connections accepted.")(connections.accepted)
  metric("connections_handled_total", "counter", "Connections handled.")(connections.handled)
  metric("sockets_open", "gauge", "Connections to other servers, idle ones included.")(sockets.open)
  metric("sockets_idle", "gauge", "Connections in cosocket pools.")(sockets.idle)
  metric("socket_connects_total", "counter", "Cosocket connections begun.")(sockets.connects)
  metric("socket_reuses_total", "counter", "Cosocket connections taken out of a pool.")(sockets.reuses)
  metric("socket_failures_total", "counter", "Cosocket connects that failed.")(sockets.failures)
  add = metric("socket_pool_connections", "gauge", "Connections of a cosocket pool.")
  for _, pool in ipairs(sockets.pools) do
    add(pool.idle, nil, "pool", pool.name, "state", "idle")
    add(pool.connections - pool.idle, nil, "pool", pool.name, "state", "busy")
  end
  local dicts = document.shared_dicts
  local names = sorted_keys(dicts)
  for _, of in ipairs {
    { "capacity_bytes", "The size of a shared dictionary." },
    { "free_bytes", "Bytes in its wholly free pages." },
    { "keys", "Its entries, expired ones that are still stored included." },
  } do
    add = metric("shared_dict_" .. of[1], "gauge", of[2])
    for _, name in ipairs(names) do
      add(dicts[name][of[1]], nil, "dict", name)
    end
  end
  add = metric("timers", "gauge", "Timers of Lua.")
  add(document.timers.pending, nil, "state", "pending")
  add(document.timers.running, nil, "state", "running")
  for _, of in ipairs {
    { "lua", "memory_bytes", "lua_memory_bytes", "gauge", "Memory of a worker's Lua VM." },
    { "lua", "collections", "lua_collections_total", "counter", "Cycles of its garbage collector." },
    { "jit", "traces", "jit_traces", "gauge", "Compiled traces of a worker's Lua VM." },
    { "jit", "aborted", "jit_aborts_total", "counter", "Traces that were given up." },
  } do
    add = metric(of[3], of[4], of[5])
    for _, worker in ipairs(document.workers) do
      add(worker[of[1]][of[2]], nil, "generation", worker.generation, "worker", worker.worker)
    end
  end
  metric("lua_errors_total", "counter", "Errors of Lua handlers, light threads and timers.")(document.errors.lua)
  metric("upstream_failures_total", "counter", "Attempts of upstream servers that failed.")(document.errors.upstream)
  metric("workers", "gauge", "Workers that answered.")(#document.workers)
  metric("workers_missing", "gauge", "Workers that did not.")(document.workers_missing)
  return concat(lines, "\n") .. "\n"
end
