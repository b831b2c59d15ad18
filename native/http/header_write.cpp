// SPDX-License-Identifier: MIT
// The status line and header block of a response, written straight into the connection's chain in nginx's order. Decides
// the framing: Content-Length when it is known, chunked for HTTP/1.1, else the end of the connection.
#include <stdio.h>
#include <time.h>

#include "base/http_time.h"
#include "http/output.h"
#include "http/variable.h"

namespace mw {

struct StatusText {
  int32_t status;
  Str text;
};

static constexpr StatusText kStatuses[] = {
    {100, "100 Continue"},
    {101, "101 Switching Protocols"},
    {200, "200 OK"},
    {201, "201 Created"},
    {202, "202 Accepted"},
    {203, "203 Non-Authoritative Information"},
    {204, "204 No Content"},
    {206, "206 Partial Content"},
    {301, "301 Moved Permanently"},
    {302, "302 Moved Temporarily"},
    {303, "303 See Other"},
    {304, "304 Not Modified"},
    {307, "307 Temporary Redirect"},
    {308, "308 Permanent Redirect"},
    {400, "400 Bad Request"},
    {401, "401 Unauthorized"},
    {402, "402 Payment Required"},
    {403, "403 Forbidden"},
    {404, "404 Not Found"},
    {405, "405 Not Allowed"},
    {406, "406 Not Acceptable"},
    {408, "408 Request Time-out"},
    {409, "409 Conflict"},
    {410, "410 Gone"},
    {411, "411 Length Required"},
    {412, "412 Precondition Failed"},
    {413, "413 Request Entity Too Large"},
    {414, "414 Request-URI Too Large"},
    {415, "415 Unsupported Media Type"},
    {416, "416 Requested Range Not Satisfiable"},
    {417, "417 Expectation Failed"},
    {421, "421 Misdirected Request"},
    {426, "426 Upgrade Required"},
    {429, "429 Too Many Requests"},
    {500, "500 Internal Server Error"},
    {501, "501 Not Implemented"},
    {502, "502 Bad Gateway"},
    {503, "503 Service Temporarily Unavailable"},
    {504, "504 Gateway Time-out"},
    {505, "505 HTTP Version Not Supported"},
    {507, "507 Insufficient Storage"},
};

Str status_reason(int32_t status) {
  for (const StatusText &s : kStatuses)
    if (s.status == status) return s.text.substr(4);
  return {};
}

/// Appends to a reserved run of bytes; the caller has counted.
struct Writer {
  char *at;
  void put(Str s) { at = str_put(at, s); }
  void number(uint64_t v) {
    char text[20];
    int i = sizeof text;
    do text[--i] = static_cast<char>('0' + v % 10);
    while (v /= 10);
    put({text + i, sizeof text - static_cast<size_t>(i)});
  }
};

static void put_status(Writer &w, const Request *r) {
  w.put("HTTP/1.1 ");
  if (!r->resp.status_line.empty()) {
    w.put(r->resp.status_line);
  } else if (r->abi.status == 200) {
    w.put("200 OK");
  } else {
    for (const StatusText &s : kStatuses)
      if (s.status == r->abi.status) {
        w.put(s.text);
        w.put("\r\n");
        return;
      }
    w.number(static_cast<uint64_t>(r->abi.status));
    w.put(" ");
  }
  w.put("\r\n");
}

static void put_server_date(Writer &w, const Request *r) {
  const HttpCore *core = r->core;
  if (!r->resp.has_server && !r->resp.has_date) {
    if (r->conf->server_tokens)
      w.put({core->server_date, core->server_date_size});
    else
      w.put({core->server_date_short, core->server_date_short_size});
    return;
  }
  if (!r->resp.has_server) {
    w.put("Server: ");
    w.put(core_product(r->core, r->conf->server_tokens));
    w.put("\r\n");
  }
  if (!r->resp.has_date) {
    w.put("Date: ");
    w.put({core->date, 29});
    w.put("\r\n");
  }
}

/// Absolute form of a Location that begins with '/': scheme, name and port as nginx's absolute_redirect puts them.
/// To a client that has named no host, the address it has come to is one.
static void put_location(Writer &w, const Request *r) {
  w.put("Location: ");
  Str to = r->resp.location;
  if (!to.empty() && to[0] == '/' && r->conf->absolute_redirect && !r->resp.is_location_verbatim) {
    // Only here: asking the kernel for each response would cost a system call.
    LocalName local = connection_local_name(r);
    bool has_own = r->conf->server_name_in_redirect || (r->host.empty() && !local.host[0]);
    w.put("http://");
    w.put(has_own ? Str(r->server->primary_name) : r->host.empty() ? Str(local.host) : r->host);
    if (r->conf->port_in_redirect) w.put(local.port);
  }
  w.put(to);
  w.put("\r\n");
}

void header_write(Request *r, int64_t length) {
  if (r->abi.http_major == 0) {  // HTTP/0.9: the body is all, up to the end of the connection
    r->keepalive = false;
    return;
  }
  const Response &resp = r->resp;
  Output &o = r->out;
  int32_t status = r->abi.status;
  bool no_body_framing = status == 204 || status == 304 || (status >= 100 && status < 200);
  if (no_body_framing) length = status == 304 ? resp.content_length : -1;
  if (length < 0 && !o.is_bodiless) {
    if (r->abi.http_minor >= 1 && r->conf->chunked_transfer_encoding)
      o.is_chunked = true;
    else
      r->keepalive = false;
  }
  if (!http_may_keep_alive(r->core, r->conn)) r->keepalive = false;

  size_t bound = 640 + resp.content_type.size() + resp.status_line.size() + resp.location.size() + r->host.size() +
                 r->server->primary_name.size();
  for (const RespHeader &h : resp.headers) bound += h.name.size() + h.value.size() + 4;
  char *start = r->conn->out.reserve(r->core->net.blocks, bound);
  Writer w{start};
  put_status(w, r);
  put_server_date(w, r);
  if (!resp.content_type.empty() && status != 204) {
    w.put("Content-Type: ");
    w.put(resp.content_type);
    w.put("\r\n");
  }
  if (length >= 0) {
    w.put("Content-Length: ");
    w.number(static_cast<uint64_t>(length));
    w.put("\r\n");
  }
  if (resp.last_modified >= 0 && (status == 200 || status == 206 || status == 304)) {
    w.put("Last-Modified: ");
    http_time_format(resp.last_modified, w.at);
    w.at += HTTP_TIME_SIZE;
    w.put("\r\n");
  }
  if (resp.location.data()) put_location(w, r);
  if (o.is_chunked) w.put("Transfer-Encoding: chunked\r\n");
  if (!resp.has_connection) {
    if (status == 101) {
      w.put("Connection: upgrade\r\n");
    } else if (r->keepalive) {
      w.put("Connection: keep-alive\r\n");
      if (r->conf->keepalive_header_timeout) {
        w.put("Keep-Alive: timeout=");
        w.number(r->conf->keepalive_header_timeout / 1000);
        w.put("\r\n");
      }
    } else {
      w.put("Connection: close\r\n");
    }
  }
  for (const RespHeader &h : resp.headers) {
    w.put(h.name);
    w.put(": ");
    w.put(h.value);
    w.put("\r\n");
  }
  w.put("\r\n");
  r->conn->out.advance(static_cast<size_t>(w.at - start));
}

}  // namespace mw
