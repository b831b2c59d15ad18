// SPDX-License-Identifier: MIT
// See proxy_protocol.h.
#include "http/proxy_protocol.h"

#include <errno.h>
#include <stdlib.h>

#include <memory>

#include "http/client.h"
#include "http/phase.h"
#include "net/proxy_protocol.h"

namespace mw {

// --- reading the header ----------------------------------------------------------------------------------------------

/// Who speaks before there is a request.
struct HeaderContext {
  LogContext log;  ///< first
  Connection *c;
};

static void log_tail(const LogContext *ctx, std::string &out) {
  Connection *c = reinterpret_cast<const HeaderContext *>(ctx)->c;
  char addr[64];
  out.append(" while reading PROXY protocol, client: ").append(addr, client_address_text(c->peer, addr));
  out.append(", server: ").append(client_listen(c).address);
}

static void give_up(Connection *c, LogLevelId level, int err, Str text) {
  HeaderContext ctx{{c->number, log_tail}, c};
  log_text(core_log(client_core(c), &client_default_server(c).conf), level, err, &ctx.log, text);
  HttpCore *core = client_core(c);
  connection_close(c);
  client_check_drained(core);
}

/// The line that came in place of a header, fit for a log.
static void refuse(Connection *c) {
  Str line(c->in_pos, std::min<size_t>(c->in_size(), 107));
  line = line.substr(0, line.find_first_of("\r\n"));
  std::string text("broken header: \"");
  for (char ch : line) text += ch < ' ' || ch == 127 ? '?' : ch;
  give_up(c, kLogError, 0, text + '"');
}

static void on_readable(Connection *c) {
  auto header = std::make_unique<ProxyHeader>();
  ProxyHeaderResult result{ProxyHeaderResult::incomplete};
  while (result.kind == ProxyHeaderResult::incomplete) {  // the end of the stream may have come in the same event
    if (!c->may_read) return connection_keep_input(c);
    ssize_t n = connection_fill(c);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return give_up(c, kLogInfo, n < 0 ? errno : 0, "client closed connection");
    result = proxy_header_parse({c->in_pos, c->in_size()}, *header);
  }
  if (result.kind == ProxyHeaderResult::bad) return refuse(c);
  c->in_pos += result.size;
  if (result.is_known) c->proxied = header.release();
  client_begin(c);
}

static void on_output(Connection *) {}  // there is none yet
static void on_failed(Connection *c, int err) { give_up(c, kLogInfo, err, "client closed connection"); }
static void on_timeout(Connection *c) { give_up(c, kLogInfo, ETIMEDOUT, "client timed out"); }

static const Protocol header_protocol = {on_readable, on_output, on_output, on_failed, on_timeout};

void proxy_protocol_await(Connection *c) {
  c->protocol = &header_protocol;
  connection_set_timeout(c, client_default_server(c).client_header_timeout);
}

// --- variables -------------------------------------------------------------------------------------------------------

static bool give_port(Request *r, uint16_t port, Str &out) {
  return out = port ? r->arena.format("%u", port) : Str(""), true;
}

bool proxy_protocol_var_addr(Request *r, const VarDef &, Str &out) {
  return r->conn->proxied && (out = r->arena.dup(r->conn->proxied->source), true);
}
bool proxy_protocol_var_port(Request *r, const VarDef &, Str &out) {
  return r->conn->proxied && give_port(r, r->conn->proxied->source_port, out);
}
bool proxy_protocol_var_server_addr(Request *r, const VarDef &, Str &out) {
  return r->conn->proxied && (out = r->arena.dup(r->conn->proxied->destination), true);
}
bool proxy_protocol_var_server_port(Request *r, const VarDef &, Str &out) {
  return r->conn->proxied && give_port(r, r->conn->proxied->destination_port, out);
}

struct TlvName {
  Str name;
  uint8_t type;
};
static constexpr uint8_t kTlvSsl = 0x20;
static constexpr size_t kSslFixed = 5;  ///< what stands before its own TLVs: client, verify
static constexpr TlvName kTlvs[] = {
    {"alpn", 0x01}, {"authority", 0x02}, {"unique_id", 0x05}, {"ssl", kTlvSsl}, {"netns", 0x30}};
static constexpr TlvName kSslTlvs[] = {
    {"version", 0x21}, {"cn", 0x22}, {"cipher", 0x23}, {"sig_alg", 0x24}, {"key_alg", 0x25}};

/// The type by its name or as 0xN. -1 when it is neither.
template <size_t N>
static int tlv_type(const TlvName (&names)[N], Str name) {
  for (const TlvName &n : names)
    if (n.name == name) return n.type;
  if (!name.starts_with("0x") || name.size() < 3) return -1;
  int type = 0;
  for (char c : name.substr(2)) {
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0 || (type = type * 16 + digit) > 255) return -1;
  }
  return type;
}

static bool find_tlv(Request *r, Str tlvs, int type, Str &out) {
  bool is_broken = false;
  if (type >= 0 && proxy_tlv_find(tlvs, static_cast<uint8_t>(type), out, is_broken)) return true;
  if (is_broken) log_write(r->log(), kLogError, 0, &r->log_ctx, "broken PROXY protocol TLV");
  return false;
}

static uint32_t read_u32(Str at) {
  uint32_t n = 0;
  for (size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<uint8_t>(at[i]);
  return n;
}

bool proxy_protocol_var_tlv(Request *r, const VarDef &def, Str &out) {
  if (!r->conn->proxied) return false;
  Str tlvs = r->conn->proxied->tlvs, name = def.name;
  if (name.starts_with("ssl_")) {
    name.remove_prefix(4);
    Str ssl;
    if (!find_tlv(r, tlvs, kTlvSsl, ssl) || ssl.size() < kSslFixed) return false;
    if (name == "verify") return out = r->arena.format("%u", read_u32(ssl.substr(1))), true;
    if (!find_tlv(r, ssl.substr(kSslFixed), tlv_type(kSslTlvs, name), out)) return false;
  } else if (!find_tlv(r, tlvs, tlv_type(kTlvs, name), out)) {
    return false;
  }
  return out = out.empty() ? Str("") : r->arena.dup(out), true;
}

}  // namespace mw
