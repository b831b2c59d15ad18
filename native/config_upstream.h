// SPDX-License-Identifier: MIT
// The part of the plan about other servers: upstream groups, what sends requests to them (proxy_pass, memc_pass) and the cache
// of their responses. See config.h.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "config_value.h"

namespace mw {

/// One server of an upstream group, as written.
struct UpstreamServer {
  std::string address;  ///< "host[:port]", "[ip6]:port" or "unix:/path"
  uint32_t weight = 1;
  uint32_t max_fails = 1;
  uint64_t fail_timeout = 10000;
  uint32_t max_conns = 0;  ///< 0: no limit
  bool backup = false;
  bool down = false;
  SourcePos pos;
};

/// How a group chooses among its servers.
enum class BalanceMethod : uint8_t { round_robin, hash, consistent_hash, ip_hash, least_conn, random, random_two };

/// An `upstream NAME { }` block, or the group that a constant proxy_pass stands for.
struct UpstreamGroup {
  std::string name;
  std::vector<UpstreamServer> servers;
  bool is_implicit = false;
  BalanceMethod method = BalanceMethod::round_robin;
  ComplexValue hash_key;   ///< of `hash`
  bool has_zone = false;   ///< its workers count failures and connections together
  uint32_t keepalive = 0;  ///< idle connections kept per worker; 0 = none
  uint32_t keepalive_requests = 1000;
  uint64_t keepalive_timeout = 60000;
  uint64_t keepalive_time = 3600000;
  int32_t balancer_script = -1;  ///< index into Plan::scripts
  SourcePos pos;
};

/// proxy_redirect, proxy_cookie_domain, proxy_cookie_path: what to look for and what to put in its place.
struct Replacement {
  enum Kind : uint8_t { text, regex, regex_icase } kind = text;
  ComplexValue from;
  ComplexValue to;
  SourcePos pos;
};

/// proxy_cookie_flags: a cookie's name (text or regex) and flags to set or clear.
struct CookieFlags {
  Replacement::Kind kind = Replacement::text;
  ComplexValue name;
  uint32_t set = 0, clear = 0;      ///< bits: 1 secure, 2 httponly, 4 samesite, 8 strict, 16 lax, 32 none
  std::vector<ComplexValue> words;  ///< flags with variables, and what is no flag
  SourcePos pos;
};

/// proxy_cache_path. Times in ms but for `inactive`, which is in seconds.
struct CachePath {
  std::string path;  ///< without a '/' at its end
  std::string name;  ///< of keys_zone
  uint64_t size = 0;
  std::array<uint8_t, 3> levels{0, 0, 0};  ///< digits of the names of folders; 0: no more levels
  uint64_t inactive = 600;
  uint64_t max_size = 0, min_free = 0;  ///< bytes; 0: no limit
  uint64_t manager_files = 100, manager_threshold = 200, manager_sleep = 50;
  uint64_t loader_files = 100, loader_threshold = 200, loader_sleep = 50;
  SourcePos pos;
};

/// A line of proxy_cache_valid; status 0 is any.
struct CacheValid {
  int32_t status = 0;
  uint64_t seconds = 0;
};

/// What sends a location's requests to another server: proxy_pass, memc_pass, and all their settings.
struct UpstreamConf {
  enum Kind : uint8_t { proxy, memc, memcached } kind = proxy;
  ComplexValue pass;   ///< as written: "http://host/uri", or a group's name or address for memc_pass
  int32_t group = -1;  ///< index into Plan::upstreams where `pass` is constant
  uint64_t connect_timeout = 60000, send_timeout = 60000, read_timeout = 60000;
  bool buffering = true;
  bool request_buffering = true;
  uint64_t buffer_size = 4096;
  uint32_t buffers_n = 8;
  uint64_t buffers_size = 4096;
  bool ignore_client_abort = false;
  bool intercept_errors = false;
  uint32_t next_upstream = 0;  ///< bits of UpstreamFailure
  uint32_t next_upstream_tries = 0;
  uint64_t next_upstream_timeout = 0;
  ComplexValue bind;  ///< local address; empty = none
  bool bind_transparent = false;
  bool force_ranges = false;
  ComplexValue limit_rate;  ///< bytes per second of a reply that are read
  enum Store : uint8_t { store_off, store_at_root, store_at_path } store = store_off;  ///< proxy_store
  ComplexValue store_path;
  uint32_t store_access = 0600;
  // proxy
  uint32_t http_minor = 0;  ///< proxy_http_version 1.N
  ComplexValue method;      ///< empty = the request's
  bool has_body = false;    ///< proxy_set_body
  ComplexValue body;
  bool pass_request_body = true;
  bool pass_request_headers = true;
  std::vector<NamedValue> set_headers;
  std::vector<std::string> hide_headers;  ///< lower case, after proxy_pass_header
  std::vector<std::string> pass_headers;
  uint32_t ignore_headers = 0;  ///< bits of IgnoreHeader
  bool default_redirect = true;
  std::vector<Replacement> redirects;
  std::vector<Replacement> cookie_domains;
  std::vector<Replacement> cookie_paths;
  std::vector<CookieFlags> cookie_flags;
  // the response cache
  bool has_cache = false;   ///< proxy_cache
  ComplexValue cache;       ///< the zone's name
  int32_t cache_path = -1;  ///< index into Plan::cache_paths where `cache` is constant
  bool has_cache_key = false;
  ComplexValue cache_key;
  std::vector<CacheValid> cache_valid;
  uint32_t cache_methods = 0;  ///< bits of MethodId
  uint32_t cache_min_uses = 1;
  std::vector<ComplexValue> cache_bypass, no_cache;
  uint32_t cache_use_stale = 0;  ///< bits of UpstreamFailure
  bool cache_lock = false, cache_revalidate = false, cache_background_update = false, cache_convert_head = true;
  uint64_t cache_lock_timeout = 5000, cache_lock_age = 5000;
  int64_t cache_max_range_offset = -1;  ///< -1: no limit
  // memc, memcached
  std::vector<std::string> cmds_allowed;  ///< of memc; empty = all
  std::array<int32_t, 5> memc_vars{-1, -1, -1, -1,
                                   -1};  ///< $memc_cmd key value exptime flags; of memcached the key alone
  uint32_t gzip_flag = 0;                ///< memcached_gzip_flag: bits of a value's flags
  SourcePos pos;
};

}  // namespace mw
