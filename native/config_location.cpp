// SPDX-License-Identifier: MIT
// What a location holds, out of the tagged tree; see config_decoder.h. Control thread.
#include "config_decoder.h"

namespace mw {

bool Decoder::read(const Value &v, RewriteOp &out) {
  MEMBER(kind);
  MEMBER(var);
  MEMBER(status);
  MEMBER(has_text);
  MEMBER(value);
  MEMBER(regex);
  MEMBER(args);
  MEMBER(has_args);
  MEMBER(add_args);
  MEMBER(is_last);
  MEMBER(is_break);
  MEMBER(test);
  MEMBER(is_negated);
  MEMBER(conf);
  MEMBER(jump);
  MEMBER(script);
  MEMBER(call);
  MEMBER(inputs);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, AddHeader &out) {
  MEMBER(name);
  MEMBER(value);
  MEMBER(always);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, EchoCommand &out) {
  MEMBER(op);
  MEMBER(has_newline);
  MEMBER(args);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, MoreHeaders::Field &out) {
  MEMBER(name);
  MEMBER(value);
  MEMBER(is_clear);
  MEMBER(is_prefix);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, MoreHeaders &out) {
  MEMBER(fields);
  MEMBER(types);
  MEMBER(statuses);
  MEMBER(is_append);
  MEMBER(is_replace);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, AddressRule &out) {
  MEMBER(kind);
  MEMBER(address);
  MEMBER(bits);
  MEMBER(is_deny);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, LimitReq &out) {
  MEMBER(zone);
  MEMBER(burst);
  MEMBER(delay);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, LimitConn &out) {
  MEMBER(zone);
  MEMBER(most);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, Referer &out) {
  MEMBER(kind);
  MEMBER(name);
  MEMBER(uri);
  MEMBER(regex);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, SubFilter &out) {
  MEMBER(from);
  MEMBER(to);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, UpstreamList &out) {
  MEMBER(name);
  MEMBER(upstreams);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, VariableSetting &out) {
  MEMBER(var);
  MEMBER(value);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, ErrorPage &out) {
  MEMBER(codes);
  MEMBER(response);
  MEMBER(uri);
  MEMBER(is_named);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, TryFiles &out) {
  MEMBER(paths);
  MEMBER(fallback);
  MEMBER(fallback_status);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, AccessLog &out) {
  MEMBER(path);
  MEMBER(format);
  MEMBER(has_condition);
  MEMBER(condition);
  MEMBER(buffer);
  MEMBER(flush);
  MEMBER(gzip);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, ErrorLog &out) {
  MEMBER(path);
  MEMBER(level);
  MEMBER(pos);
  return v.tag == Value::table;
}

/// A directive whose step is left out here has no effect; what a request's state may ask for http_run_phases() adds.
static void follow_steps(LocationConf &c) {
  auto has = [&c](LuaPhase phase) { return c.scripts[static_cast<size_t>(phase)] >= 0; };
  c.steps = 1u << kStepFindConfig | 1u << kStepContent;
  auto add = [&c](bool is_due, Step step) { c.steps |= is_due ? 1u << step : 0; };
  add(has(LuaPhase::server_rewrite), kStepServerRewriteLua);
  add(!c.rewrite.empty(), kStepServerRewrite);
  add(!c.rewrite.empty() || !c.more_input_headers.empty(),
      c.rewrite_by_lua_no_postpone ? kStepRewriteLate : kStepRewrite);
  add(c.lua_need_request_body, kStepNeedBody);
  add(has(LuaPhase::rewrite), kStepRewriteLua);
  add(!c.real_ip_from.empty() || !c.limit_reqs.empty() || !c.limit_conns.empty(), kStepPreaccess);
  add(c.access_by_lua_no_postpone && has(LuaPhase::access), kStepAccessLua);
  add(c.has_access_checks || (!c.access_by_lua_no_postpone && has(LuaPhase::access)), kStepAccess);
  add(c.has_try_files || !c.mirrors.empty(), kStepTryFiles);
  add(has(LuaPhase::precontent), c.precontent_by_lua_no_postpone ? kStepPrecontentLuaEarly : kStepPrecontentLua);
}

/// What follows from a location's members: which steps, checks and filters its requests go through at all.
static void follow(LocationConf &c) {
  // nginx's default and more: held back for as long as that saves writes and chunks. Less was asked for by somebody.
  constexpr uint64_t initial = 1460;
  if (c.postpone_output < initial)
    c.frame_above = c.postpone_output ? c.postpone_output - 1 : 0;
  else if (c.frame_above < c.postpone_output)
    c.frame_above = c.postpone_output;
  const ComplexValue &realm = c.auth_basic;
  bool has_realm = !realm.is_constant() || (!realm.constant().empty() && realm.constant() != "off");
  c.is_rate_limited =
      !c.limit_rate.is_constant() || (!c.limit_rate.constant().empty() && c.limit_rate.constant() != "0");
  c.has_access_checks = !c.access_rules.empty() || has_realm || !c.auth_request.empty() || c.satisfy_any;
  if (!c.more_headers.empty()) c.filters |= kFilterHeadersMore;
  if (!c.echo_before_body.empty() || !c.echo_after_body.empty()) c.filters |= kFilterEcho;
  if (!c.charset.is_constant() || !c.charset.constant().empty()) c.filters |= kFilterCharset;
  if (c.userid[0] > 1) c.filters |= kFilterUserid;
  if (c.gzip) c.filters |= kFilterGzip;
  if (c.gunzip) c.filters |= kFilterGunzip;
  if (!c.sub_filters.empty()) c.filters |= kFilterSub;
  if (c.ssi) c.filters |= kFilterSsi;
  if (c.expires[0]) c.filters |= kFilterExpires;
  follow_steps(c);
}

bool Decoder::read(const Value &v, LocationConf &out) {
  MEMBER(scripts);
  MEMBER(rewrite);
  MEMBER(rewrite_log);
  MEMBER(uninitialized_variable_warn);
  MEMBER(root);
  MEMBER(alias);
  MEMBER(index);
  MEMBER(has_try_files);
  MEMBER(try_files);
  MEMBER(default_type);
  MEMBER(types);
  MEMBER(add_headers);
  MEMBER(echo);
  MEMBER(echo_status);
  MEMBER(echo_before_body);
  MEMBER(echo_after_body);
  MEMBER(more_headers);
  MEMBER(more_input_headers);
  MEMBER(access_rules);
  MEMBER(referers);
  MEMBER(real_ip_from);
  MEMBER(real_ip_header);
  MEMBER(real_ip_recursive);
  MEMBER(limit_reqs);
  MEMBER(limit_req_status);
  MEMBER(limit_req_log_level);
  MEMBER(limit_req_dry_run);
  MEMBER(limit_conns);
  MEMBER(limit_conn_status);
  MEMBER(limit_conn_log_level);
  MEMBER(limit_conn_dry_run);
  MEMBER(satisfy_any);
  MEMBER(auth_basic);
  MEMBER(auth_basic_user_file);
  MEMBER(auth_request);
  MEMBER(auth_request_set);
  MEMBER(auth_delay);
  MEMBER(handler);
  MEMBER(expires);
  MEMBER(expires_text);
  MEMBER(charset);
  MEMBER(source_charset);
  MEMBER(override_charset);
  MEMBER(charset_types);
  MEMBER(userid);
  MEMBER(userid_name);
  MEMBER(userid_domain);
  MEMBER(userid_path);
  MEMBER(userid_p3p);
  MEMBER(userid_expires);
  MEMBER(userid_mark);
  MEMBER(userid_service);
  MEMBER(userid_flags);
  MEMBER(gzip);
  MEMBER(gzip_min_length);
  MEMBER(gzip_comp_level);
  MEMBER(gzip_http_minor);
  MEMBER(gzip_vary);
  MEMBER(gzip_proxied_any);
  MEMBER(gzip_types);
  MEMBER(gunzip);
  MEMBER(gzip_static);
  MEMBER(add_trailers);
  MEMBER(sub_filters);
  MEMBER(sub_filter_once);
  MEMBER(sub_filter_last_modified);
  MEMBER(sub_filter_types);
  MEMBER(ssi);
  MEMBER(ssi_silent_errors);
  MEMBER(ssi_last_modified);
  MEMBER(ssi_value_length);
  MEMBER(ssi_types);
  MEMBER(subrequest_output_buffer_size);
  MEMBER(autoindex);
  MEMBER(autoindex_exact_size);
  MEMBER(autoindex_localtime);
  MEMBER(autoindex_format);
  MEMBER(random_index);
  MEMBER(post_action);
  MEMBER(mirrors);
  MEMBER(mirror_request_body);
  MEMBER(set_base32_alphabet);
  MEMBER(set_base32_padding);
  MEMBER(secure_link);
  MEMBER(secure_link_md5);
  MEMBER(secure_link_secret);
  MEMBER(limit_except);
  MEMBER(limit_except_conf);
  MEMBER(recursive_error_pages);
  MEMBER(msie_refresh);
  MEMBER(msie_padding);
  MEMBER(limit_rate);
  MEMBER(limit_rate_after);
  MEMBER(dav_methods);
  MEMBER(dav_access);
  MEMBER(create_full_put_path);
  MEMBER(min_delete_depth);
  MEMBER(error_pages);
  MEMBER(internal);
  MEMBER(upstream);
  MEMBER(access_logs);
  MEMBER(open_log_file_cache);
  MEMBER(error_logs);
  MEMBER(client_max_body_size);
  MEMBER(client_body_buffer_size);
  MEMBER(client_body_timeout);
  MEMBER(client_body_min_rate);
  MEMBER(client_body_temp_path);
  MEMBER(client_body_in_file_only);
  MEMBER(send_timeout);
  MEMBER(keepalive_timeout);
  MEMBER(keepalive_header_timeout);
  MEMBER(keepalive_requests);
  MEMBER(keepalive_time);
  MEMBER(keepalive_disable);
  MEMBER(lingering_time);
  MEMBER(lingering_timeout);
  MEMBER(lingering_close);
  MEMBER(postpone_output);
  MEMBER(reset_timedout_connection);
  MEMBER(tcp_nodelay);
  MEMBER(chunked_transfer_encoding);
  MEMBER(merge_slashes);
  MEMBER(server_tokens);
  MEMBER(sendfile);
  MEMBER(log_not_found);
  MEMBER(log_subrequest);
  MEMBER(etag);
  MEMBER(if_modified_since);
  MEMBER(max_ranges);
  MEMBER(absolute_redirect);
  MEMBER(port_in_redirect);
  MEMBER(server_name_in_redirect);
  MEMBER(rewrite_by_lua_no_postpone);
  MEMBER(access_by_lua_no_postpone);
  MEMBER(precontent_by_lua_no_postpone);
  MEMBER(lua_need_request_body);
  MEMBER(lua_code_cache);
  MEMBER(lua_use_default_type);
  MEMBER(lua_http10_buffering);
  MEMBER(lua_socket_connect_timeout);
  MEMBER(lua_socket_send_timeout);
  MEMBER(lua_socket_read_timeout);
  MEMBER(lua_socket_keepalive_timeout);
  MEMBER(lua_socket_buffer_size);
  MEMBER(lua_socket_pool_size);
  MEMBER(lua_socket_log_errors);
  MEMBER(resolver);
  MEMBER(resolver_timeout);
  MEMBER(lua_check_client_abort);
  MEMBER(lua_handler_timeout);
  MEMBER(lua_transform_underscores);
  follow(out);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, Location &out) {
  MEMBER(match);
  MEMBER(name);
  MEMBER(conf);
  MEMBER(children);
  MEMBER(pos);
  return v.tag == Value::table;
}

}  // namespace mw
