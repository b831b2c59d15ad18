// SPDX-License-Identifier: MIT
// See not_modified.h.
#include "http/modules/not_modified.h"

#include "base/http_time.h"

namespace mw {

/// The conditions of a request; null data where it has not set one.
struct Conditions {
  Str match, none_match, modified_since, unmodified_since;
};

/// False when there are none, which is nearly always: one look at each name's first letter.
static bool read_conditions(const Request *r, Conditions &c) {
  bool any = false;
  for (const HttpHeader &h : r->head.headers) {
    if (h.name.size() < 8 || (h.name[0] | 0x20) != 'i' || h.name[2] != '-') continue;
    Str *to = str_iequal(h.name, "if-match")              ? &c.match
              : str_iequal(h.name, "if-none-match")       ? &c.none_match
              : str_iequal(h.name, "if-modified-since")   ? &c.modified_since
              : str_iequal(h.name, "if-unmodified-since") ? &c.unmodified_since
                                                          : nullptr;
    if (!to || to->data()) continue;
    *to = h.value.data() ? h.value : Str("");
    any = true;
  }
  return any;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Is the response's entity tag in the list? `weak`: W/ does not count on either side (RFC 9110 section 8.8.3.2).
static bool is_listed(Request *r, Str list, bool weak) {
  if (list == "*") return true;
  Str etag = response_header(r, "ETag");
  if (!etag.data()) return false;
  if (weak && etag.starts_with("W/")) etag.remove_prefix(2);
  while (!list.empty()) {
    if (weak && list.starts_with("W/")) list.remove_prefix(2);
    if (list.starts_with(etag)) {
      Str rest = list.substr(etag.size());
      while (!rest.empty() && is_blank(rest[0])) rest.remove_prefix(1);
      if (rest.empty() || rest[0] == ',') return true;
    }
    size_t comma = list.find(',');
    list.remove_prefix(comma == Str::npos ? list.size() : comma + 1);
    while (!list.empty() && (is_blank(list[0]) || list[0] == ',')) list.remove_prefix(1);
  }
  return false;
}

static bool is_modified_since(const Request *r, Str since) {
  int64_t mtime = r->resp.last_modified, when;
  if (mtime < 0 || r->conf->if_modified_since == 0 || !http_time_parse(since, when)) return true;
  return r->conf->if_modified_since == 1 ? when != mtime : when < mtime;
}

static bool is_unmodified_since(const Request *r, Str since) {
  int64_t when;
  return r->resp.last_modified >= 0 && http_time_parse(since, when) && when >= r->resp.last_modified;
}

int32_t not_modified_filter(Request *r) {
  if (r->abi.status != 200 || r->parent || r->resp.bypasses_conditions) return 0;
  Conditions c;
  if (!read_conditions(r, c)) return 0;
  if (c.unmodified_since.data() && !is_unmodified_since(r, c.unmodified_since)) return 412;
  if (c.match.data() && !is_listed(r, c.match, false)) return 412;
  if (!c.modified_since.data() && !c.none_match.data()) return 0;
  if (c.modified_since.data() && is_modified_since(r, c.modified_since)) return 0;
  if (c.none_match.data() && !is_listed(r, c.none_match, true)) return 0;
  r->abi.status = 304;
  r->resp.status_line = {};
  r->resp.content_type = {};
  r->resp.has_content_type = true;
  r->resp.content_length = -1;
  r->resp.allow_ranges = false;
  response_clear_header(r, "Content-Encoding");
  return 0;
}

}  // namespace mw
