// SPDX-License-Identifier: MIT
// Variables of nginx's smaller modules: what gzip made of a response, the connections (stub_status), the client's browser, dates
// (ssi); and what the kernel knows of a connection. Read on the worker's thread when asked for; nothing is kept.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <zlib.h>

#include "http/modules/browser.h"
#include "http/modules/ssi.h"
#include "http/modules/userid.h"
#include "http/phase.h"
#include "http/proxy_protocol.h"
#include "http/variable.h"

namespace mw {

static bool give_number(Request *r, uint64_t n, Str &out) {
  return out = r->arena.format("%llu", static_cast<unsigned long long>(n)), true;
}

// --- the connection --------------------------------------------------------------------------------------------------

static bool get_connection_time(Request *r, const VarDef &, Str &out) {
  uint64_t ms = r->core->loop->now_ms() - r->conn->start_mono;
  return out = r->arena.format("%llu.%03llu", static_cast<unsigned long long>(ms / 1000),
                               static_cast<unsigned long long>(ms % 1000)),
         true;
}

static bool get_pipe(Request *r, const VarDef &, Str &out) {
  return out = r->conn->is_pipelined ? Str("p") : Str("."), true;
}

template <class Member>
static bool get_tcpinfo(Request *r, Str &out, Member member) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (r->conn->fd < 0 || getsockopt(r->conn->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return false;
  return give_number(r, info.*member, out);
}
static bool get_rtt(Request *r, const VarDef &, Str &out) { return get_tcpinfo(r, out, &tcp_info::tcpi_rtt); }
static bool get_rttvar(Request *r, const VarDef &, Str &out) { return get_tcpinfo(r, out, &tcp_info::tcpi_rttvar); }
static bool get_snd_cwnd(Request *r, const VarDef &, Str &out) { return get_tcpinfo(r, out, &tcp_info::tcpi_snd_cwnd); }
static bool get_rcv_space(Request *r, const VarDef &, Str &out) {
  return get_tcpinfo(r, out, &tcp_info::tcpi_rcv_space);
}

static bool get_active(Request *r, const VarDef &, Str &out) {
  ConnectionCounts n = http_connection_counts(r->core);
  return give_number(r, n.reading + n.writing + n.waiting, out);
}
static bool get_reading(Request *r, const VarDef &, Str &out) {
  return give_number(r, http_connection_counts(r->core).reading, out);
}
static bool get_writing(Request *r, const VarDef &, Str &out) {
  return give_number(r, http_connection_counts(r->core).writing, out);
}
static bool get_waiting(Request *r, const VarDef &, Str &out) {
  return give_number(r, http_connection_counts(r->core).waiting, out);
}

/// Of trailers of upstreams, which are not kept; and of what a configuration may set.
static bool get_nothing(Request *, const VarDef &, Str &) { return false; }

// --- the response ----------------------------------------------------------------------------------------------------

/// nginx's rounding.
static bool get_gzip_ratio(Request *r, const VarDef &, Str &out) {
  const z_stream *z = static_cast<const z_stream *>(r->out.gzip);
  if (!z || z->total_out == 0) return false;
  uint64_t in = z->total_in, to = z->total_out, whole = in / to, part = in * 100 / to % 100;
  if (in * 1000 / to % 10 > 4 && ++part > 99) {
    ++whole;
    part = 0;
  }
  return out = r->arena.format("%llu.%02llu", static_cast<unsigned long long>(whole),
                               static_cast<unsigned long long>(part)),
         true;
}

static bool is_named(Str field, Str name) {
  if (field.size() != name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    unsigned char c = str_lower(static_cast<unsigned char>(field[i]));
    if ((c == '-' ? '_' : c) != static_cast<unsigned char>(name[i])) return false;
  }
  return true;
}

/// All of one name, ", " between them. A trailer that names itself has no value yet.
static bool get_sent_trailer(Request *r, const VarDef &def, Str &out) {
  static thread_local bool is_asking = false;
  if (!r->out.has_trailers || !r->out.is_last_framed || is_asking) return false;
  is_asking = true;
  out = {};
  for (const AddHeader &h : r->conf->add_trailers) {
    if (!is_named(h.name, def.name)) continue;
    Str value = complex_value(r, h.value);
    if (value.empty()) continue;
    out = out.data() ? r->arena.format("%.*s, %.*s", static_cast<int>(out.size()), out.data(),
                                       static_cast<int>(value.size()), value.data())
                     : value;
  }
  is_asking = false;
  return out.data() != nullptr;
}

// --- the client, the time --------------------------------------------------------------------------------------------

static bool get_msie(Request *r, const VarDef &, Str &out) {
  return out = browser_of(r).is_msie ? Str("1") : Str(""), true;
}

static bool give_date(Request *r, tm *(*parts)(const time_t *, tm *), Str &out) {
  time_t now = static_cast<time_t>(r->core->loop->wall_ms() / 1000);
  std::string format(ssi_time_format(r));
  if (format == "%s") return give_number(r, static_cast<uint64_t>(now), out);
  tm at;
  parts(&now, &at);
  char text[1024];
  size_t n = strftime(text, sizeof text, format.c_str(), &at);
  out = r->arena.dup({text, n});
  return n > 0;
}
static bool get_date_local(Request *r, const VarDef &, Str &out) { return give_date(r, localtime_r, out); }
static bool get_date_gmt(Request *r, const VarDef &, Str &out) { return give_date(r, gmtime_r, out); }

// --- tables ----------------------------------------------------------------------------------------------------------

static constexpr NamedVar kNames[] = {
    {"connection_time", get_connection_time},
    {"pipe", get_pipe},
    {"tcpinfo_rtt", get_rtt},
    {"tcpinfo_rttvar", get_rttvar},
    {"tcpinfo_snd_cwnd", get_snd_cwnd},
    {"tcpinfo_rcv_space", get_rcv_space},
    {"connections_active", get_active},
    {"connections_reading", get_reading},
    {"connections_writing", get_writing},
    {"connections_waiting", get_waiting},
    {"proxy_protocol_addr", proxy_protocol_var_addr},
    {"proxy_protocol_port", proxy_protocol_var_port},
    {"proxy_protocol_server_addr", proxy_protocol_var_server_addr},
    {"proxy_protocol_server_port", proxy_protocol_var_server_port},
    {"uid_got", userid_var_got},
    {"uid_set", userid_var_set},
    {"uid_reset", get_nothing},
    {"gzip_ratio", get_gzip_ratio},
    {"msie", get_msie},
    {"date_local", get_date_local},
    {"date_gmt", get_date_gmt},
    // Of TLS and HTTP/2: what nginx answers on a connection that has neither, where formats of logs name them all the same.
    {"ssl_protocol", get_nothing},
    {"ssl_cipher", get_nothing},
    {"ssl_ciphers", get_nothing},
    {"ssl_curve", get_nothing},
    {"ssl_curves", get_nothing},
    {"ssl_session_id", get_nothing},
    {"ssl_session_reused", get_nothing},
    {"ssl_early_data", get_nothing},
    {"ssl_server_name", get_nothing},
    {"ssl_alpn_protocol", get_nothing},
    {"ssl_client_cert", get_nothing},
    {"ssl_client_raw_cert", get_nothing},
    {"ssl_client_escaped_cert", get_nothing},
    {"ssl_client_s_dn", get_nothing},
    {"ssl_client_i_dn", get_nothing},
    {"ssl_client_s_dn_legacy", get_nothing},
    {"ssl_client_i_dn_legacy", get_nothing},
    {"ssl_client_serial", get_nothing},
    {"ssl_client_fingerprint", get_nothing},
    {"ssl_client_verify", get_nothing},
    {"ssl_client_v_start", get_nothing},
    {"ssl_client_v_end", get_nothing},
    {"ssl_client_v_remain", get_nothing},
    {"http2", get_nothing},
};
static constexpr NamedVar kPrefixes[] = {{"sent_trailer_", get_sent_trailer},
                                         {"upstream_trailer_", get_nothing},
                                         {"proxy_protocol_tlv_", proxy_protocol_var_tlv}};

bool module_variable_resolve(Str name, VarDef &def) { return variable_find(kNames, kPrefixes, name, def); }

}  // namespace mw
