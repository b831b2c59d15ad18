-- SPDX-License-Identifier: MIT
-- resty.http_connect: httpc:connect(options): a connection, through a proxy where one is to be used, with TLS for https.
-- Connections that differ in any of it are pooled apart.
local uri = require "resty.moonwire.http.uri"
local concat, tostring = table.concat, tostring

-- The pool of connections that are alike.
local function pool_name(options, port, is_tls, proxy, authorization)
  return concat({
    options.scheme or "",
    options.host,
    tostring(port),
    tostring(is_tls),
    is_tls and options.ssl_server_name or "",
    tostring(is_tls and options.ssl_verify ~= false),
    proxy or "",
    is_tls and authorization or "",
  }, ":")
end

-- The URI of the proxy to use and its authorization, or nil.
local function proxy_of(self, options)
  local opts = options.proxy_opts or self.proxy_opts
  if not opts or uri.is_excluded(opts.no_proxy, options.host) then
    return nil
  elseif options.scheme == "https" then
    return opts.https_proxy, opts.https_proxy_authorization
  end
  return opts.http_proxy, opts.http_proxy_authorization
end

-- Has the proxy open a tunnel. Returns true, or nil and the reason.
local function open_tunnel(self, host, port, authorization)
  local destination = host .. ":" .. port
  self.path_prefix, self.http_proxy_auth = nil, nil
  local res, err = self:request {
    method = "CONNECT",
    path = destination,
    headers = { ["Host"] = destination, ["Proxy-Authorization"] = authorization },
  }
  if not res then
    return nil, "failed to issue CONNECT to proxy: " .. err
  elseif res.status > 299 then
    self:close()
    return nil, "failed to establish a tunnel through a proxy: " .. res.status
  end
  return true
end

-- Connects to the proxy named. Returns true, or nil and the reason.
local function connect_to_proxy(self, proxy, opts)
  local parts, err = uri.parse(proxy)
  if not parts then
    return nil, "uri parse error: " .. err
  elseif parts[1] ~= "http" then
    return nil, "protocol " .. parts[1] .. " not supported for proxy connections"
  end
  local ok
  ok, err = self.sock:connect(parts[2], parts[3], opts)
  if not ok then
    return nil, "failed to connect to: " .. parts[2] .. ":" .. parts[3] .. ": " .. err
  end
  return true
end

-- Connects as the options say; returns true, false for a connection that was used before, or nil and the reason.
local function open(self, options, port, is_tls)
  local proxy, authorization = proxy_of(self, options)
  local opts = {
    pool = options.pool or pool_name(options, port, is_tls, proxy, authorization),
    pool_size = options.pool_size,
    backlog = options.backlog,
  }
  if options.pool_debug == true then
    ngx.log(ngx.DEBUG, "poolname: ", opts.pool)
  end
  local ok, err
  if proxy then
    ok, err = connect_to_proxy(self, proxy, opts)
  elseif port then
    ok, err = self.sock:connect(options.host, port, opts)
  else
    ok, err = self.sock:connect(options.host, opts)
  end
  if not ok then
    return nil, err
  end
  local is_new = self.sock:getreusedtimes() == 0
  self:reset(options.host, port, is_tls)
  if proxy and not is_tls then
    self.http_proxy_auth = authorization
    self.path_prefix = "http://" .. options.host .. (port == 80 and "" or ":" .. port)
  elseif proxy and is_new then
    ok, err = open_tunnel(self, options.host, port, authorization)
    if not ok then
      return nil, err
    end
    self:reset(options.host, port, is_tls)
  end
  return is_new
end

--- Connects `self`, an object of resty.http. Returns true, nil and the TLS session; or nil and the reason.
return function(self, options)
  local sock = self.sock
  if not sock then
    return nil, "not initialized"
  end
  local scheme, port = options.scheme, options.port
  if port and not scheme then
    return nil, "'scheme' is required when providing a port"
  end
  local is_tls = scheme == "https"
  if scheme and not port then
    port = is_tls and 443 or 80
  end
  local is_new, err = open(self, options, port, is_tls)
  if is_new == nil then
    return nil, err
  end
  local session
  if is_tls and is_new then
    local name = options.ssl_server_name
    local verify = options.ssl_verify ~= false
    if options.ssl_client_cert then
      local ok, why = sock:setclientcert(options.ssl_client_cert, options.ssl_client_priv_key)
      if not ok then
        self:close()
        return nil, "could not set client certificate: " .. why
      end
    end
    session, err = sock:sslhandshake(options.ssl_reused_session, name, verify, options.ssl_send_status_req)
    if not session then
      self:close()
      return nil, err
    end
  end
  return true, nil, session
end
