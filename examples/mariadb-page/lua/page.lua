-- The guest book: GET shows it, POST adds an entry and sends the browser back, so that a reload adds nothing.
local db = require "db"
local html = require "html"

local function refuse(status, why)
  ngx.log(ngx.ERR, why)
  ngx.exit(status)
end

local function add_entry()
  ngx.req.read_body()
  local form = ngx.req.get_post_args(10)
  local author, body = form.author, form.body
  if type(author) ~= "string" or type(body) ~= "string" or author == "" or body == "" then
    return refuse(400, "an entry needs an author and a text")
  end
  local insert = "INSERT INTO entries (author, body) VALUES (%s, %s)"
  local ok, err, code = db.query(insert:format(ngx.quote_sql_str(author), ngx.quote_sql_str(body)))
  if not ok then
    return refuse(code and 400 or 503, err)
  end
  return ngx.redirect("/", 303)
end

local ENTRY = [[
<article><h2>%s</h2><p>%s</p><time>%s</time></article>
]]

local PAGE = [[
<!doctype html>
<meta charset="utf-8">
<title>Guest book</title>
<h1>Guest book</h1>
<form method="post">
<input name="author" maxlength="60" placeholder="name" required>
<input name="body" maxlength="500" placeholder="text" required>
<button>Write</button>
</form>
%s]]

local function show_entries()
  local rows, err = db.query "SELECT author, body, written FROM entries ORDER BY id DESC LIMIT 50"
  if not rows then
    return refuse(503, err)
  end
  local entries = {}
  for i, row in ipairs(rows) do
    entries[i] = ENTRY:format(html.escape(row.author), html.escape(row.body), html.escape(row.written))
  end
  ngx.header.content_type = "text/html; charset=utf-8"
  ngx.print(PAGE:format(table.concat(entries)))
end

local method = ngx.req.get_method()
if method == "POST" then
  add_entry()
elseif method == "GET" or method == "HEAD" then
  show_entries()
else
  ngx.exit(405)
end
