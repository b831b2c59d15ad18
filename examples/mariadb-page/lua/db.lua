-- One query on a pooled connection to the database that the environment names.
local mysql = require "resty.mysql"

local socket = os.getenv "MYSQL_SOCKET"
local account = {
  path = socket,
  host = not socket and (os.getenv "MYSQL_HOST" or "127.0.0.1") or nil,
  port = tonumber(os.getenv "MYSQL_PORT"),
  user = os.getenv "MYSQL_USER" or "root",
  password = os.getenv "MYSQL_PASSWORD",
  database = os.getenv "MYSQL_DATABASE" or "guestbook",
  charset = "utf8mb4",
  multi_statements = false, -- a value that was not quoted cannot add a statement
}

local _M = {}

--- The rows, or what the statement did; or nil, the reason, and the server's code when it refused.
function _M.query(sql)
  local db = mysql:new()
  db:set_timeout(2000)
  local ok, err = db:connect(account)
  if not ok then
    return nil, err
  end
  local result, code
  result, err, code = db:query(sql)
  db:set_keepalive(10000, 20) -- refused, and the connection closed with the request, when it is of no more use
  return result, err, code
end

return _M
