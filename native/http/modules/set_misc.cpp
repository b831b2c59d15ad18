// SPDX-License-Identifier: MIT
// See set_misc.h. lib/conf/directives/set-misc.ts names the functions in the order of kFunctions and of Call.
#include "http/modules/set_misc.h"

#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/urlencode.h"

namespace mw {

static const char kBase32[] = "0123456789abcdefghijklmnopqrstuv";

static const unsigned char *bytes(Str s) { return reinterpret_cast<const unsigned char *>(s.data()); }

static size_t put_hex(Str s, char *dst) { return static_cast<size_t>(hex_put(dst, bytes(s), s.size()) - dst); }

char sql_letter(char c) {
  switch (c) {
    case '\0': return '0';
    case '\b': return 'b';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case 26: return 'Z';
    case '\\':
    case '\'':
    case '"': return c;
    default: return 0;
  }
}

static char json_letter(char c) {
  switch (c) {
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\\':
    case '"': return c;
    default: return 0;
  }
}

static size_t quote_sql(Str s, char *dst) {
  char *at = dst;
  *at++ = '\'';
  for (char c : s) {
    char letter = sql_letter(c);
    if (letter) *at++ = '\\';
    *at++ = letter ? letter : c;
  }
  *at++ = '\'';
  return static_cast<size_t>(at - dst);
}

static size_t quote_json(Str s, char *dst) {
  if (s.empty()) return static_cast<size_t>(str_put(dst, "null") - dst);
  char *at = dst;
  *at++ = '"';
  for (char c : s) {
    if (char letter = json_letter(c)) {
      *at++ = '\\';
      *at++ = letter;
    } else if (static_cast<unsigned char>(c) < 32) {
      at = str_put(at, "\\u00");
      at += put_hex({&c, 1}, at);
    } else {
      *at++ = c;
    }
  }
  *at++ = '"';
  return static_cast<size_t>(at - dst);
}

static size_t unescape_uri(Str s, char *dst) { return url_unescape(s, dst); }
static size_t escape_uri(Str s, char *dst) {
  return static_cast<size_t>(url_escape(s, ESCAPE_URI_COMPONENT, dst) - dst);
}

static size_t encode_base32(Str s, char *dst) {
  char *at = dst;
  uint32_t bits = 0, n = 0;
  for (char c : s) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (n += 8; n >= 5; n -= 5) *at++ = kBase32[bits >> (n - 5) & 31];
  }
  if (n) *at++ = kBase32[bits << (5 - n) & 31];
  while ((at - dst) % 8) *at++ = '=';
  return static_cast<size_t>(at - dst);
}

static size_t decode_base32(Str s, char *dst) {
  while (s.ends_with('=')) s.remove_suffix(1);
  char *at = dst;
  uint32_t bits = 0, n = 0;
  for (char c : s) {
    const char *digit = c ? strchr(kBase32, str_lower(static_cast<unsigned char>(c))) : nullptr;
    if (!digit) return 0;
    bits = bits << 5 | static_cast<uint32_t>(digit - kBase32);
    n += 5;
    if (n < 8) continue;
    n -= 8;
    *at++ = static_cast<char>(bits >> n & 255);
  }
  return static_cast<size_t>(at - dst);
}

static size_t encode_base64(Str s, char *dst) { return base64_encode(s, dst, Base64::STANDARD, true); }
static size_t encode_base64url(Str s, char *dst) { return base64_encode(s, dst, Base64::URL, false); }
static size_t decode(Str s, char *dst, Base64 alphabet) {
  ssize_t n = base64_decode(s, dst, alphabet);
  return n < 0 ? 0 : static_cast<size_t>(n);
}
static size_t decode_base64(Str s, char *dst) { return decode(s, dst, Base64::STANDARD); }
static size_t decode_base64url(Str s, char *dst) { return decode(s, dst, Base64::URL); }

