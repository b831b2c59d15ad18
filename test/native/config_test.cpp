// SPDX-License-Identifier: MIT
// plan_decode: members by name, all of them, and the path of the first one that is missing or does not fit.
#include "config.h"

#include "base/value.h"
#include "check.h"

using namespace mw;

namespace {

Value text(const char *s) {
  Value v;
  v.tag = Value::string;
  v.str = s;
  return v;
}
Value number(double n) {
  Value v;
  v.tag = Value::number;
  v.num = n;
  return v;
}
Value list(std::vector<Value> items) {
  Value v;
  v.tag = Value::array;
  v.items = std::move(items);
  return v;
}
Value table(std::vector<std::pair<const char *, Value>> members) {
  Value v;
  v.tag = Value::table;
  for (auto &[name, item] : members) v.pairs.emplace_back(text(name), std::move(item));
  return v;
}
PlanRef decode(const Value &v, std::string &error) {
  std::string bytes;
  value_encode(bytes, v);
  return plan_decode(bytes.data(), bytes.size(), error);
}

Value flag(bool on) {
  Value v;
  v.tag = on ? Value::true_ : Value::false_;
  return v;
}
Value ints(std::vector<double> numbers) {
  std::vector<Value> items;
  for (double n : numbers) items.push_back(number(n));
  return list(std::move(items));
}
/// The member of a table, to change it; an index where the table is a list.
Value &at(Value &v, const char *name) {
  for (auto &[key, item] : v.pairs)
    if (key.str == name) return item;
  return v.items.at(0);
}
void drop(Value &v, const char *name) {
  for (size_t i = 0; i < v.pairs.size(); ++i)
    if (v.pairs[i].first.str == name) v.pairs.erase(v.pairs.begin() + static_cast<long>(i));
}

Value pos() {
  return table({{"file", text("nginx.conf")}, {"line", number(3)}, {"column", number(5)}, {"path", text("")}});
}

Value location_conf() {
  Value try_files = table({{"paths", list({})}, {"fallback", text("")}, {"fallback_status", number(0)}});
  Value v = table({{"scripts", ints({-1, -1, -1, -1, 0, -1, -1, -1})},
                   {"rewrite", list({})},
                   {"index", list({text("i.html")})},
                   {"root", list({text("/srv/"), table({{"var", number(2)}, {"capture", number(-1)}})})},
                   {"try_files", try_files},
                   {"default_type", text("text/plain")},
                   {"types", number(0)},
                   {"upstream", number(-1)},
                   {"add_headers", list({})},
                   {"add_trailers", list({})},
                   {"sub_filters", list({})},
                   {"sub_filter_types", list({})},
                   {"ssi_types", list({})},
                   {"post_action", text("")},
                   {"mirrors", list({})},
                   {"set_base32_alphabet", text("0123456789abcdefghijklmnopqrstuv")},
                   {"set_base32_padding", flag(true)},
                   {"secure_link", text("")},
                   {"secure_link_md5", text("")},
                   {"secure_link_secret", text("")},
                   {"limit_except_conf", number(-1)},
                   {"limit_rate", text("0")},
                   {"limit_rate_after", text("0")},
                   {"echo", list({})},
                   {"echo_status", number(200)},
                   {"echo_before_body", list({})},
                   {"echo_after_body", list({})},
                   {"more_headers", list({})},
                   {"more_input_headers", list({})},
                   {"access_rules", list({})},
                   {"referers", list({})},
                   {"real_ip_from", list({})},
                   {"real_ip_header", text("X-Real-IP")},
                   {"limit_reqs", list({})},
                   {"limit_conns", list({})},
                   {"auth_basic", text("off")},
                   {"auth_basic_user_file", text("")},
                   {"auth_request", text("")},
                   {"auth_request_set", list({})},
                   {"handler", number(0)},
                   {"expires", list({number(0), number(0)})},
                   {"expires_text", text("")},
                   {"charset", text("")},
                   {"source_charset", text("")},
                   {"override_charset", flag(false)},
                   {"userid", list({number(1), number(0)})},
                   {"userid_name", text("uid")},
                   {"userid_domain", text("")},
                   {"userid_path", text("; path=/")},
                   {"userid_p3p", text("")},
                   {"userid_mark", number(0)},
                   {"userid_service", number(-1)},
                   {"userid_flags", number(0)},
                   {"userid_expires", number(0)},
                   {"charset_types", list({})},
                   {"gzip_comp_level", number(1)},
                   {"gzip_min_length", number(20)},
                   {"gzip_http_minor", number(1)},
                   {"gzip_types", list({})},
                   {"error_pages", list({})},
                   {"resolver", table({{"servers", list({text("127.0.0.1:53")})},
                                       {"valid", number(5)},
                                       {"ipv4", flag(true)},
                                       {"ipv6", flag(false)}})},
                   {"access_logs", list({})},
                   {"open_log_file_cache", number(-1)},
                   {"error_logs", list({})},
                   {"client_body_temp_path", text("/tmp")}});
  for (const char *name : {"has_try_files",
                           "internal",
                           "msie_refresh",
                           "msie_padding",
                           "satisfy_any",
                           "real_ip_recursive",
                           "limit_req_dry_run",
                           "limit_conn_dry_run",
                           "gzip",
                           "gunzip",
                           "sub_filter_once",
                           "sub_filter_last_modified",
                           "ssi",
                           "ssi_silent_errors",
                           "ssi_last_modified",
                           "autoindex",
                           "autoindex_exact_size",
                           "autoindex_localtime",
                           "random_index",
                           "mirror_request_body",
                           "recursive_error_pages",
                           "create_full_put_path",
                           "gzip_vary",
                           "gzip_proxied_any",
                           "sendfile",
                           "log_not_found",
                           "log_subrequest",
                           "etag",
                           "absolute_redirect",
                           "port_in_redirect",
                           "server_name_in_redirect",
                           "rewrite_log",
                           "uninitialized_variable_warn",
                           "tcp_nodelay",
                           "chunked_transfer_encoding",
                           "merge_slashes",
                           "server_tokens",
                           "lua_code_cache",
                           "reset_timedout_connection",
                           "rewrite_by_lua_no_postpone",
                           "access_by_lua_no_postpone",
                           "precontent_by_lua_no_postpone",
                           "lua_need_request_body",
                           "lua_use_default_type",
                           "lua_http10_buffering",
                           "lua_socket_log_errors",
                           "lua_check_client_abort",
                           "lua_transform_underscores"})
    v.pairs.emplace_back(text(name), flag(true));
  for (const char *name : {"client_max_body_size",
                           "client_body_buffer_size",
                           "client_body_timeout",
                           "client_body_min_rate",
                           "send_timeout",
                           "keepalive_timeout",
                           "keepalive_header_timeout",
                           "keepalive_requests",
                           "keepalive_time",
                           "keepalive_disable",
                           "client_body_in_file_only",
                           "alias",
                           "auth_delay",
                           "lingering_time",
                           "lingering_timeout",
                           "lingering_close",
                           "postpone_output",
                           "if_modified_since",
                           "max_ranges",
                           "gzip_static",
                           "autoindex_format",
                           "limit_except",
                           "dav_methods",
                           "dav_access",
                           "min_delete_depth",
                           "limit_req_status",
                           "limit_req_log_level",
                           "limit_conn_status",
                           "limit_conn_log_level",
                           "ssi_value_length",
                           "subrequest_output_buffer_size",
                           "lua_handler_timeout",
                           "lua_socket_connect_timeout",
                           "lua_socket_send_timeout",
                           "lua_socket_read_timeout",
                           "lua_socket_keepalive_timeout",
                           "lua_socket_buffer_size",
                           "lua_socket_pool_size",
                           "resolver_timeout"})
    v.pairs.emplace_back(text(name), number(2));
  return v;
}

Value whole_plan() {
  Value location = table({{"match", number(Location::regex)},
                          {"name", text("^/a")},
                          {"conf", location_conf()},
                          {"children", list({})},
                          {"pos", pos()}});
  Value server = table({{"names", list({table({{"kind", number(1)}, {"name", text(".a.com")}, {"pos", pos()}})})},
                        {"primary_name", text("*.a.com")},
                        {"conf", location_conf()},
                        {"locations", list({location})},
                        {"client_header_timeout", number(1)},
                        {"client_header_buffer_size", number(1)},
                        {"large_client_header_buffers_n", number(4)},
                        {"large_client_header_buffers_size", number(8192)},
                        {"underscores_in_headers", flag(false)},
                        {"ignore_invalid_headers", flag(true)},
                        {"is_stream", flag(false)},
                        {"pos", pos()}});
  Value script = table({{"chunkname", text("=x")},
                        {"source", text("x()")},
                        {"path", text("")},
                        {"is_file", flag(false)},
                        {"is_set", flag(false)},
                        {"pos", pos()}});
  Value listen = table({{"address", text("127.0.0.1:80")},
                        {"servers", ints({0})},
                        {"default_server", number(0)},
                        {"backlog", number(511)},
                        {"ipv6only", flag(true)},
                        {"reuseport", flag(true)},
                        {"proxy_protocol", flag(false)},
                        {"tcp_nodelay", flag(true)},
                        {"pos", pos()}});
  Value plan = table({{"conf_file", text("nginx.conf")},
                      {"product", text("")},
                      {"prefix", text("/srv/")},
                      {"variables", list({text("uri")})},
                      {"user_variables", list({})},
                      {"unset_variables", list({})},
                      {"scripts", list({script})},
                      {"error_logs", list({})},
                      {"types", list({table({{"html", text("text/html")}})})},
                      {"log_formats", list({})},
                      {"shared_dicts", list({table({{"name", text("d")}, {"size", number(9000)}})})},
                      {"limit_zones", list({})},
                      {"upstream_lists", list({})},
                      {"charset_maps", list({})},
                      {"charsets", list({})},
                      {"cache_paths", list({})},
                      {"log_caches", list({})},
                      {"env", list({})},
                      {"worker_cpu_affinity", list({text("01")})},
                      {"worker_cpu_auto", flag(false)},
                      {"worker_priority", number(-1)},
                      {"worker_rlimit_core", number(-1)},
                      {"upstreams", list({})},
                      {"upstream_confs", list({})},
                      {"if_confs", list({})},
                      {"regexes", list({})},
                      {"maps", list({})},
                      {"geos", list({})},
                      {"splits", list({})},
                      {"http_conf", location_conf()},
                      {"lua_package_path", text("")},
                      {"lua_package_cpath", text("")},
                      {"servers", list({server})},
                      {"listens", list({listen})},
                      {"init_script", number(-1)},
                      {"init_worker_script", number(-1)},
                      {"exit_worker_script", number(-1)}});
  for (const char *name : {"worker_processes", "worker_connections", "lua_max_pending_timers", "lua_max_running_timers",
                           "lua_regex_cache_max_entries", "lua_regex_match_limit", "lua_thread_cache_max_entries",
                           "lua_vm_memory_limit", "worker_rlimit_nofile", "lua_malloc_trim", "lua_capture_error_log",
                           "lua_init_timeout", "worker_shutdown_timeout"})
    plan.pairs.emplace_back(text(name), number(3));
  for (const char *name : {"lua_strict_phases", "lua_fault_containment", "has_status", "hides_env"})
    plan.pairs.emplace_back(text(name), flag(false));
  return plan;
}

}  // namespace

