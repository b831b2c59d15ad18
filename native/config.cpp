// SPDX-License-Identifier: MIT
// plan_decode: the tagged tree that lib/conf writes becomes a Plan. A struct is a table whose keys are its members' names, a
// list an array, an enum a number, a map a table. Every member must be there: the directive table in lib/conf has the
// defaults, here are none. A ComplexValue is a string (a constant), or an array of strings and {var, capture} in order.
// Control thread; the result is immutable.
#include "config.h"

#include <cmath>
#include <limits>

#include "base/value.h"

namespace mw {

namespace {

/// Reads members out of tables and remembers the path of the first one that is missing or does not fit.
class Decoder {
 public:
  /// What is wrong, or empty.
  std::string problem() const {
    return what_ == nullptr ? "" : "the plan " + std::string(what_) + " \"" + path_ + "\"";
  }

  /// The member `name` of the table `in`.
  template <class T>
  void member(const Value &in, const char *name, T &out) {
    if (what_ != nullptr) return;
    const Value *v = in.get(name);
    if (v == nullptr)
      what_ = "lacks";
    else if (!read(*v, out) && what_ == nullptr)
      what_ = "has an unfit";
    if (what_ != nullptr) path_ = path_.empty() || path_[0] == '[' ? name + path_ : name + ("." + path_);
  }

 private:
  static bool read(const Value &v, bool &out) {
    out = v.tag == Value::true_;
    return v.tag == Value::true_ || v.tag == Value::false_;
  }

  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) static bool read(const Value &v, T &out) {
    if (v.tag != Value::number || v.num != std::trunc(v.num)) return false;
    if (v.num < static_cast<double>(std::numeric_limits<T>::min())) return false;
    // The largest 64-bit numbers round up as doubles, past what fits.
    if (v.num >= static_cast<double>(std::numeric_limits<T>::max()) + (sizeof(T) < 8 ? 1 : 0)) return false;
    out = static_cast<T>(v.num);
    return true;
  }

  template <class T>
  requires std::is_enum_v<T>
  static bool read(const Value &v, T &out) {
    uint8_t number = 0;
    if (!read(v, number)) return false;
    out = static_cast<T>(number);
    return true;
  }

  static bool read(const Value &v, std::string &out) {
    out = v.str;
    return v.tag == Value::string;
  }

  template <class T>
  bool read(const Value &v, std::vector<T> &out) {
    if (v.tag != Value::array) return false;
    out.resize(v.items.size());
    for (size_t i = 0; i < out.size(); ++i)
      if (!item(v.items[i], out[i], i)) return false;
    return true;
  }

  template <class T, size_t N>
  bool read(const Value &v, std::array<T, N> &out) {
    if (v.tag != Value::array || v.items.size() != N) return false;
    for (size_t i = 0; i < N; ++i)
      if (!item(v.items[i], out[i], i)) return false;
    return true;
  }

  template <class T>
  bool item(const Value &v, T &out, size_t i) {
    bool is_good = read(v, out) && what_ == nullptr;
    if (!is_good) path_ = "[" + std::to_string(i) + "]" + (path_.empty() || path_[0] == '[' ? "" : ".") + path_;
    return is_good;
  }

  static bool read(const Value &v, std::map<std::string, std::string> &out) {
    if (v.tag != Value::table) return false;
    for (const auto &[key, text] : v.pairs) {
      if (key.tag != Value::string || text.tag != Value::string) return false;
      out[key.str] = text.str;
    }
    return true;
  }

  bool read(const Value &v, ComplexValue &out);
  bool read(const Value &v, ComplexValue::Part &out);
  bool read(const Value &v, SourcePos &out);
  bool read(const Value &v, Script &out);
  bool read(const Value &v, RewriteOp &out);
  bool read(const Value &v, MapEntry &out);
  bool read(const Value &v, MapConf &out);
  bool read(const Value &v, RegexSource &out);
  bool read(const Value &v, AddHeader &out);
  bool read(const Value &v, EchoCommand &out);
  bool read(const Value &v, MoreHeaders &out);
  bool read(const Value &v, MoreHeaders::Field &out);
  bool read(const Value &v, AddressRule &out);
  bool read(const Value &v, Referer &out);
  bool read(const Value &v, LimitReq &out);
  bool read(const Value &v, LimitConn &out);
  bool read(const Value &v, LimitZone &out);
  bool read(const Value &v, VariableSetting &out);
  bool read(const Value &v, ErrorPage &out);
  bool read(const Value &v, ResolverConf &out);
  bool read(const Value &v, TryFiles &out);
  bool read(const Value &v, AccessLog &out);
  bool read(const Value &v, ErrorLog &out);
  bool read(const Value &v, LocationConf &out);
  bool read(const Value &v, UpstreamServer &out);
  bool read(const Value &v, UpstreamGroup &out);
  bool read(const Value &v, NamedValue &out);
  bool read(const Value &v, Replacement &out);
  bool read(const Value &v, CookieFlags &out);
  bool read(const Value &v, UpstreamConf &out);
  bool read(const Value &v, Location &out);
  bool read(const Value &v, ServerName &out);
  bool read(const Value &v, ServerConf &out);
  bool read(const Value &v, Listen &out);
  bool read(const Value &v, SharedDict &out);
  bool read(const Value &v, LogFormat &out);

