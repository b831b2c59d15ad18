// SPDX-License-Identifier: MIT
// See realip.h.
#include "http/modules/realip.h"

#include <string.h>

#include <algorithm>

#include "http/modules/access.h"
#include "net/address.h"
#include "net/proxy_protocol.h"

namespace mw {

static bool is_trusted(const Request *r) {
  const std::vector<AddressRule> &from = r->conf->real_ip_from;
  return std::any_of(from.begin(), from.end(),
                     [r](const AddressRule &rule) { return address_matches(rule, *r->client); });
}

Str forwarded_list(Request *r, Str name) {
  Str only;
  size_t total = 0, count = 0;
  for (const HttpHeader &h : r->head.headers) {
    if (!str_iequal(h.name, name)) continue;
    only = h.value.data() ? h.value : Str("");
    total += h.value.size() + 2;
    ++count;
  }
  if (count < 2) return only;
  char *to = static_cast<char *>(r->arena.alloc(total)), *end = to;
  for (const HttpHeader &h : r->head.headers)
    if (str_iequal(h.name, name)) end = str_put(end == to ? end : str_put(end, ", "), h.value);
  return {to, static_cast<size_t>(end - to)};
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

/// The client as the PROXY header of the connection names it.
static void take_proxied(Request *r) {
  const ProxyHeader *header = r->conn->proxied;
  PeerAddress address;
  if (!header || !address_parse_ip(header->source, header->source_port, address)) return;
  ClientAddress *client = r->arena.make<ClientAddress>();
  memcpy(&client->in6, &address.un, address.len);
  client->len = static_cast<uint8_t>(address.len);
  r->client = client;
}

void realip_run(Request *r) {
  if (r->parent || r->client != &r->conn->peer || !is_trusted(r)) return;
  if (r->conf->real_ip_header.empty() || r->is_stream) return take_proxied(r);
  Str list = forwarded_list(r, r->conf->real_ip_header);
  if (!list.data()) return;
  do {
    PeerAddress address;
    ClientAddress *client = r->arena.make<ClientAddress>();
    if (!forwarded_take_last(list, address) || address.len > sizeof client->in6) return;
    memcpy(&client->in6, &address.un, address.len);
    client->len = static_cast<uint8_t>(address.len);
    r->client = client;
  } while (r->conf->real_ip_recursive && !list.empty() && is_trusted(r));
}

bool realip_var_addr(Request *r, const VarDef &, Str &out) {
  char text[64];
  return out = r->arena.dup({text, client_address_text(r->conn->peer, text)}), true;
}

bool realip_var_port(Request *r, const VarDef &, Str &out) {
  uint16_t port = client_address_port(r->conn->peer);
  return out = port ? r->arena.format("%u", port) : Str(""), true;
}

}  // namespace mw
