// SPDX-License-Identifier: MIT
// plan_decode: the tagged tree that lib/conf writes becomes a Plan; see config_decoder.h. What locations hold is read in
// config_location.cpp. Control thread; the result is immutable.
#include "config.h"

#include "config_decoder.h"

namespace mw {

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
  MEMBER(column);
  MEMBER(path);
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

/// The tables of a map: ASCII is itself where no pair says otherwise, the rest is unknown.
static bool follow(CharsetMap &map) {
  map.forward.assign(256, '?');
  map.back.assign(map.is_utf8 ? 65536 : 256, map.is_utf8 ? '\0' : '?');
  for (uint16_t i = 0; i < 128; ++i) {
    map.forward[i] = i;
    map.back[i] = static_cast<char>(i);
  }
  for (auto [from, to] : map.pairs) {
    if (from > 255 || to >= map.back.size()) return false;
    map.forward[from] = static_cast<uint16_t>(to);
    map.back[to] = static_cast<char>(from);
  }
  return true;
}

bool Decoder::read(const Value &v, CharsetMap &out) {
  MEMBER(from);
  MEMBER(to);
  MEMBER(is_utf8);
  MEMBER(pairs);
  return follow(out) && v.tag == Value::table;
}

bool Decoder::read(const Value &v, RegexSource &out) {
  MEMBER(pattern);
  MEMBER(is_icase);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, GeoRange &out) {
  MEMBER(first);
  MEMBER(last);
  MEMBER(value);
  return v.tag == Value::table && out.first.size() == out.last.size();
}

bool Decoder::read(const Value &v, GeoConf &out) {
  MEMBER(var);
  MEMBER(source);
  MEMBER(values);
  MEMBER(fallback);
  MEMBER(ip4);
  MEMBER(ip6);
  MEMBER(proxies);
  MEMBER(proxy_recursive);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, SplitConf::Part &out) {
  MEMBER(end);
  MEMBER(value);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, SplitConf &out) {
  MEMBER(var);
  MEMBER(source);
  MEMBER(parts);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, LimitZone &out) {
  MEMBER(name);
  MEMBER(size);
  MEMBER(key);
  MEMBER(rate);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, ResolverConf &out) {
  MEMBER(servers);
  MEMBER(valid);
  MEMBER(ipv4);
  MEMBER(ipv6);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, UpstreamServer &out) {
  MEMBER(address);
  MEMBER(weight);
  MEMBER(max_fails);
  MEMBER(fail_timeout);
  MEMBER(max_conns);
  MEMBER(backup);
  MEMBER(down);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, UpstreamGroup &out) {
  MEMBER(name);
  MEMBER(servers);
  MEMBER(is_implicit);
  MEMBER(method);
  MEMBER(hash_key);
  MEMBER(has_zone);
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
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, CookieFlags &out) {
  MEMBER(kind);
  MEMBER(name);
  MEMBER(set);
  MEMBER(clear);
  MEMBER(words);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, CachePath &out) {
  MEMBER(path);
  MEMBER(name);
  MEMBER(size);
  MEMBER(levels);
  MEMBER(inactive);
  MEMBER(max_size);
  MEMBER(min_free);
  MEMBER(manager_files);
  MEMBER(manager_threshold);
  MEMBER(manager_sleep);
  MEMBER(loader_files);
  MEMBER(loader_threshold);
  MEMBER(loader_sleep);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, LogCacheConf &out) {
  MEMBER(max);
  MEMBER(inactive);
  MEMBER(valid);
  MEMBER(min_uses);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, CacheValid &out) {
  MEMBER(status);
  MEMBER(seconds);
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
  MEMBER(ignore_client_abort);
  MEMBER(intercept_errors);
  MEMBER(next_upstream);
  MEMBER(next_upstream_tries);
  MEMBER(next_upstream_timeout);
  MEMBER(bind);
  MEMBER(bind_transparent);
  MEMBER(force_ranges);
  MEMBER(limit_rate);
  MEMBER(store);
  MEMBER(store_path);
  MEMBER(store_access);
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
  MEMBER(has_cache);
  MEMBER(cache);
  MEMBER(cache_path);
  MEMBER(has_cache_key);
  MEMBER(cache_key);
  MEMBER(cache_valid);
  MEMBER(cache_methods);
  MEMBER(cache_min_uses);
  MEMBER(cache_bypass);
  MEMBER(no_cache);
  MEMBER(cache_use_stale);
  MEMBER(cache_lock);
  MEMBER(cache_lock_timeout);
  MEMBER(cache_lock_age);
  MEMBER(cache_revalidate);
  MEMBER(cache_background_update);
  MEMBER(cache_convert_head);
  MEMBER(cache_max_range_offset);
  MEMBER(cmds_allowed);
  MEMBER(memc_vars);
  MEMBER(gzip_flag);
  MEMBER(pos);
  return v.tag == Value::table;
}

bool Decoder::read(const Value &v, ServerName &out) {
  MEMBER(kind);
  MEMBER(name);
  MEMBER(pos);
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
  MEMBER(is_stream);
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
  MEMBER(proxy_protocol);
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
  MEMBER(worker_cpu_affinity);
  MEMBER(worker_cpu_auto);
  MEMBER(worker_priority);
  MEMBER(worker_rlimit_nofile);
  MEMBER(worker_rlimit_core);
  MEMBER(worker_connections);
  MEMBER(error_logs);
  MEMBER(variables);
  MEMBER(user_variables);
  MEMBER(unset_variables);
  MEMBER(scripts);
  MEMBER(init_script);
  MEMBER(init_worker_script);
  MEMBER(exit_worker_script);
  MEMBER(types);
  MEMBER(log_formats);
  MEMBER(shared_dicts);
  MEMBER(limit_zones);
  MEMBER(cache_paths);
  MEMBER(log_caches);
  MEMBER(lua_package_path);
  MEMBER(lua_package_cpath);
  MEMBER(lua_max_pending_timers);
  MEMBER(lua_max_running_timers);
  MEMBER(lua_regex_cache_max_entries);
  MEMBER(lua_regex_match_limit);
  MEMBER(lua_thread_cache_max_entries);
  MEMBER(lua_init_timeout);
  MEMBER(lua_vm_memory_limit);
  MEMBER(lua_fault_containment);
  MEMBER(lua_malloc_trim);
  MEMBER(worker_shutdown_timeout);
  MEMBER(lua_capture_error_log);
  MEMBER(lua_strict_phases);
  MEMBER(has_status);
  MEMBER(env);
  MEMBER(hides_env);
  MEMBER(upstreams);
  MEMBER(upstream_confs);
  MEMBER(if_confs);
  MEMBER(http_conf);
  MEMBER(upstream_lists);
  MEMBER(regexes);
  MEMBER(maps);
  MEMBER(geos);
  MEMBER(splits);
  MEMBER(charset_maps);
  MEMBER(charsets);
  MEMBER(servers);
  MEMBER(listens);
}

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
