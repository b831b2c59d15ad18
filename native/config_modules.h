// SPDX-License-Identifier: MIT
// The part of the plan that single modules have: a struct for each directive that is more than a number. See config.h.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "config_value.h"

namespace mw {

/// A line of a map. Keys are lower case.
struct MapEntry {
  enum Kind : uint8_t { exact, wildcard_start, wildcard_end, regex } kind = exact;
  std::string key;  ///< of wildcards, without "*."
  int32_t regex_index = -1;
  ComplexValue value;
};

/// map TEXT $VARIABLE { }.
struct MapConf {
  int32_t var = -1;  ///< index into Plan::variables
  ComplexValue source;
  bool hostnames = false;    ///< keys may be wildcards; a dot at the end of the text does not count
  bool is_volatile = false;  ///< looked up each time it is asked for
  ComplexValue fallback;     ///< default
  std::vector<MapEntry> entries;
};

/// charset_map FROM TO { }, with the way back.
struct CharsetMap {
  std::string from, to;
  bool is_utf8 = false;                        ///< the charset `to` is
  std::vector<std::array<uint32_t, 2>> pairs;  ///< a byte of `from`, a byte or code point of `to`
  // Not in the encoded plan:
  std::vector<uint16_t> forward;  ///< by byte of `from`
  std::string back;               ///< bytes of `from`, by byte or code point of `to`; of UTF-8 0 = none
};

/// A regex of rewrite, if or map.
struct RegexSource {
  std::string pattern;
  bool is_icase = false;
  SourcePos pos;
};

struct AddHeader {
  std::string name;
  ComplexValue value;
  bool always = false;
};

/// A command of the echo module's content handler, or of its body filter, in order.
struct EchoCommand {
  enum Op : uint8_t {
    echo,
    duplicate,
    flush,
    sleep,
    blocking_sleep,
    reset_timer,
    read_request_body,
    request_body,
    location,
    location_async,
    subrequest,
    subrequest_async,
    foreach_split,
    end,
    exec,
    abort_parent
  } op = echo;
  bool has_newline = true;  ///< echo without -n
  std::vector<ComplexValue> args;
};

/// more_set_headers and relatives: one directive.
struct MoreHeaders {
  struct Field {
    std::string name;
    ComplexValue value;
    bool is_clear = false;
    bool is_prefix = false;  ///< "X-*": all names that begin so
  };
  std::vector<Field> fields;
  std::vector<std::string> types;  ///< -t: only for these content types
  std::vector<int32_t> statuses;   ///< -s
  bool is_append = false;          ///< -a
  bool is_replace = false;         ///< -r: only where the request has the header
};

/// A network of allow, deny or set_real_ip_from.
struct AddressRule {
  enum Kind : uint8_t { all, unix_, ip4, ip6 } kind = all;
  std::vector<uint8_t> address;  ///< 4 or 16 bytes, host bits zero
  uint8_t bits = 0;
  bool is_deny = false;
};

/// A line of a geo block: first and last address, 4 or 16 bytes each. Lines are in order and do not overlap.
struct GeoRange {
  std::vector<uint8_t> first, last;
  int32_t value = 0;  ///< index into GeoConf::values
};

/// geo [$ADDRESS] $VARIABLE { }.
struct GeoConf {
  int32_t var = -1;     ///< index into Plan::variables
  int32_t source = -1;  ///< the same, of the address; -1 = the client's
  std::vector<std::string> values;
  int32_t fallback = 0;              ///< default: index into values
  std::vector<GeoRange> ip4, ip6;    ///< by first address
  std::vector<AddressRule> proxies;  ///< whose X-Forwarded-For is believed
  bool proxy_recursive = false;
};

/// split_clients TEXT $VARIABLE { }.
struct SplitConf {
  struct Part {
    uint32_t end = 0;  ///< the hashes below it; 0 = all
    ComplexValue value;
  };
  int32_t var = -1;  ///< index into Plan::variables
  ComplexValue source;
  std::vector<Part> parts;
};

/// sub_filter: a text (lower case) and what takes its place.
struct SubFilter {
  ComplexValue from, to;
};

/// upstream_list: a name for several upstreams.
struct UpstreamList {
  std::string name;
  std::vector<std::string> upstreams;
};

/// The number that set_rotate came to last in a location, for all workers; -1: none yet. A copy begins with its source's.
struct Rotation {
  mutable std::atomic<int64_t> last{-1};
  Rotation() = default;
  Rotation(const Rotation &other) : last(other.last.load()) {}
  Rotation &operator=(const Rotation &other) {
    last = other.last.load();
    return *this;
  }
};

/// limit_req_zone, limit_conn_zone. `rate`: thousandths of a request per second; 0 counts connections.
struct LimitZone {
  std::string name;
  uint64_t size = 0;
  ComplexValue key;
  uint64_t rate = 0;
};

/// limit_req: requests in thousandths. What is in the bucket up to `delay` is let in at once.
struct LimitReq {
  int32_t zone = 0;  ///< index into Plan::limit_zones
  uint64_t burst = 0, delay = 0;
};

struct LimitConn {
  int32_t zone = 0;
  uint32_t most = 1;
};

/// A word of valid_referers. The first four kinds are ServerName's.
struct Referer {
  enum Kind : uint8_t { exact, wildcard_start, wildcard_end, regex_, none, blocked, server_names } kind = exact;
  std::string name;
  std::string uri;     ///< what the path must begin with
  int32_t regex = -1;  ///< index into Plan::regexes
};

/// open_log_file_cache. Times in ms.
struct LogCacheConf {
  uint32_t max = 1;                          ///< files
  uint64_t inactive = 10000, valid = 60000;  ///< without use; between two looks at the file's name
  uint32_t min_uses = 1;                     ///< before a file stays open
};

/// auth_request_set: a variable and what it gets once the subrequest has answered.
struct VariableSetting {
  int32_t var = -1;  ///< index into Plan::variables
  ComplexValue value;
};

/// Content handlers of modules that need nothing else.
enum class PlainHandler : uint8_t { none, empty_gif, stub_status };

/// error_page CODES... [=[RESPONSE]] URI. `response` is -1 when no "=" was given, 0 for a bare "=".
struct ErrorPage {
  std::vector<int32_t> codes;
  int32_t response = -1;
  ComplexValue uri;
  bool is_named = false;
};

struct TryFiles {
  std::vector<ComplexValue> paths;
  ComplexValue fallback;
  int32_t fallback_status = 0; /* "=404" */
};

}  // namespace mw
