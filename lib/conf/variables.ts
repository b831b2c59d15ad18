// SPDX-License-Identifier: MIT
// The variables that the native side knows (native/http/variable.cpp), so that a misspelt one is found with its line.
/** Variables by name. */
export const builtin: ReadonlySet<string> = new Set(
  (
    "args query_string is_args uri document_uri request_uri request_method request scheme https server_name host hostname " +
    "server_protocol remote_addr remote_port binary_remote_addr realip_remote_addr realip_remote_port " +
    "secure_link secure_link_expires invalid_referer limit_req_status limit_conn_status server_addr server_port connection connection_requests " +
    "document_root realpath_root request_filename status body_bytes_sent bytes_sent request_time request_length " +
    "request_completion request_body request_body_file request_id content_length content_type limit_rate remote_user " +
    "nginx_version pid msec time_local time_iso8601 upstream_addr upstream_status upstream_response_time " +
    "upstream_connect_time upstream_header_time upstream_response_length upstream_bytes_received upstream_bytes_sent " +
    "upstream_cache_status upstream_cache_last_modified upstream_cache_etag proxy_host proxy_port proxy_add_x_forwarded_for proxy_internal_body_length echo_it " +
    "echo_timer_elapsed echo_client_request_headers echo_client_request_method echo_request_method echo_request_uri " +
    "echo_cacheable_request_uri echo_request_body echo_response_status echo_incr " +
    "connection_time pipe tcpinfo_rtt tcpinfo_rttvar tcpinfo_snd_cwnd tcpinfo_rcv_space connections_active connections_reading " +
    "connections_writing connections_waiting proxy_protocol_addr proxy_protocol_port proxy_protocol_server_addr " +
    "proxy_protocol_server_port gzip_ratio uid_got uid_set uid_reset msie date_local date_gmt " +
    "ssl_protocol ssl_cipher ssl_ciphers ssl_curve ssl_curves ssl_session_id ssl_session_reused ssl_early_data ssl_server_name ssl_alpn_protocol " +
    "ssl_client_cert ssl_client_raw_cert ssl_client_escaped_cert ssl_client_s_dn ssl_client_i_dn ssl_client_s_dn_legacy ssl_client_i_dn_legacy " +
    "ssl_client_serial ssl_client_fingerprint ssl_client_verify ssl_client_v_start ssl_client_v_end ssl_client_v_remain http2"
  ).split(" "),
);
/** Beginnings of names that stand for whatever follows. */
export const families: readonly string[] = [
  "arg_",
  "http_",
  "cookie_",
  "sent_http_",
  "upstream_http_",
  "upstream_cookie_",
  "sent_trailer_",
  "upstream_trailer_",
  "proxy_protocol_tlv_",
];

/** True for a variable that exists without a `set`. */
export function isBuiltinVariable(name: string): boolean {
  return builtin.has(name) || families.some((f) => name.startsWith(f));
}

/** True for a built-in variable that `set` may change. */
export function isSettable(name: string): boolean {
  return ["args", "limit_rate", "uid_reset"].includes(name) || families.some((f) => name.startsWith(f));
}
