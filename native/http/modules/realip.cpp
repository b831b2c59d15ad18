// SPDX-License-Identifier: MIT
// See realip.h.
#include "http/modules/realip.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "http/modules/access.h"
#include "net/address.h"

namespace mw {

/// What the connection was before, in the arena of the main request.
struct RealIp {
  Request *r = nullptr;
  decltype(Connection::peer) peer{};
  uint8_t peer_len = 0;
  uint16_t port = 0;
  Str text;
};

static void restore(void *arg) {
  RealIp *saved = static_cast<RealIp *>(arg);
  saved->r->conn->peer = saved->peer;
  saved->r->conn->peer_len = saved->peer_len;
}

static bool is_trusted(const Request *r) {
  const std::vector<AddressRule> &from = r->conf->real_ip_from;
  return std::any_of(from.begin(), from.end(), [r](const AddressRule &rule) { return address_matches(rule, r->conn); });
}

Str forwarded_list(Request *r, Str name) {
  Str list = request_header(r, name);
  bool is_first = true;
  for (const HttpHeader &h : r->head.headers) {
    if (!str_iequal(h.name, name) || std::exchange(is_first, false)) continue;
    char *to = static_cast<char *>(r->arena.alloc(list.size() + 2 + h.value.size()));
    char *end = str_put(str_put(str_put(to, list), ", "), h.value);
    list = {to, static_cast<size_t>(end - to)};
  }
  return list;
}

static bool is_separator(char c) { return c == ' ' || c == ','; }

/// Takes the last address off the list.
static Str take_last(Str &list) {
  while (!list.empty() && is_separator(list.back())) list.remove_suffix(1);
  size_t at = list.find_last_of(" ,");
  Str last = list.substr(at == Str::npos ? 0 : at + 1);
  list = list.substr(0, at == Str::npos ? 0 : at);
  return last;
}

static bool read_address(Str text, PeerAddress &out) {
  if (text.empty() || text.starts_with("unix:")) return false;
  return address_parse_ip(text, 0, out) || address_parse(text, 0, out);
}

bool forwarded_take_last(Str &list, PeerAddress &out) { return read_address(take_last(list), out); }

void realip_run(Request *r) {
  if (r->parent || r->realip || !is_trusted(r)) return;
  Str list = forwarded_list(r, r->conf->real_ip_header);
  if (!list.data()) return;
  do {
    PeerAddress address;
    if (!forwarded_take_last(list, address) || address.len > sizeof r->conn->peer) return;
    if (!r->realip) {
      RealIp *saved = r->arena.make<RealIp>();
      saved->r = r;
      saved->peer = r->conn->peer;
      saved->peer_len = r->conn->peer_len;
      char text[64];
      saved->text = r->arena.dup({text, connection_peer_text(r->conn, text)});
      saved->port = connection_peer_port(r->conn);
      r->realip = saved;
      request_on_free(r, restore, saved);
    }
    memcpy(&r->conn->peer, &address, address.len);
    r->conn->peer_len = static_cast<uint8_t>(address.len);
  } while (r->conf->real_ip_recursive && !list.empty() && is_trusted(r));
}

bool realip_var_addr(Request *r, const VarDef &, Str &out) {
  char text[64];
  const RealIp *saved = r->main->realip;
  return out = saved ? saved->text : r->arena.dup({text, connection_peer_text(r->conn, text)}), true;
}

bool realip_var_port(Request *r, const VarDef &, Str &out) {
  const RealIp *saved = r->main->realip;
  uint16_t port = saved ? saved->port : connection_peer_port(r->conn);
  return out = port ? r->arena.format("%u", port) : Str(""), true;
}

}  // namespace mw
