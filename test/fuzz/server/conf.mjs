// SPDX-License-Identifier: MIT
// The configuration of the fuzzed server: all locations on listeners of several characters.
import { locations } from "./locations.mjs";

/** Listeners: `plain` has patience, `quick` none, `proxied` takes the PROXY protocol, `stream` is Lua's alone. */
export const listeners = ["plain", "quick", "proxied", "stream"];

const block = ([name, { conf }]) => `location /${name} { ${conf} }`;

/** The text of nginx.conf. `ports`: those of the listeners; `origin`: those of the origin and its memcached;
 * `isEarly`: Lua code runs where it stands between the modules, not at the end of its phase. */
export function confText({ ports, origin, prefix, workers, isEarly }) {
  const common = `root html;
      ${Object.entries(locations).map(block).join("\n      ")}
      location @named { echo named; }
      location @posted { proxy_pass http://up; }
      location = /there { echo there; }`;
  return `worker_processes ${workers};
error_log logs/error.log info;
events { worker_connections 1024; }
stream {
  lua_socket_read_timeout 300ms;
  server { listen 127.0.0.1:${ports.stream}; lua_check_client_abort on; content_by_lua_block {
    local s = assert(ngx.req.socket(true)) s:settimeouts(300, 300, 300)
    while true do
      local line = s:receive() if not line or line == "quit" then break end
      if line == "flush" then ngx.say(line) ngx.flush(true) elseif line == "sleep" then ngx.sleep(0.002)
      elseif line == "much" then s:send(("m"):rep(300000)) elseif line == "fail" then error(line)
      elseif line == "until" then s:receiveuntil("needle")(100) elseif line == "any" then s:receiveany(77)
      else s:send(line .. "\\n") end
    end } log_by_lua_block { ngx.sleep(0.001) } }
}
http {
  access_log logs/access.log;
  lua_fault_containment off;
  ${isEarly ? "rewrite_by_lua_no_postpone on; access_by_lua_no_postpone on;" : ""}
  add_header X-Id $http_x_id always;
  client_max_body_size 2m; client_body_buffer_size 8k; large_client_header_buffers 3 4k; client_header_buffer_size 512;
  lua_socket_log_errors off; lua_socket_keepalive_timeout 200ms;
  proxy_read_timeout 400ms; proxy_send_timeout 400ms; proxy_connect_timeout 2s; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_next_upstream off; proxy_buffer_size 4k;
  proxy_cache_path cache keys_zone=zone:1m inactive=2s;
  limit_req_zone $uri zone=req:64k rate=100r/s; limit_conn_zone $uri zone=conn:64k;
  upstream up { server 127.0.0.1:${origin.http} max_fails=0; server 127.0.0.1:${origin.http} max_fails=0; keepalive 4; keepalive_timeout 1s; }
  upstream mc { server 127.0.0.1:${origin.memcached} max_fails=0; keepalive 2; }
  server { listen 127.0.0.1:${ports.plain} backlog=1024; client_header_timeout 20s; client_body_timeout 20s; send_timeout 20s; keepalive_timeout 20s;
      location = /status { stub_status; }
      ${common} }
  server { listen 127.0.0.1:${ports.quick} backlog=1024 sndbuf=8k; client_header_timeout 300ms; client_body_timeout 300ms; send_timeout 300ms;
      keepalive_timeout 200ms; keepalive_requests 7; lingering_time 1s; lingering_timeout 200ms; lingering_close always;
      reset_timedout_connection on; postpone_output 0; lua_check_client_abort on; lua_socket_read_timeout 300ms;
      ${common} }
  server { listen 127.0.0.1:${ports.proxied} proxy_protocol backlog=1024; set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
      client_header_timeout 2s; client_body_timeout 2s; send_timeout 2s; keepalive_timeout 2s; lingering_close always;
      ${common} }
}
`
    .replaceAll("__PREFIX__", prefix)
    .replaceAll("__ORIGIN__", String(origin.http));
}
