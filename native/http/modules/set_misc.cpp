// SPDX-License-Identifier: MIT
// See set_misc.h. lib/conf/directives/set-misc.ts names the functions in the order of kFunctions and of Call.
#include "http/modules/set_misc.h"

#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include <algorithm>

#include "base/base32.h"
#include "base/base64.h"
#include "base/digest.h"
#include "base/urlencode.h"

namespace mw {

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

/// PostgreSQL has no letter for 26; a NUL byte, which no text of its may hold, is left to it to refuse.
static char pgsql_letter(char c) { return c == 26 ? 0 : c == '$' ? c : sql_letter(c); }

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
    char letter = c == '$' ? c : sql_letter(c);
    if (letter) *at++ = '\\';
    *at++ = letter ? letter : c;
  }
  *at++ = '\'';
  return static_cast<size_t>(at - dst);
}

/// True for UTF-8 by its first bytes and their counts (RFC 3629, section 4, without the ranges of second bytes).
static bool is_utf8(Str s) {
  for (size_t i = 0; i < s.size();) {
    auto first = static_cast<unsigned char>(s[i++]);
    int more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;
    if (more < 0 || s.size() - i < static_cast<size_t>(more)) return false;
    for (; more; --more)
      if ((static_cast<unsigned char>(s[i++]) & 0xc0) != 0x80) return false;
  }
  return true;
}

