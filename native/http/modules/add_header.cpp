// SPDX-License-Identifier: MIT
// The headers filter: add_header and add_trailer, for the statuses nginx names, or always.
#include "http/modules/expires.h"
#include "http/phase.h"
#include "http/variable.h"

namespace mw {

static bool is_safe_status(int32_t s) {
  return s == 200 || s == 201 || s == 204 || s == 206 || s == 301 || s == 302 || s == 303 || s == 304 || s == 307 ||
         s == 308;
}

/// Of these a response has one: as in nginx the last one counts, and an empty one takes it away.
static bool is_single(Str name) {
  return name.size() == 4 ? str_iequal(name, "etag") : name.size() == 13 && str_iequal(name, "last-modified");
}

void http_add_headers(Request *r) {
  if (r->conf->filters & kFilterExpires) expires_filter(r);  // add_header may add to its Cache-Control
  for (const AddHeader &h : r->conf->add_headers) {
    if (!h.always && !is_safe_status(r->abi.status)) continue;
    Str value = complex_value(r, h.value);
    if (is_single(h.name)) response_clear_header(r, h.name);
    if (value.empty()) continue;
    if (r->abi.status == 204 && str_iequal(h.name, "content-type")) {  // which would have none else
      RespHeader *field = r->resp.headers.push(r->arena);
      field->name = h.name;
      field->value = header_value_plain(r->arena, value);
    } else {
      response_add_header_plain(r, h.name, value);
    }
  }
}

bool http_expects_trailers(const Request *r) {
  if (r->abi.http_minor < 1 || !r->conf->chunked_transfer_encoding) return false;
  for (const AddHeader &h : r->conf->add_trailers)
    if (h.always || is_safe_status(r->abi.status)) return true;
  return false;
}

void http_put_trailers(Request *r, Chain &to) {
  BlockPool &pool = r->core->net.blocks;
  for (const AddHeader &h : r->conf->add_trailers) {
    if (!h.always && !is_safe_status(r->abi.status)) continue;
    Str value = complex_value(r, h.value);
    if (value.empty()) continue;
    to.append(pool, h.name);
    to.append(pool, ": ");
    to.append(pool, header_value_plain(r->arena, value));
    to.append(pool, "\r\n");
  }
}

}  // namespace mw
