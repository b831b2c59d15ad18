// SPDX-License-Identifier: MIT
// See geo.h. What is no IP address, a unix socket's peer or another text, counts as 255.255.255.255, as in nginx.
#include "http/modules/geo.h"

#include <string.h>

#include <algorithm>

#include "http/modules/realip.h"

namespace mw {

/// An address as ranges have it: 4 or 16 bytes.
struct GeoAddress {
  uint8_t bytes[16] = {255, 255, 255, 255};
  size_t size = 4;
};

static GeoAddress address_of(const sockaddr *sa, size_t len) {
  GeoAddress out;
  if (len && sa->sa_family == AF_INET) {
    memcpy(out.bytes, &reinterpret_cast<const sockaddr_in *>(sa)->sin_addr, 4);
  } else if (len && sa->sa_family == AF_INET6) {
    const in6_addr &address = reinterpret_cast<const sockaddr_in6 *>(sa)->sin6_addr;
    bool is_mapped = IN6_IS_ADDR_V4MAPPED(&address);
    out.size = is_mapped ? 4 : 16;
    memcpy(out.bytes, address.s6_addr + (is_mapped ? 12 : 0), out.size);
  }
  return out;
}

static bool is_in(const AddressRule &rule, const GeoAddress &a) {
  if (rule.kind == AddressRule::all) return true;
  if (rule.address.size() != a.size) return false;
  size_t bytes = rule.bits / 8;
  if (memcmp(a.bytes, rule.address.data(), bytes) != 0) return false;
  uint8_t mask = static_cast<uint8_t>(0xff00 >> (rule.bits % 8));
  return rule.bits % 8 == 0 || (a.bytes[bytes] & mask) == rule.address[bytes];
}

static bool is_proxy(const GeoConf &geo, const GeoAddress &a) {
  return std::any_of(geo.proxies.begin(), geo.proxies.end(), [&a](const AddressRule &rule) { return is_in(rule, a); });
}

/// The client's address; behind a proxy of the block's, the one that X-Forwarded-For names.
static GeoAddress client_of(Request *r, const GeoConf &geo) {
  GeoAddress a = address_of(&r->main->client->sa, r->main->client->len);
  if (geo.proxies.empty() || !is_proxy(geo, a)) return a;
  Str list = forwarded_list(r, "x-forwarded-for");
  PeerAddress next;
  while (!list.empty() && forwarded_take_last(list, next)) {
    a = address_of(&next.sa, next.len);
    if (!geo.proxy_recursive || !is_proxy(geo, a)) break;
  }
  return a;
}

static GeoAddress source_of(Request *r, const GeoConf &geo) {
  if (geo.source < 0) return client_of(r, geo);
  PeerAddress parsed;
  if (!address_parse_ip(variable_value(r, geo.source), 0, parsed)) return {};
  return address_of(&parsed.sa, parsed.len);
}

/// The range whose first address is the last one not above `a`, if it holds `a`.
static const std::string &find(const GeoConf &geo, const GeoAddress &a) {
  const std::vector<GeoRange> &ranges = a.size == 4 ? geo.ip4 : geo.ip6;
  auto above = std::upper_bound(ranges.begin(), ranges.end(), a, [](const GeoAddress &key, const GeoRange &range) {
    return memcmp(key.bytes, range.first.data(), key.size) < 0;
  });
  int32_t value = geo.fallback;
  if (above != ranges.begin() && memcmp(a.bytes, above[-1].last.data(), a.size) <= 0) value = above[-1].value;
  return geo.values[static_cast<size_t>(value)];
}

int32_t geo_of_variable(const Plan &plan, Str name) {
  for (size_t i = plan.geos.size(); i-- > 0;)
    if (plan.variables[static_cast<size_t>(plan.geos[i].var)] == name) return static_cast<int32_t>(i);
  return -1;
}

bool geo_get(Request *r, const VarDef &def, Str &out) {
  VarSlot &slot = variable_slot(r, def);
  if (!slot.is_set) {
    const GeoConf &geo = r->plan->geos[static_cast<size_t>(def.table)];
    Str value = find(geo, source_of(r, geo));
    variable_slot(r, def) = {value.empty() ? Str("") : value, true};
  }
  return out = variable_slot(r, def).value, out.data() != nullptr;
}

}  // namespace mw