static int hex_digit(char c) {
  unsigned char low = str_lower(static_cast<unsigned char>(c));
  if (low >= '0' && low <= '9') return low - '0';
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static size_t decode_hex(Str s, char *dst) {
  if (s.size() % 2) return 0;
  for (size_t i = 0; i < s.size(); i += 2) {
    int high = hex_digit(s[i]), low = hex_digit(s[i + 1]);
    if (high < 0 || low < 0) return 0;
    dst[i / 2] = static_cast<char>(high << 4 | low);
  }
  return s.size() / 2;
}

static size_t md5(Str s, char *dst) {
  unsigned char sum[kMd5Size];
  digest_md5(s, sum);
  return static_cast<size_t>(hex_put(dst, sum, sizeof sum) - dst);
}

static size_t sha1(Str s, char *dst) {
  unsigned char sum[kSha1Size];
  digest_sha1(s, sum);
  return static_cast<size_t>(hex_put(dst, sum, sizeof sum) - dst);
}

static size_t local_today(Str, char *dst) {
  time_t now = time(nullptr);
  struct tm tm;
  localtime_r(&now, &tm);
  return strftime(dst, 16, "%Y-%m-%d", &tm);
}

/// A function of one text. It writes at most 64 bytes and `growth` for each of the text's.
struct TextFunction {
  Str name;
  size_t (*run)(Str text, char *dst);
  size_t growth;
};
static constexpr TextFunction kFunctions[] = {{"set_quote_sql_str", quote_sql, 2},
                                              {"set_quote_json_str", quote_json, 6},
                                              {"set_unescape_uri", unescape_uri, 1},
                                              {"set_escape_uri", escape_uri, 3},
                                              {"set_encode_base32", encode_base32, 2},
                                              {"set_decode_base32", decode_base32, 1},
                                              {"set_encode_base64", encode_base64, 2},
                                              {"set_decode_base64", decode_base64, 1},
                                              {"set_encode_base64url", encode_base64url, 2},
                                              {"set_decode_base64url", decode_base64url, 1},
                                              {"set_encode_hex", put_hex, 2},
                                              {"set_decode_hex", decode_hex, 1},
                                              {"set_md5", md5, 1},
                                              {"set_sha1", sha1, 1},
                                              {"set_local_today", local_today, 1}};
constexpr int32_t kTextFunctions = sizeof kFunctions / sizeof *kFunctions;
/// The functions behind them.
enum Call : int32_t { kIfEmpty = kTextFunctions, kRandom, kHmacSha1, kGmtTime, kLocalTime, kHashedUpstream };

int32_t set_misc_find(Str directive) {
  for (int32_t i = 0; i < kTextFunctions; ++i)
    if (kFunctions[i].name == directive) return i;
  return -1;
}

size_t set_misc_bound(int32_t call, size_t size) { return 64 + size * kFunctions[call].growth; }

size_t set_misc_run(int32_t call, Str text, char *dst) { return kFunctions[call].run(text, dst); }

/// Both numbers count, whichever is larger; what is no number is 0.
static Str random_between(Request *r, Str from, Str to) {
  uint64_t low = 0, high = 0, n = 0;
  if (!str_to_u64(from, low)) low = 0;
  if (!str_to_u64(to, high)) high = 0;
  if (low > high) std::swap(low, high);
  RAND_bytes(reinterpret_cast<unsigned char *>(&n), sizeof n);
  if (high - low < UINT64_MAX) n = low + n % (high - low + 1);
  return r->arena.format("%llu", static_cast<unsigned long long>(n));
}

static Str hmac_sha1(Request *r, Str key, Str text) {
  unsigned char sum[kSha1Size];
  digest_hmac_sha1(key, text, sum);
  return r->arena.dup({reinterpret_cast<char *>(sum), sizeof sum});
}

static Str format_time(Request *r, Str format, bool is_local) {
  time_t now = time(nullptr);
  struct tm tm;
  if (is_local)
    localtime_r(&now, &tm);
  else
    gmtime_r(&now, &tm);
  char text[256];
  std::string terminated(format);
  return r->arena.dup({text, strftime(text, sizeof text, terminated.c_str(), &tm)});
}

/// The upstream that a key points to, by nginx's hash of names; none for an empty key.
static Str hashed_upstream(Str key, std::span<const Str> upstreams) {
  if (key.empty()) return {};
  size_t hash = 0;
  for (char c : key) hash = hash * 31 + str_lower(static_cast<unsigned char>(c));
  return upstreams[hash % upstreams.size()];
}

Str set_misc_value(Request *r, int32_t call, std::span<const Str> inputs) {
  switch (call) {
    case kIfEmpty: return inputs[0].empty() ? inputs[1] : inputs[0];
    case kRandom: return random_between(r, inputs[0], inputs[1]);
    case kHmacSha1: return hmac_sha1(r, inputs[0], inputs[1]);
    case kGmtTime: return format_time(r, inputs[0], false);
    case kLocalTime: return format_time(r, inputs[0], true);
    case kHashedUpstream: return hashed_upstream(inputs[0], inputs.subspan(1));
    default: break;
  }
  char *dst = static_cast<char *>(r->arena.alloc(set_misc_bound(call, inputs[0].size())));
  return {dst, set_misc_run(call, inputs[0], dst)};
}

}  // namespace mw