  const char *what_ = nullptr;
  std::string path_;

 public:
  void plan(const Value &v, Plan &out);
};

#define MEMBER(name) member(v, #name, out.name)

bool Decoder::read(const Value &v, ComplexValue::Part &out) {
  if (v.tag == Value::string) return read(v, out.literal);
  MEMBER(var);
  MEMBER(capture);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, ComplexValue &out) {
  if (v.tag == Value::array) return read(v, out.parts);
  out.parts.resize(1);
  return read(v, out.parts[0].literal);
}

bool Decoder::read(const Value &v, SourcePos &out) {
  MEMBER(file);
  MEMBER(line);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, Script &out) {
  MEMBER(chunkname);
  MEMBER(source);
  MEMBER(path);
  MEMBER(is_file);
  MEMBER(is_set);
  MEMBER(pos);
  return v.tag == Value::table;
}

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

bool Decoder::read(const Value &v, MapEntry &out) {
  MEMBER(kind);
  MEMBER(key);
  MEMBER(regex_index);
  MEMBER(value);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, MapConf &out) {
  MEMBER(var);
  MEMBER(source);
  MEMBER(hostnames);
  MEMBER(is_volatile);
  MEMBER(fallback);
  MEMBER(entries);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, RegexSource &out) {
  MEMBER(pattern);
  MEMBER(is_icase);
  MEMBER(pos);
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

bool Decoder::read(const Value &v, LimitZone &out) {
  MEMBER(name);
  MEMBER(size);
  MEMBER(key);
  MEMBER(rate);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, Referer &out) {
  MEMBER(kind);
  MEMBER(name);
  MEMBER(uri);
  MEMBER(regex);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, VariableSetting &out) {
  MEMBER(var);
  MEMBER(value);
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
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, ErrorLog &out) {
  MEMBER(path);
  MEMBER(level);
  return v.tag == Value::table;
}

/// What follows from a location's members: which checks and filters its requests go through at all.
static void follow(LocationConf &c) {
  const ComplexValue &realm = c.auth_basic;
  bool has_realm = !realm.is_constant() || (!realm.constant().empty() && realm.constant() != "off");
  c.has_access_checks = !c.access_rules.empty() || has_realm || !c.auth_request.empty() || c.satisfy_any;
  if (!c.more_headers.empty()) c.filters |= kFilterHeadersMore;
  if (!c.echo_before_body.empty() || !c.echo_after_body.empty()) c.filters |= kFilterEcho;
  if (!c.charset.empty()) c.filters |= kFilterCharset;
  if (c.gzip) c.filters |= kFilterGzip;
  if (c.expires[0]) c.filters |= kFilterExpires;
}

bool Decoder::read(const Value &v, ResolverConf &out) {
  MEMBER(servers);
  MEMBER(valid);
  MEMBER(ipv4);
  MEMBER(ipv6);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, LocationConf &out) {
  MEMBER(scripts);
  MEMBER(rewrite);
  MEMBER(rewrite_log);
  MEMBER(uninitialized_variable_warn);
  MEMBER(root);
  MEMBER(is_alias);
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
  MEMBER(handler);
  MEMBER(expires);
  MEMBER(charset);
  MEMBER(charset_types);
  MEMBER(gzip);
  MEMBER(gzip_min_length);
  MEMBER(gzip_comp_level);
  MEMBER(gzip_http_minor);
  MEMBER(gzip_vary);
  MEMBER(gzip_proxied_any);
  MEMBER(gzip_types);
  follow(out);
  MEMBER(error_pages);
  MEMBER(internal);
  MEMBER(upstream);
  MEMBER(access_logs);
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
  MEMBER(lingering_time);
  MEMBER(lingering_timeout);
  MEMBER(lingering_close);
  MEMBER(postpone_output);
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
  MEMBER(lua_transform_underscores);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, UpstreamServer &out) {
  MEMBER(address);
  MEMBER(weight);
  MEMBER(max_fails);
  MEMBER(fail_timeout);
  MEMBER(backup);
  MEMBER(down);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, UpstreamGroup &out) {
  MEMBER(name);
  MEMBER(servers);
  MEMBER(is_implicit);
  MEMBER(keepalive);
  MEMBER(keepalive_requests);
  MEMBER(keepalive_timeout);
  MEMBER(keepalive_time);
  MEMBER(balancer_script);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, NamedValue &out) {
  MEMBER(name);
  MEMBER(value);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, Replacement &out) {
  MEMBER(kind);
  MEMBER(from);
  MEMBER(to);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, CookieFlags &out) {
  MEMBER(kind);
  MEMBER(name);
  MEMBER(set);
  MEMBER(clear);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, UpstreamConf &out) {
  MEMBER(kind);
  MEMBER(pass);
  MEMBER(group);
  MEMBER(connect_timeout);
  MEMBER(send_timeout);
  MEMBER(read_timeout);
  MEMBER(buffering);
  MEMBER(request_buffering);
  MEMBER(buffer_size);
  MEMBER(buffers_n);
  MEMBER(buffers_size);
  MEMBER(busy_buffers_size);
  MEMBER(ignore_client_abort);
  MEMBER(intercept_errors);
  MEMBER(next_upstream);
  MEMBER(next_upstream_tries);
  MEMBER(next_upstream_timeout);
  MEMBER(bind);
  MEMBER(http_minor);
  MEMBER(method);
  MEMBER(has_body);
  MEMBER(body);
  MEMBER(pass_request_body);
  MEMBER(pass_request_headers);
  MEMBER(set_headers);
  MEMBER(hide_headers);
  MEMBER(pass_headers);
  MEMBER(ignore_headers);
  MEMBER(default_redirect);
  MEMBER(redirects);
  MEMBER(cookie_domains);
  MEMBER(cookie_paths);
  MEMBER(cookie_flags);
  MEMBER(commands);
  MEMBER(memc_vars);
  MEMBER(pos);
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

bool Decoder::read(const Value &v, ServerName &out) {
  MEMBER(kind);
  MEMBER(name);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, ServerConf &out) {
  MEMBER(names);
  MEMBER(primary_name);
  MEMBER(conf);
  MEMBER(locations);
  MEMBER(client_header_timeout);
  MEMBER(client_header_buffer_size);
  MEMBER(large_client_header_buffers_n);
  MEMBER(large_client_header_buffers_size);
  MEMBER(underscores_in_headers);
  MEMBER(ignore_invalid_headers);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, Listen &out) {
  MEMBER(address);
  MEMBER(servers);
  MEMBER(default_server);
  MEMBER(backlog);
  MEMBER(ipv6only);
  MEMBER(reuseport);
  MEMBER(tcp_nodelay);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, SharedDict &out) {
  MEMBER(name);
  MEMBER(size);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, LogFormat &out) {
  MEMBER(name);
  MEMBER(format);
  MEMBER(escape);
  return v.tag == Value::table;
}

void Decoder::plan(const Value &v, Plan &out) {
  MEMBER(conf_file);
  MEMBER(product);
  MEMBER(prefix);
  MEMBER(worker_processes);
  MEMBER(worker_connections);
  MEMBER(error_logs);
  MEMBER(variables);
  MEMBER(user_variables);
  MEMBER(scripts);
  MEMBER(init_script);
  MEMBER(init_worker_script);
  MEMBER(exit_worker_script);
  MEMBER(types);
  MEMBER(log_formats);
  MEMBER(shared_dicts);
  MEMBER(limit_zones);
  MEMBER(lua_package_path);
  MEMBER(lua_package_cpath);
  MEMBER(lua_max_pending_timers);
  MEMBER(lua_max_running_timers);
  MEMBER(lua_regex_cache_max_entries);
  MEMBER(lua_regex_match_limit);
  MEMBER(lua_thread_cache_max_entries);
  MEMBER(lua_malloc_trim);
  MEMBER(lua_capture_error_log);
  MEMBER(rewrite_by_lua_no_postpone);
  MEMBER(access_by_lua_no_postpone);
  MEMBER(precontent_by_lua_no_postpone);
  MEMBER(lua_strict_phases);
  MEMBER(env);
  MEMBER(upstreams);
  MEMBER(upstream_confs);
  MEMBER(if_confs);
  MEMBER(regexes);
  MEMBER(maps);
  MEMBER(servers);
  MEMBER(listens);
}

#undef MEMBER

}  // namespace

PlanRef plan_decode(const void *data, size_t size, std::string &error) {
  Value root;
  if (!value_decode(root, Str(static_cast<const char *>(data), size)) || root.tag != Value::table) {
    error = "the plan is not an encoded table";
    return nullptr;
  }
  auto plan = std::make_shared<Plan>();
  Decoder decoder;
  decoder.plan(root, *plan);
  error = decoder.problem();
  return error.empty() ? plan : nullptr;
}

}  // namespace mw
