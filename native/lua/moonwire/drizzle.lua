-- SPDX-License-Identifier: MIT
-- The content handler of drizzle_pass: a location's query is sent to one of its upstream's MySQL servers, and the result becomes
-- the response, as a Resty DBD Stream or as JSON. lib/conf/directives/drizzle.ts makes the settings, a JSON text that is the same
-- for all requests of a location.
local cjson = require "cjson"
local mysql = require "resty.mysql.client"
local result = require "resty.mysql.result"
local raw_log = require("ngx.errlog").raw_log

local ngx, null = ngx, ngx.null
local type, ipairs, concat = type, ipairs, table.concat
local find, sub = string.find, string.sub

local ERR = ngx.ERR
local NO_SUCH_TABLE = 1146
local VERSION = "ngx_drizzle 0.1.11"

--- Settings by their text.
local known = {}
--- Of each upstream, by name: how many requests it has had.
local turns = {}

local function settings_of(text)
  local settings = known[text]
  if not settings then
    settings = cjson.decode(text)
    known[text] = settings
  end
  return settings
end

--- The value of a text with variables: a list of texts, and of { var = name } or { capture = number }.
local function evaluate(parts)
  local out = {}
  for i = 1, #parts do
    local part = parts[i]
    if type(part) == "table" then
      part = ngx.var[part.var or part.capture] or ""
    end
    out[i] = part
  end
  return concat(out)
end

local function fail(status, ...)
  raw_log(ERR, concat { ... })
  return ngx.exit(status)
end

local function is_timeout(err)
  return sub(err, -7) == "timeout"
end

-- A failure of the server or of the way to it, in the words of nginx's upstream.
local function fail_upstream(doing, err)
  if is_timeout(err) then
    return fail(504, "upstream timed out (110: Connection timed out) while ", doing, " drizzle upstream")
  end
  return fail(502, err, " while ", doing, " drizzle upstream")
end

-- The server whose turn it is, and the pool of its connections.
local function choose(name, upstream)
  local servers = upstream.servers
  local turn = turns[name] or 0
  turns[name] = turn + 1
  local server = servers[turn % #servers + 1]
  local pool = "drizzle:" .. name
  if upstream.mode == "multi" then
    pool = pool .. ":" .. (server.path or server.host .. ":" .. server.port)
  end
  return server, pool
end

-- A connection to the upstream. Here and below what fails answers the request and does not return.
local function connect(settings, name, upstream)
  local server, pool = choose(name, upstream)
  local db, err = mysql:new()
  if not db then
    return fail(500, err)
  end
  db:set_timeout(settings.connect_timeout)
  local rejects = upstream.overflow == "reject" and upstream.max > 0
  local ok
  ok, err = db:connect {
    host = server.host,
    port = server.port,
    path = server.path,
    user = server.user,
    password = server.password,
    database = server.dbname,
    charset = server.charset,
    max_packet_size = 0x7fffffff,
    multi_statements = false,
    found_rows = false,
    pool = pool,
    pool_size = upstream.max > 0 and upstream.max or nil,
    backlog = rejects and 0 or nil,
  }
  if ok then
    ngx.var.drizzle_thread_id = db:connection_id()
    db.keepalive = upstream.max
    return db
  end
  if rejects and find(err, "too many waiting connect operations", 1, true) then
    return fail(503, "drizzle: connection pool full, rejecting request")
  end
  return fail_upstream("connecting to", err)
end

-- Gives a connection back of which everything has been read.
local function release(db)
  db.state = 1
  if db.keepalive > 0 then
    db:set_keepalive(0, db.keepalive)
  else
    db:close()
  end
end

-- An error of the server's, or a failure to read, in place of a result. Before the response has begun it has a status.
local function refuse(db, doing, err, code)
  if code then
    release(db)
  else
    db.sock:close()
  end
  if ngx.headers_sent then
    return fail(ngx.ERROR, err, " while ", doing, " drizzle upstream")
  elseif not code then
    return fail_upstream(doing, err)
  end
  return fail(
    code == NO_SUCH_TABLE and 410 or 500,
    "drizzle: ",
    err,
    " (",
    code,
    ") while ",
    doing,
    " drizzle upstream"
  )
end

local function send_rows(db, output, columns, settings)
  db:set_timeout(settings.recv_rows_timeout)
  local limit, flushed = settings.buffer_size, 0
  local out, n, size = {}, 0, 0
  while true do
    local data, err, code = result.read_row(db)
    if data == nil then
      return refuse(db, "receiving rows from", err, code)
    elseif not data then
      ngx.print(concat(out, "", 1, n), output.rows_end())
      return release(db)
    end
    local text = output.row(data, columns)
    if not text then
      return refuse(db, "receiving rows from", "malformed packet")
    end
    n = n + 1
    out[n], size = text, size + #text
    if size >= limit then
      ngx.print(concat(out, "", 1, n))
      flushed, n, size = flushed + size, 0, 0
      if flushed >= 65536 then -- no more than this waits for a slow client
        flushed = 0
        if not ngx.flush(true) then -- the client has gone
          return db.sock:close()
        end
      end
    end
  end
end

local function respond(db, settings, output)
  local head, err, code = result.read_head(db)
  if not head then
    return refuse(db, "sending query to", err, code)
  end
  if settings.module_header then
    ngx.header["X-Resty-DBD-Module"] = VERSION
  end
  ngx.header["Content-Type"] = output.content_type
  if type(head) == "table" then
    ngx.print(output.done(head))
    return release(db)
  end
  db:set_timeout(settings.recv_cols_timeout)
  local columns
  columns, err, code = result.read_columns(db, head)
  if not columns then
    return refuse(db, "receiving columns from", err, code)
  end
  ngx.print(output.columns(columns))
  return send_rows(db, output, columns, settings)
end

local function new_output(settings)
  local json = settings.json
  if json == null then
    return require "moonwire.rds"()
  end
  local properties = {}
  for i, property in ipairs(json.properties) do
    properties[i] = { property[1], evaluate(property[2]) }
  end
  return require "moonwire.rds_json"(json, properties)
end

--- Answers the request. `text`: the settings, { pass, query, upstreams by name, the timeouts in ms, buffer_size,
--- module_header, json or null }.
return function(text)
  local settings = settings_of(text)
  local name = evaluate(settings.pass)
  local upstream = settings.upstreams[name]
  if not upstream then
    return fail(500, 'drizzle: upstream "', name, '" not found')
  end
  local query = evaluate(settings.query)
  if query == "" then
    return fail(500, 'drizzle: missing "drizzle_query" directive or empty query')
  end
  local db = connect(settings, name, upstream)
  db:set_timeout(settings.send_query_timeout)
  local sent, err = db:send_query(query)
  if not sent then
    return fail_upstream("sending query to", err)
  end
  return respond(db, settings, new_output(settings))
end