TEST(plan_members) {
  std::string error;
  PlanRef plan = decode(whole_plan(), error);
  CHECK_EQ(error, "");
  CHECK(plan != nullptr);
  CHECK_EQ(plan->worker_processes, 3u);
  CHECK_EQ(plan->types[0].at("html"), "text/html");
  CHECK_EQ(plan->shared_dicts[0].size, 9000u);
  const ServerConf &server = plan->servers[0];
  CHECK(server.names[0].kind == ServerName::wildcard_start);
  CHECK_EQ(server.pos.line, 3u);
  const Location &l = server.locations[0];
  CHECK(l.match == Location::regex);
  CHECK_EQ(l.conf.scripts[4], 0);
  CHECK_EQ(l.conf.root.parts.size(), 2u);
  CHECK_EQ(l.conf.root.parts[1].var, 2);
  CHECK(!l.conf.root.is_constant());
  CHECK(l.conf.index[0].is_constant());
}

TEST(plan_names_what_is_missing) {
  std::string error;
  Value plan = whole_plan();
  drop(plan, "lua_malloc_trim");
  CHECK(decode(plan, error) == nullptr);
  CHECK_EQ(error, "the plan lacks \"lua_malloc_trim\"");
  plan = whole_plan();
  drop(at(at(at(at(plan, "servers"), "0"), "conf"), "try_files"), "paths");
  CHECK(decode(plan, error) == nullptr);
  CHECK_EQ(error, "the plan lacks \"servers[0].conf.try_files.paths\"");
}

TEST(plan_names_what_does_not_fit) {
  std::string error;
  auto refuses = [&](const char *member, Value v, const char *message) {
    Value plan = whole_plan();
    at(plan, member) = std::move(v);
    CHECK(decode(plan, error) == nullptr);
    CHECK_EQ(error, message);
  };
  refuses("worker_processes", text("many"), "the plan has an unfit \"worker_processes\"");
  refuses("worker_processes", number(-1), "the plan has an unfit \"worker_processes\"");
  refuses("worker_processes", number(4294967296.0), "the plan has an unfit \"worker_processes\"");
  refuses("worker_processes", number(1.5), "the plan has an unfit \"worker_processes\"");
  refuses("lua_malloc_trim", number(18446744073709551616.0), "the plan has an unfit \"lua_malloc_trim\"");
  refuses("servers", list({number(1)}), "the plan lacks \"servers[0].names\"");
  refuses("types", list({table({{"html", number(1)}})}), "the plan has an unfit \"types[0]\"");
  CHECK(decode(list({}), error) == nullptr);
  CHECK_EQ(error, "the plan is not an encoded table");
}
