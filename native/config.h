// SPDX-License-Identifier: MIT
// The plan: a whole configuration, decoded, merged and immutable. Built on the control thread by plan_decode(), then
// shared read-only by every worker of a generation through a shared_ptr; dies with the last worker or request using it.
// The defaults below serve structs made by hand; those of a configuration are in the directive table alone (lib/conf).
// Inheritance is already applied: the control plane (lib/conf) merges http -> server -> location -> nested location, so a
// location's own LocationConf says everything. Names are nginx's directive names.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config_modules.h"
#include "config_upstream.h"
#include "config_value.h"

namespace mw {

/// One Lua chunk: from a string or block (source), or from a file (path; relative paths are already joined to the prefix).
struct Script {
  std::string chunkname;  ///< as lua-nginx-module names it, e.g. "=content_by_lua(nginx.conf:12)"; for a file "@path"
  std::string source;     ///< inline text; empty for a file
  ComplexValue path;      ///< set for *_by_lua_file; may hold variables
  bool is_file = false;
  bool is_set = false;  ///< set_by_lua*: what it returns counts
  SourcePos pos;
};

/// The Lua phases that hold one script each; index of LocationConf::scripts.
enum class LuaPhase : uint8_t {
  server_rewrite,
  rewrite,
  access,
  precontent,
  content,
  header_filter,
  body_filter,
  log,
  count,
  balancer = count,  ///< a group's script, not a location's
  set                ///< set_by_lua*, which stands among the rewrite operations
};

/// An instruction of the rewrite module, run in order (server level: server_rewrite phase; location level: rewrite phase).
/// An `if` is a test that jumps over its own instructions where it is false.
struct RewriteOp {
  enum Kind : uint8_t { set, ret, rewrite, brk, condition, lua, set_misc } kind = set;
  enum Test : uint8_t { truth, equal, regex_match, file, directory, exists, executable };
  int32_t var = -1;       ///< index into Plan::variables: what is set, or tested
  int32_t status = 0;     ///< ret: the code; rewrite: 301, 302 or 0
  bool has_text = false;  ///< ret: a text or URL was given
  ComplexValue value;     ///< set: the value; ret: text or URL; rewrite: the path; test: what is compared, the file
  int32_t regex = -1;     ///< rewrite, test: index into Plan::regexes
  ComplexValue args;      ///< rewrite: what stood behind '?'
  bool has_args = false;  ///< rewrite: there was a '?'
  bool add_args = false;  ///< rewrite: the request's arguments are added
  bool is_last = false;   ///< rewrite: no instruction follows
  bool is_break = false;  ///< rewrite: the location stays
  uint8_t test = truth;   ///< test: a Test
  bool is_negated = false;
  int32_t conf = -1;                 ///< test: index into Plan::if_confs, -1 at server level
  int32_t jump = 0;                  ///< test: index of the next instruction when false
  int32_t script = -1;               ///< lua: index into Plan::scripts
  int32_t call = -1;                 ///< set_misc: index of its function
  std::vector<ComplexValue> inputs;  ///< lua: ngx.arg; set_misc: the function's texts
};

/// The steps of a request, in order; http/phase.cpp holds the table.
enum Step : uint8_t {
  kStepServerRewriteLua,
  kStepServerRewrite,
  kStepFindConfig,
  kStepRewrite,
  kStepNeedBody,
  kStepRewriteLua,
  kStepRewriteLate,  ///< in kStepRewrite's place under rewrite_by_lua_no_postpone
  kStepPostRewrite,
  kStepPreaccess,
  kStepAccessLua,  ///< under access_by_lua_no_postpone; else kStepAccess ends with it
  kStepAccess,
  kStepPostAccess,
  kStepPrecontentLuaEarly,  ///< in kStepPrecontentLua's place under precontent_by_lua_no_postpone
  kStepTryFiles,
  kStepPrecontentLua,
  kStepContent,
  kStepCount
};

/// Output filters of modules, as bits of LocationConf::filters.
enum FilterBit : uint32_t {
  kFilterHeadersMore = 1,
  kFilterEcho = 2,
  kFilterCharset = 4,
  kFilterGzip = 8,
  kFilterExpires = 16,
  kFilterGunzip = 32,
  kFilterSub = 64,
  kFilterUserid = 128,
  kFilterSsi = 256
};

/// LocationConf::alias of a regex location: its alias is the file.
constexpr uint32_t kAliasWhole = UINT32_MAX;
/// client_body_in_file_only on: the files stay.
constexpr uint8_t kBodyFileKept = 1;
/// Bits of keepalive_disable: whose connections end with each answer (of a POST for the first).
enum KeepaliveDisable : uint8_t { kNoKeepaliveMsie6 = 1, kNoKeepaliveSafari = 2 };

/// Whom names are looked up with. No servers: /etc/hosts and the system's resolv.conf.
struct ResolverConf {
  std::vector<std::string> servers;  ///< "1.2.3.4:53", "[::1]:53"
  uint64_t valid = 0;                ///< ms an answer is kept; 0 = by its TTL
  bool ipv4 = true, ipv6 = true;     ///< which addresses are asked for
};

struct AccessLog {
  ComplexValue path;
  int32_t format = 0; /* index into Plan::log_formats */
  bool has_condition = false;
  ComplexValue condition;  ///< no line when it is empty or "0"
  uint64_t buffer = 0;     ///< bytes; 0 = each line is written at once
  uint64_t flush = 0;      ///< longest time in ms that a buffered line waits; 0 = for ever
  uint32_t gzip = 0;       ///< level of compression of what the buffer holds; 0 = none
  SourcePos pos;
};
enum class LogLevel : uint8_t { stderr_ = 0, emerg, alert, crit, error, warn, notice, info, debug };
/// path "stderr" means standard error, "syslog:PRIORITY,TAG,WITH_HOST,ADDRESS" a datagram for each line.
struct ErrorLog {
  std::string path;
  LogLevel level = LogLevel::error;
  SourcePos pos;
};

/// Everything a location (or a server before a location is found) decides about a request. Sizes in bytes, times in ms.
struct LocationConf {
  std::array<int32_t, static_cast<size_t>(LuaPhase::count)> scripts;  ///< index into Plan::scripts or -1
  std::vector<RewriteOp> rewrite;
  bool rewrite_log = false;
  bool uninitialized_variable_warn = true;
  ComplexValue root;                ///< root or alias path
  uint32_t alias = 0;               ///< `root` replaces so many bytes of a path's beginning; kAliasWhole: all of it
  std::vector<ComplexValue> index;  ///< default {"index.html"}
  bool has_try_files = false;
  TryFiles try_files;
  std::string default_type = "text/plain";
  int32_t types = -1;  ///< index into Plan::types
  std::vector<AddHeader> add_headers;
  std::vector<EchoCommand> echo;  ///< empty: no echo handler
  int32_t echo_status = 200;
  std::vector<EchoCommand> echo_before_body, echo_after_body;
  std::vector<MoreHeaders> more_headers;        ///< of the response
  std::vector<MoreHeaders> more_input_headers;  ///< of the request
  uint32_t filters = 0;                         ///< FilterBit; not in the encoded plan, follows from the members
  uint32_t steps = ~0u;                         ///< 1 << Step: those that have something to do; follows, too
  uint64_t frame_above = 32768;                 ///< bytes of output that go out before the end; follows, too
  std::vector<AddressRule> access_rules;        ///< allow, deny
  bool satisfy_any = false;
  std::vector<Referer> referers;  ///< valid_referers
  std::vector<AddressRule> real_ip_from;
  std::string real_ip_header;  ///< empty: proxy_protocol
  bool real_ip_recursive = false;
  std::vector<LimitReq> limit_reqs;
  std::vector<LimitConn> limit_conns;
  int32_t limit_req_status = 503, limit_conn_status = 503;
  uint8_t limit_req_log_level = 4, limit_conn_log_level = 4;  ///< LogLevel
  bool limit_req_dry_run = false, limit_conn_dry_run = false;
  ComplexValue auth_basic;  ///< the realm; "off" and empty: no check
  ComplexValue auth_basic_user_file;
  std::string auth_request;  ///< a URI, empty = no check
  std::vector<VariableSetting> auth_request_set;
  uint64_t auth_delay = 0;         ///< ms that a 401 of the access phase waits
  bool has_access_checks = false;  ///< of the above; not in the encoded plan
  PlainHandler handler = PlainHandler::none;
  /// 0 off, 1 epoch, 2 max, 3 from now, 4 from Last-Modified, 5 time of day; seconds. 6: what expires_text says, from
  /// Last-Modified where the second is 1.
  std::array<int64_t, 2> expires{0, 0};
  ComplexValue expires_text;
  ComplexValue charset, source_charset;  ///< empty = none
  bool override_charset = false;
  std::vector<std::string> charset_types;
  std::array<int32_t, 2> userid{0, -1};  ///< UserIdKind of modules/userid.cpp; $uid_reset, index into Plan::variables
  std::string userid_name, userid_domain, userid_path, userid_p3p;
  int64_t userid_expires = 0;  ///< seconds; 0 none, -1 max
  uint8_t userid_mark = 0;     ///< the character, 0 none
  int64_t userid_service = -1;
  uint8_t userid_flags = 0;  ///< bits: 1 secure, 2 httponly, 4 samesite=strict, 8 lax, 16 none
  bool gzip = false;
  uint64_t gzip_min_length = 20;
  uint32_t gzip_comp_level = 1;
  uint32_t gzip_http_minor = 1;
  bool gzip_vary = false;
  bool gzip_proxied_any = false;  ///< requests with Via too
  std::vector<std::string> gzip_types;
  bool gunzip = false;
  uint8_t gzip_static = 0;  ///< 0 off, 1 on, 2 always
  std::vector<AddHeader> add_trailers;
  std::vector<SubFilter> sub_filters;
  bool sub_filter_once = true;
  bool sub_filter_last_modified = false;
  std::vector<std::string> sub_filter_types;
  bool ssi = false, ssi_silent_errors = false, ssi_last_modified = false;
  uint64_t ssi_value_length = 256;
  std::vector<std::string> ssi_types;
  uint64_t subrequest_output_buffer_size = 4096;
  bool autoindex = false, autoindex_exact_size = true, autoindex_localtime = false;
  uint8_t autoindex_format = 0;  ///< 0 html, 1 json, 2 jsonp, 3 xml
  bool random_index = false;
  std::string post_action;           ///< a URI or a named location that runs behind the answer; empty = none
  std::vector<std::string> mirrors;  ///< URIs
  bool mirror_request_body = true;
  std::string set_base32_alphabet;  ///< 32 letters
  bool set_base32_padding = true;
  Rotation set_rotate;  ///< where the location's set_rotate stand
  ComplexValue secure_link, secure_link_md5;
  std::string secure_link_secret;
  uint32_t limit_except = 0;       ///< bits of MethodId: the methods for which limit_except_conf holds
  int32_t limit_except_conf = -1;  ///< index into Plan::if_confs
  bool recursive_error_pages = false;
  bool msie_refresh = false, msie_padding = true;
  ComplexValue limit_rate, limit_rate_after;  ///< sizes: "4k"
  bool is_rate_limited = false;               ///< not in the encoded plan
  uint32_t dav_methods = 0;                   ///< bits of MethodId
  uint32_t dav_access = 0600;
  bool create_full_put_path = false;
  uint32_t min_delete_depth = 0;
  std::vector<ErrorPage> error_pages;
  bool internal = false;
  int32_t upstream = -1;               ///< index into Plan::upstream_confs: proxy_pass and relatives
  std::vector<AccessLog> access_logs;  ///< empty = off
  int32_t open_log_file_cache = -1;    ///< index into Plan::log_caches
  std::vector<ErrorLog> error_logs;
  uint64_t client_max_body_size = 1 << 20;  ///< 0 = unlimited
  uint64_t client_body_buffer_size = 16 << 10;
  uint64_t client_body_timeout = 60000;
  uint64_t client_body_min_rate = 0;  ///< bytes/s over the whole body after a grace of client_body_timeout; 0 = off
  std::string client_body_temp_path;
  uint8_t client_body_in_file_only = 0;  ///< 0 off, kBodyFileKept, 2 clean
  uint64_t send_timeout = 60000;
  uint64_t keepalive_timeout = 75000;
  uint64_t keepalive_header_timeout = 0;  ///< of the Keep-Alive response header, 0 = none
  uint64_t keepalive_requests = 1000;
  uint64_t keepalive_time = 3600000;  ///< ms after which a connection takes no further request
  uint8_t keepalive_disable = 1;      ///< KeepaliveDisable
  uint64_t lingering_time = 30000;
  uint64_t lingering_timeout = 5000;
  uint8_t lingering_close = 1;      ///< 0 off, 1 on, 2 always
  uint64_t postpone_output = 1460;  ///< bytes; from here on frame_above holds more back
  bool reset_timedout_connection = false;
  bool tcp_nodelay = true;
  bool chunked_transfer_encoding = true;
  bool merge_slashes = true;
  bool server_tokens = true;
  bool sendfile = false;
  bool log_not_found = true;
  bool log_subrequest = false;
  bool etag = true;
  uint8_t if_modified_since = 1;  ///< 0 off, 1 exact, 2 before
  uint64_t max_ranges = 999999999;
  bool absolute_redirect = true;
  bool port_in_redirect = true;
  bool server_name_in_redirect = false;
  bool rewrite_by_lua_no_postpone = false, access_by_lua_no_postpone = false, precontent_by_lua_no_postpone = false;
  bool lua_need_request_body = false;
  bool lua_code_cache = true;
  bool lua_use_default_type = true;
  bool lua_http10_buffering = true;
  uint64_t lua_socket_connect_timeout = 60000, lua_socket_send_timeout = 60000, lua_socket_read_timeout = 60000;
  uint64_t lua_socket_keepalive_timeout = 60000;
  uint64_t lua_socket_buffer_size = 4096;
  uint32_t lua_socket_pool_size = 30;
  bool lua_socket_log_errors = true;
  ResolverConf resolver;
  uint64_t resolver_timeout = 30000;
  bool lua_check_client_abort = false;
  uint64_t lua_handler_timeout = 60000;   ///< ms that Lua may run without waiting; 0 = for ever
  bool lua_transform_underscores = true;  ///< lua_transform_underscores_in_response_headers
};

/// A location block. `name` is the URI, the regex source, or "@name".
struct Location {
  enum Match : uint8_t { exact, prefix, prefix_no_regex, regex, regex_icase, named } match = prefix;
  std::string name;
  LocationConf conf;
  std::vector<Location> children;  ///< nested locations in file order
  SourcePos pos;
};

/// A name of server_name. regex names keep their leading "~" off.
struct ServerName {
  enum Kind : uint8_t { exact, wildcard_start, wildcard_end, regex } kind = exact;
  std::string name;
  SourcePos pos;
};

struct ServerConf {
  std::vector<ServerName> names;    ///< exact "" is the empty name
  std::string primary_name;         ///< what $server_name says
  LocationConf conf;                ///< server level
  std::vector<Location> locations;  ///< file order; named ones too
  uint64_t client_header_timeout = 60000;
  uint64_t client_header_buffer_size = 1024;
  uint32_t large_client_header_buffers_n = 4;
  uint64_t large_client_header_buffers_size = 8192;
  bool underscores_in_headers = false;
  bool ignore_invalid_headers = true;
  bool is_stream = false;  ///< of the stream block: a connection is one request without a head
  SourcePos pos;
};

/// One address of listen directives, all servers on it. "unix:/path" or "ip:port" / "[ip6]:port" with port 0 allowed.
struct Listen {
  std::string address;           ///< normalised text, also the key under which sockets survive a reload
  std::vector<int32_t> servers;  ///< indexes into Plan::servers
  int32_t default_server = 0;    ///< index into Plan::servers
  int32_t backlog = 511;
  bool ipv6only = true;
  bool reuseport = true;
  bool tcp_nodelay = true;
  bool proxy_protocol = false;
  SourcePos pos;
};

struct SharedDict {
  std::string name;
  uint64_t size = 0;
};
struct LogFormat {
  std::string name;
  ComplexValue format;
  uint8_t escape = 0; /* 0 default, 1 json, 2 none */
};

/// The whole configuration.
struct Plan {
  std::string conf_file;                         ///< for messages; may be empty
  std::string product;                           ///< "name/version" in Server and error pages; empty: our own
  std::string prefix;                            ///< server prefix, ends with '/'
  uint32_t worker_processes = 1;                 ///< "auto" is already a number
  std::vector<std::string> worker_cpu_affinity;  ///< a mask of binary digits for each worker, the last one for more
  bool worker_cpu_auto = false;                  ///< one processor each: of the mask, or of all
  int32_t worker_priority = 0;
  uint64_t worker_rlimit_nofile = 0;  ///< files for each worker; 0 = what the process has
  int64_t worker_rlimit_core = -1;    ///< bytes; -1 = what the process has
  uint32_t worker_connections = 512;
  std::vector<ErrorLog> error_logs;     ///< main level
  std::vector<std::string> variables;   ///< every variable name used anywhere, lower case, without '$'
  std::vector<int32_t> user_variables;  ///< indexes into variables that `set` declares
  std::vector<int32_t>
      unset_variables;  ///< those of them that have no value, and no warning, until something sets them
  std::vector<Script> scripts;
  int32_t init_script = -1;  ///< init_by_lua*
  int32_t init_worker_script = -1;
  int32_t exit_worker_script = -1;
  std::vector<std::map<std::string, std::string>> types;  ///< extension -> MIME type
  std::vector<LogFormat> log_formats;                     ///< [0] is "combined"
  std::vector<SharedDict> shared_dicts;
  std::vector<LimitZone> limit_zones;
  std::vector<CachePath> cache_paths;
  std::vector<LogCacheConf> log_caches;
  std::string lua_package_path;  ///< empty = default; ";;" already left in place
  std::string lua_package_cpath;
  uint32_t lua_max_pending_timers = 1024;
  uint32_t lua_max_running_timers = 256;
  uint32_t lua_regex_cache_max_entries = 1024;
  uint32_t lua_regex_match_limit = 0;
  uint32_t lua_thread_cache_max_entries = 1024;
  uint64_t lua_init_timeout = 60000;  ///< ms that a start waits for init and init_worker; 0 = for ever
  uint64_t lua_vm_memory_limit = 0;   ///< bytes of each VM; 0 = no limit
  bool lua_fault_containment = true;  ///< a fault in Lua's machine code or an FFI call ends its VM, not the process
  uint64_t lua_malloc_trim = 1000;
  uint64_t worker_shutdown_timeout = 0;  ///< ms that a worker may take to drain; 0 = for ever
  uint64_t lua_capture_error_log = 0;
  bool lua_strict_phases = false;
  bool has_status = false;  ///< moonwire_status stands somewhere: what it tells of traces is counted from the start
  bool is_cli = false;      ///< `moonwire run` and LuaVm: print goes to standard output
  std::vector<std::string> env;  ///< NAME or NAME=value
  bool hides_env = false;        ///< os.getenv sees what `env` names and TZ alone, as nginx's workers do
  std::vector<UpstreamGroup> upstreams;
  std::vector<UpstreamConf> upstream_confs;
  std::vector<LocationConf> if_confs;  ///< of the `if` blocks of locations
  LocationConf http_conf;              ///< what the http block says: holds for code without a request
  std::vector<UpstreamList> upstream_lists;
  std::vector<RegexSource> regexes;
  std::vector<MapConf> maps;
  std::vector<GeoConf> geos;
  std::vector<SplitConf> splits;
  std::vector<CharsetMap> charset_maps;
  std::vector<std::string> charsets;  ///< all that the configuration names, lower case
  std::vector<ServerConf> servers;
  std::vector<Listen> listens;
};

using PlanRef = std::shared_ptr<const Plan>;

/// Decodes the plan that lib/conf/encode wrote (a tagged binary tree, see config.cpp). Null with `error` set when the bytes
/// are not such a plan: a fault of ours, never of the user's configuration, which is validated before.
PlanRef plan_decode(const void *data, size_t size, std::string &error);

}  // namespace mw
