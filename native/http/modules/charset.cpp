// SPDX-License-Identifier: MIT
// See charset.h.
#include "http/modules/charset.h"

#include <algorithm>
#include <utility>

#include "http/modules/gzip.h"
#include "http/variable.h"

namespace mw {

/// What the filter keeps of one response. In the request's arena, found by request_kept().
struct Recoder {
  Str to;  ///< X-Accel-Charset
  const CharsetMap *map = nullptr;
  bool is_back = false;  ///< from map->to to map->from
  // A UTF-8 character of which bytes are still to come:
  uint32_t code = 0, least = 0, more = 0;
};

static void keep(void *) {}  // names the state; all of it lies in the arena

static Recoder *recoder_of(Request *r) {
  Recoder *state = static_cast<Recoder *>(request_kept(r, keep));
  if (state) return state;
  state = r->arena.make<Recoder>();
  request_on_free(r, keep, state);
  return state;
}

void charset_override(Request *r, Str charset) {
  recoder_of(r)->to = charset;
  r->out.filters |= kFilterCharset;
}

// --- header ----------------------------------------------------------------------------------------------------------

/// What Content-Type says itself; null data when it says nothing.
static Str named_charset(Str type) {
  constexpr Str kName = "charset=";
  for (size_t at = type.find(';'); at != Str::npos; at = type.find(';')) {
    type.remove_prefix(at + 1);
    while (!type.empty() && type.front() == ' ') type.remove_prefix(1);
    if (!str_istarts(type, kName)) continue;
    Str value = type.substr(kName.size());
    value = value.substr(0, value.find_first_of("; "));
    if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return value;
  }
  return {};
}

static void set_charset(Request *r, Str charset) {
  constexpr Str kBefore = "; charset=";
  charset = header_value_safe(r->arena, charset);  // it may be a variable
  Str &type = r->resp.content_type;
  type = type.substr(0, type.find(';'));
  if (r->abi.status == 301 || r->abi.status == 302) return;  // as in nginx: it would say something of another page
  char *to = static_cast<char *>(r->arena.alloc(type.size() + kBefore.size() + charset.size()));
  char *end = str_put(str_put(str_put(to, type), kBefore), charset);
  type = {to, static_cast<size_t>(end - to)};
}

static bool is_type_fit(const Request *r) {
  static const std::vector<std::string> always{"text/html"};
  return filter_type_matches(r, always) || filter_type_matches(r, r->conf->charset_types);
}

static bool is_known(const Request *r, Str charset) {
  const std::vector<std::string> &names = r->plan->charsets;
  return std::any_of(names.begin(), names.end(), [charset](Str name) { return str_iequal(name, charset); });
}

/// The charset that the client gets; empty when nothing is said of it.
static Str target(Request *r, Str own) {
  if (Recoder *state = static_cast<Recoder *>(request_kept(r, keep)); state && !state->to.empty()) {
    Str to = std::exchange(state->to, Str{});  // of this response alone
    if (is_known(r, to)) return to;
    log_write(r->log(), kLogError, 0, &r->log_ctx, "unknown charset \"%.*s\" to override", static_cast<int>(to.size()),
              to.data());
    return {};
  }
  const LocationConf &conf = *r->conf;
  bool is_meant = own.data() ? conf.override_charset : is_type_fit(r);
  return is_meant ? complex_value(r, conf.charset) : Str{};
}

static bool find_map(Request *r, Str from, Str to, Recoder &out) {
  for (const CharsetMap &map : r->plan->charset_maps) {
    out.is_back = str_iequal(map.from, to) && str_iequal(map.to, from);
    if (!out.is_back && !(str_iequal(map.from, from) && str_iequal(map.to, to))) continue;
    return out.map = &map, true;
  }
  log_write(r->log(), kLogError, 0, &r->log_ctx, "no \"charset_map\" between the charsets \"%.*s\" and \"%.*s\"",
            static_cast<int>(from.size()), from.data(), static_cast<int>(to.size()), to.data());
  return false;
}

void charset_filter(Request *r) {
  r->out.filters &= ~static_cast<uint32_t>(kFilterCharset);
  if (r->parent || r->resp.content_type.empty()) return;
  Str own = named_charset(r->resp.content_type), to = target(r, own);
  if (to.empty()) return;
  Str from = own.data() ? own : complex_value(r, r->conf->source_charset);
  if (from.empty() || str_iequal(from, to)) return set_charset(r, to);
  if (response_header(r, "Content-Encoding").data()) return;
  Recoder &state = *recoder_of(r) = Recoder();
  if (!find_map(r, from, to, state)) return;
  set_charset(r, to);
  if (state.map->is_utf8) r->resp.content_length = -1;
  if (!r->out.is_bodiless) r->out.filters |= kFilterCharset;
}

// --- body ------------------------------------------------------------------------------------------------------------

/// Collects small pieces for a chain.
class Pieces {
 public:
  Pieces(BlockPool &pool, Chain &to) : pool_(pool), to_(to) {}
  ~Pieces() { flush(); }
  Pieces(const Pieces &) = delete;
  Pieces &operator=(const Pieces &) = delete;
  void put(char c) {
    if (size_ == sizeof buf_) flush();
    buf_[size_++] = c;
  }
  void put_utf8(uint32_t code) {
    if (code < 0x80) return put(static_cast<char>(code));
    if (code < 0x800) {
      put(static_cast<char>(0xc0 | code >> 6));
    } else {
      put(static_cast<char>(0xe0 | code >> 12));
      put(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    }
    put(static_cast<char>(0x80 | (code & 0x3f)));
  }
  /// What the other charset has no byte for, as HTML can say it.
  void put_entity(uint32_t code) {
    char digits[16];
    int n = 0;
    do digits[n++] = static_cast<char>('0' + code % 10);
    while (code /= 10);
    put('&');
    put('#');
    while (n) put(digits[--n]);
    put(';');
  }

 private:
  void flush() {
    to_.append(pool_, {buf_, size_});
    size_ = 0;
  }
  BlockPool &pool_;
  Chain &to_;
  char buf_[4096];
  size_t size_ = 0;
};

static void to_bytes(const Recoder &state, Chain &body) {
  const CharsetMap &map = *state.map;
  for (Block *b = body.first(); b; b = b->next)
    for (uint64_t i = b->start; i < b->end; ++i) {
      uint8_t c = static_cast<uint8_t>(b->data[i]);
      b->data[i] = state.is_back ? map.back[c] : static_cast<char>(map.forward[c]);
    }
}

static void put_character(const Recoder &state, uint32_t code, Pieces &out) {
  char byte = code < 0x10000 ? state.map->back[code] : '\0';
  if (byte)
    out.put(byte);
  else
    out.put_entity(code);
}

/// A byte that begins a character.
static void begin_character(Recoder &state, uint8_t c, Pieces &out) {
  if (c < 0x80) return out.put(static_cast<char>(c));
  state.more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
  state.least = state.more == 3 ? 0x10000 : state.more == 2 ? 0x800 : 0x80;
  state.code = c & (0x3fU >> state.more);
  if (c >= 0xc2 && c <= 0xf4) return;
  state.more = 0;
  out.put('?');
}

static void take_byte(Recoder &state, uint8_t c, Pieces &out) {
  if (state.more && (c & 0xc0) != 0x80) {  // it is cut; `c` belongs to the next one
    out.put('?');
    state.more = 0;
  }
  if (!state.more) return begin_character(state, c, out);
  state.code = state.code << 6 | (c & 0x3f);
  if (--state.more) return;
  bool is_surrogate = state.code >= 0xd800 && state.code < 0xe000;
  if (state.code < state.least || state.code > 0x10ffff || is_surrogate) return out.put('?');
  put_character(state, state.code, out);
}

void charset_filter_body(Request *r, Chain &body, bool last) {
  Recoder &state = *recoder_of(r);
  if (!state.map) return;
  if (!state.map->is_utf8) return to_bytes(state, body);
  BlockPool &pool = r->core->net.blocks;
  Chain from;
  from.swap(body);
  Pieces out(pool, body);
  for (Block *b = from.first(); b; b = b->next)
    for (char ch : b->view()) {
      uint8_t c = static_cast<uint8_t>(ch);
      if (state.is_back)
        take_byte(state, c, out);
      else
        out.put_utf8(state.map->forward[c]);
    }
  if (last && state.more) out.put('?');
  from.clear(pool);
}

}  // namespace mw
