ngx.header.content_type = "text/plain"
ngx.say [[
Moonwire serves this from Lua. Try:
  curl -i localhost:8080/hello
  curl -i 'localhost:8080/time?zone=utc'
  curl -i localhost:8080/count
  curl -i -H 'Authorization: Bearer moon' localhost:8080/private]]