/// PostgreSQL's E'...'. Bytes that are no UTF-8 become octal escapes of its bytea.
static size_t quote_pgsql(Str s, char *dst) {
  if (s.empty()) return static_cast<size_t>(str_put(dst, "''") - dst);
  char *at = str_put(dst, "E'");
  bool is_text = is_utf8(s);
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    if (u >= 0x80 && !is_text) {
      at = str_put(at, "\\\\");
      for (int shift = 6; shift >= 0; shift -= 3) *at++ = static_cast<char>('0' + (u >> shift & 7));
      continue;
    }
    char letter = pgsql_letter(c);
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

static size_t encode_base64(Str s, char *dst) { return base64_encode(s, dst, Base64::STANDARD, true); }
static size_t encode_base64url(Str s, char *dst) { return base64_encode(s, dst, Base64::URL, false); }
static ssize_t decode_base64(Str s, char *dst) { return base64_decode(s, dst, Base64::STANDARD); }
static ssize_t decode_base64url(Str s, char *dst) { return base64_decode(s, dst, Base64::URL); }

static int hex_digit(char c) {
  unsigned char low = str_lower(static_cast<unsigned char>(c));
  if (low >= '0' && low <= '9') return low - '0';
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static ssize_t decode_hex(Str s, char *dst) {
  if (s.size() % 2) return -1;
  for (size_t i = 0; i < s.size(); i += 2) {
    int high = hex_digit(s[i]), low = hex_digit(s[i + 1]);
    if (high < 0 || low < 0) return -1;
    dst[i / 2] = static_cast<char>(high << 4 | low);
  }
  return static_cast<ssize_t>(s.size() / 2);
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
  size_t (*run)(Str text, char *dst);      ///< null: the next, or set_misc_run() knows its call
  ssize_t (*decode)(Str text, char *dst);  ///< -1 for a text that it does not take
  size_t growth;
};
static constexpr TextFunction kFunctions[] = {{"set_encode_base32", nullptr, nullptr, 2},
                                              {"set_decode_base32", nullptr, nullptr, 1},
                                              {"set_secure_random_alphanum", nullptr, nullptr, 0},
                                              {"set_secure_random_lcalpha", nullptr, nullptr, 0},
                                              {"set_quote_sql_str", quote_sql, nullptr, 2},
                                              {"set_quote_pgsql_str", quote_pgsql, nullptr, 5},
                                              {"set_quote_json_str", quote_json, nullptr, 6},
                                              {"set_unescape_uri", unescape_uri, nullptr, 1},
                                              {"set_escape_uri", escape_uri, nullptr, 3},
                                              {"set_encode_base64", encode_base64, nullptr, 2},
                                              {"set_decode_base64", nullptr, decode_base64, 1},
                                              {"set_encode_base64url", encode_base64url, nullptr, 2},
                                              {"set_decode_base64url", nullptr, decode_base64url, 1},
                                              {"set_encode_hex", put_hex, nullptr, 2},
                                              {"set_decode_hex", nullptr, decode_hex, 1},
                                              {"set_md5", md5, nullptr, 1},
                                              {"set_sha1", sha1, nullptr, 1},
                                              {"set_local_today", local_today, nullptr, 1}};
constexpr int32_t kTextFunctions = sizeof kFunctions / sizeof *kFunctions;
/// The first of them, and the functions behind them.
enum Call : int32_t {
  kEncodeBase32,
  kDecodeBase32,
  kRandomAlphanum,
  kRandomLcalpha,
  kIfEmpty = kTextFunctions,
  kRandom,
  kHmacSha1,
  kHmacSha256,
  kGmtTime,
  kLocalTime,
  kHashedUpstream,
  kRotate
};

int32_t set_misc_find(Str directive) {
  for (int32_t i = 0; i < kTextFunctions; ++i)
    if (kFunctions[i].name == directive) return i;
  return -1;
}

size_t set_misc_bound(int32_t call, size_t size) { return 64 + size * kFunctions[call].growth; }

static void complain(Request *r, const char *format, Str text) {
  if (r) log_write(r->log(), kLogError, 0, &r->log_ctx, format, static_cast<int>(text.size()), text.data());
}

static bool read_number(Str text, int64_t &n) {
  uint64_t u;
  if (!str_to_u64(text, u) || u > INT64_MAX) return false;
  return n = static_cast<int64_t>(u), true;
}

/// `length` letters, each as likely as any other; -1 for a length that is not between 1 and 64.
static ssize_t random_letters(Request *r, Str length, char *dst, Str letters) {
  int64_t n;
  if (!read_number(length, n) || n < 1 || n > 64)
    return complain(r, "set_random: bad \"length\" argument: %.*s", length), -1;
  size_t limit = 256 - 256 % letters.size();  // bytes from here on would favour the first letters
  for (int64_t i = 0; i < n;) {
    unsigned char b[64];
    if (RAND_bytes(b, sizeof b) != 1) return complain(r, "set_secure_random: no random bytes for %.*s", length), -1;
    for (size_t k = 0; k < sizeof b && i < n; ++k)
      if (b[k] < limit) dst[i++] = letters[b[k] % letters.size()];
  }
  return static_cast<ssize_t>(n);
}

ssize_t set_misc_run(Request *r, int32_t call, Str text, char *dst) {
  constexpr Str kLetters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  Str alphabet = r ? Str(r->conf->set_base32_alphabet) : kBase32Hex;
  switch (call) {
    case kEncodeBase32:
      return static_cast<ssize_t>(base32_encode(text, dst, alphabet, !r || r->conf->set_base32_padding));
    case kDecodeBase32: return std::max<ssize_t>(base32_decode(text, dst, alphabet), 0);
    case kRandomAlphanum: return random_letters(r, text, dst, kLetters);
    case kRandomLcalpha: return random_letters(r, text, dst, kLetters.substr(0, 26));
    default: break;
  }
  const TextFunction &f = kFunctions[call];
  if (f.run) return static_cast<ssize_t>(f.run(text, dst));
  ssize_t n = f.decode(text, dst);
  if (n < 0 && r)
    log_write(r->log(), kLogError, 0, &r->log_ctx, "%.*s: invalid value", static_cast<int>(f.name.size()),
              f.name.data());
  return n;
}

/// Both numbers count, whichever is larger.
static bool random_between(Request *r, Str from, Str to, Str &out) {
  int64_t low = 0, high = 0;
  uint64_t n = 0;
  if (!read_number(from, low)) return complain(r, "set_random: bad \"from\" argument: %.*s", from), false;
  if (!read_number(to, high)) return complain(r, "set_random: bad \"to\" argument: %.*s", to), false;
  if (low > high) std::swap(low, high);
  if (RAND_bytes(reinterpret_cast<unsigned char *>(&n), sizeof n) != 1) return false;
  n = static_cast<uint64_t>(low) + n % (static_cast<uint64_t>(high - low) + 1);
  return out = r->arena.format("%llu", static_cast<unsigned long long>(n)), true;
}

/// The next number of a circle. Where the variable has none, it goes on from the location's last.
static bool rotate(Request *r, Str current, Str from, Str to, Str &out) {
  int64_t low = 0, high = 0, n = -1;
  if (!read_number(from, low)) return complain(r, "set_rotate: bad \"from\" argument value: \"%.*s\"", from), false;
  if (!read_number(to, high)) return complain(r, "set_rotate: bad \"to\" argument value: \"%.*s\"", to), false;
  if (low > high) std::swap(low, high);
  std::atomic<int64_t> &last = r->conf->set_rotate.last;
  auto next = [&](int64_t at) { return at < low - 1 || at >= high ? low : at + 1; };
  bool has_own = !current.empty() && read_number(current, n);
  if (!has_own && !current.empty()) complain(r, "set_rotate: bad current value: \"%.*s\"", current);
  if (has_own) {
    last = n = next(n);
  } else {
    int64_t before = last;
    while (!last.compare_exchange_weak(before, next(before))) continue;
    n = next(before);
  }
  return out = r->arena.format("%lld", static_cast<long long>(n)), true;
}

template <size_t Size>
static Str hmac(Request *r, void (&digest)(Str, Str, unsigned char (&)[Size]), std::span<const Str> inputs) {
  unsigned char sum[Size];
  digest(inputs[0], inputs[1], sum);
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

/// The upstream that a key points to, by nginx's hash of names; none for an empty key. False: no such list.
static bool hashed_upstream(Request *r, Str name, Str key, Str &out) {
  for (const UpstreamList &list : r->plan->upstream_lists) {
    if (list.name != name) continue;
    uint32_t hash = 0;
    for (char c : key) hash = hash * 31 + str_lower(static_cast<unsigned char>(c));
    return out = list.upstreams[hash % list.upstreams.size()], true;
  }
  log_write(r->log(), kLogError, 0, &r->log_ctx, "set_hashed_upstream: upstream list \"%.*s\" not defined yet",
            static_cast<int>(name.size()), name.data());
  return false;
}

bool set_misc_value(Request *r, int32_t call, std::span<const Str> inputs, Str &out) {
  switch (call) {
    case kIfEmpty: return out = inputs[0].empty() ? inputs[1] : inputs[0], true;
    case kRandom: return random_between(r, inputs[0], inputs[1], out);
    case kHmacSha1: return out = hmac(r, digest_hmac_sha1, inputs), true;
    case kHmacSha256: return out = hmac(r, digest_hmac_sha256, inputs), true;
    case kGmtTime: return out = format_time(r, inputs[0], false), true;
    case kLocalTime: return out = format_time(r, inputs[0], true), true;
    case kHashedUpstream: return hashed_upstream(r, inputs[0], inputs[1], out);
    case kRotate: return rotate(r, inputs[0], inputs[1], inputs[2], out);
    default: break;
  }
  char *dst = static_cast<char *>(r->arena.alloc(set_misc_bound(call, inputs[0].size())));
  ssize_t n = set_misc_run(r, call, inputs[0], dst);
  return out = {dst, static_cast<size_t>(std::max<ssize_t>(n, 0))}, n >= 0;
}

}  // namespace mw
