// SPDX-License-Identifier: MIT
// See gzip.h.
#include "http/modules/gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "http/filter.h"

namespace mw {

bool filter_type_matches(const Request *r, const std::vector<std::string> &types) {
  Str type = r->resp.content_type;
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  for (const std::string &t : types)
    if (t == "*" || str_iequal(type, t)) return true;
  return false;
}

/// Does a client that sends this Accept-Encoding take gzip? As in nginx a quality of 0 refuses.
static bool accepts_gzip(Str value) {
  while (!value.empty()) {
    size_t end = value.find(',');
    Str item = value.substr(0, end);
    value = end == Str::npos ? Str{} : value.substr(end + 1);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    size_t cut = item.find(';');
    Str name = item.substr(0, cut);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (!str_iequal(name, "gzip")) continue;
    Str rest = cut == Str::npos ? Str{} : item.substr(cut + 1);
    size_t q = rest.find("q=");
    if (q == Str::npos) return true;
    Str quality = rest.substr(q + 2);
    return quality.find_first_of("123456789") != Str::npos;
  }
  return false;
}

bool gzip_is_client_fit(const Request *r) {
  const LocationConf &c = *r->conf;
  if (!accepts_gzip(request_header(r, "accept-encoding"))) return false;
  if (r->abi.http_minor < c.gzip_http_minor) return false;
  return c.gzip_proxied_any || !request_header(r, "via").data();
}

static bool is_type_fit(const Request *r) {
  static const std::vector<std::string> always{"text/html"};
  return filter_type_matches(r, always) || filter_type_matches(r, r->conf->gzip_types);
}

static void end_stream(void *stream) {
  deflateEnd(static_cast<z_stream *>(stream));
  free(stream);
}

static z_stream *begin_stream(Request *r) {
  auto *z = static_cast<z_stream *>(calloc(1, sizeof(z_stream)));
  if (!z) return nullptr;
  int level = static_cast<int>(r->conf->gzip_comp_level);
  if (deflateInit2(z, level, Z_DEFLATED, MAX_WBITS + 16, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) != Z_OK) {
    log_write(r->log(), kLogAlert, 0, &r->log_ctx, "deflateInit2() failed");
    free(z);
    return nullptr;
  }
  request_on_free(r, end_stream, z);
  return z;
}

bool gzip_pack(Str in, int level, std::string &out) {
  z_stream z{};
  if (in.size() > UINT32_MAX) return false;
  if (deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + 16, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) != Z_OK) return false;
  size_t before = out.size(), bound = deflateBound(&z, static_cast<uLong>(in.size()));
  out.resize(before + bound);
  z.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(in.data()));
  z.avail_in = static_cast<unsigned>(in.size());
  z.next_out = reinterpret_cast<Bytef *>(out.data() + before);
  z.avail_out = static_cast<unsigned>(bound);
  bool is_whole = deflate(&z, Z_FINISH) == Z_STREAM_END;
  out.resize(before + (is_whole ? bound - z.avail_out : 0));
  deflateEnd(&z);
  return is_whole;
}

void gzip_weaken_etag(Request *r) {
  for (RespHeader &h : r->resp.headers) {
    if (!str_iequal(h.name, "etag") || h.value.empty() || h.value[0] != '"') continue;
    char *to = static_cast<char *>(r->arena.alloc(h.value.size() + 2));
    str_put(str_put(to, "W/"), h.value);
    h.value = {to, h.value.size() + 2};
  }
}

void gzip_filter_header(Request *r) {
  int32_t status = r->abi.status;
  if (r->parent || (status != 200 && status != 403 && status != 404) || !is_type_fit(r)) return;
  if (response_header(r, "Content-Encoding").data()) return;
  int64_t length = r->resp.content_length;
  if (length >= 0 && static_cast<uint64_t>(length) < r->conf->gzip_min_length) return;
  if (r->conf->gzip_vary) response_add_header(r, "Vary", "Accept-Encoding");
  if (!gzip_is_client_fit(r)) return;
  if (!r->out.is_bodiless) {
    r->out.gzip = begin_stream(r);
    if (!r->out.gzip) return;
    r->out.filters |= kFilterGzip;
  }
  r->resp.content_length = -1;
  r->resp.allow_ranges = false;
  response_clear_header(r, "Accept-Ranges");
  gzip_weaken_etag(r);
  response_add_header(r, "Content-Encoding", "gzip");
}

/// Runs the stream over what is at z->next_in, into `to`.
static void deflate_into(Request *r, z_stream *z, Chain &to, int flush) {
  BlockPool &pool = r->core->net.blocks;
  constexpr unsigned kRoom = 8192;
  do {
    z->next_out = reinterpret_cast<Bytef *>(to.reserve(pool, kRoom));
    z->avail_out = kRoom;
    deflate(z, flush);
    to.advance(kRoom - z->avail_out);
  } while (z->avail_out == 0);
}

void gzip_filter_body(Request *r, Chain &body, bool last) {
  z_stream *z = static_cast<z_stream *>(r->out.gzip);
  if (body.is_empty() && !last) return;
  BlockPool &pool = r->core->net.blocks;
  Chain from;
  from.swap(body);
  for (Block *b = from.first(); b; b = b->next) {
    Str text = b->view();
    z->next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
    z->avail_in = static_cast<unsigned>(text.size());
    deflate_into(r, z, body, Z_NO_FLUSH);
  }
  z->avail_in = 0;
  deflate_into(r, z, body, last ? Z_FINISH : Z_SYNC_FLUSH);
  from.clear(pool);
}

}  // namespace mw
