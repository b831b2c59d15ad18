// SPDX-License-Identifier: MIT
// Functions of nginx and lua-nginx-module that Lua libraries declare by ffi.cdef and look for in ffi.C, under their names and
// with their results. Stateless, any thread; the caller owns every buffer, and has made it as large as nginx asks for.
#include <string.h>

#include "abi/abi.h"
#include "base/digest.h"
#include "base/urlencode.h"
#include "http/modules/split_clients.h"

using mw::Str;

namespace {

constexpr intptr_t kError = -1;  // NGX_ERROR
constexpr uintptr_t kUnescapeUri = 1, kUnescapeRedirect = 2;

Str text_of(const unsigned char *data, size_t size) { return Str(reinterpret_cast<const char *>(data), size); }

constexpr int digit_of(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The number that all of `line` writes, or an error: nothing, a foreign character, too large.
template <int base>
intptr_t number_of(const unsigned char *line, size_t n) {
  if (n == 0) return kError;
  intptr_t value = 0;
  for (const unsigned char *end = line + n; line != end; ++line) {
    const int digit = digit_of(*line);
    if (digit < 0 || digit >= base) return kError;
    if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value)) return kError;
  }
  return value;
}

/// The set of bytes that a type of ngx_escape_uri stands for; a type that nginx has not got stands for the first.
mw::EscapeType escape_type(uintptr_t type) {
  constexpr mw::EscapeType kTypes[] = {
      mw::ESCAPE_NGINX_URI,     mw::ESCAPE_NGINX_ARGS, mw::ESCAPE_NGINX_URI_COMPONENT, mw::ESCAPE_NGINX_HTML,
      mw::ESCAPE_NGINX_REFRESH, mw::ESCAPE_MEMCACHED,  mw::ESCAPE_MAIL_AUTH,
  };
  return kTypes[type < sizeof(kTypes) / sizeof(*kTypes) ? type : 0];
}

}  // namespace

extern "C" {

/// Writes 2 * `len` lower case digits. Returns the end of what was written.
MW_EXPORT
unsigned char *ngx_hex_dump(unsigned char *dst, const unsigned char *src, size_t len) {
  return reinterpret_cast<unsigned char *>(mw::hex_put(reinterpret_cast<char *>(dst), src, len));
}

/// A hexadecimal number without sign, or -1.
MW_EXPORT
intptr_t ngx_hextoi(const unsigned char *line, size_t n) { return number_of<16>(line, n); }

/// A decimal number without sign, or -1.
MW_EXPORT
intptr_t ngx_atoi(const unsigned char *line, size_t n) { return number_of<10>(line, n); }

MW_EXPORT
uint32_t ngx_murmur_hash2(const unsigned char *data, size_t len) { return mw::murmur2(text_of(data, len)); }

/// Without `dst`, how many bytes want escaping (each takes two bytes more); with it, the address behind what was written.
MW_EXPORT
uintptr_t ngx_escape_uri(unsigned char *dst, const unsigned char *src, size_t size, uintptr_t type) {
  const Str text = text_of(src, size);
  const mw::EscapeType kind = escape_type(type);
  if (!dst) return (mw::url_escaped_size(text, kind) - size) / 2;
  return reinterpret_cast<uintptr_t>(mw::url_escape(text, kind, reinterpret_cast<char *>(dst)));
}

/// Unescapes; both pointers are left behind what was written and read. `type` 1 (a URI) and 2 (a redirect) end behind a
/// question mark; 2 leaves what a redirect must keep escaped. As in nginx, a bad escape is dropped, but for the character
/// behind a % that is no digit.
MW_EXPORT
void ngx_unescape_uri(unsigned char **dst, unsigned char **src, size_t size, uintptr_t type) {
  const bool is_redirect = type & kUnescapeRedirect;
  const bool ends_at_query = type & (kUnescapeUri | kUnescapeRedirect);
  unsigned char *d = *dst, *s = *src, *const end = s + size;
  while (s < end) {
    unsigned char c = *s++;
    if (c == '%') {
      if (s == end) break;
      const int high = digit_of(*s++);
      if (high < 0) {
        *d++ = s[-1];
        continue;
      }
      if (s == end) break;
      const int low = digit_of(*s++);
      if (low < 0) continue;
      c = static_cast<unsigned char>(high << 4 | low);
      if (is_redirect && (c <= '%' || c >= 0x7f)) {
        memmove(d, s - 3, 3);
        d += 3;
        continue;
      }
    }
    *d++ = c;
    if (c == '?' && ends_at_query) break;
  }
  *dst = d;
  *src = s;
}

/// Matches with a regex of resty.core.regex's re_match_compile from byte `pos`: one more than the highest group set, or below 0.
MW_EXPORT
int ngx_http_lua_ffi_exec_regex(mw_regex_t *re, int, const unsigned char *s, size_t len, int pos) {
  return mw_regex_exec(re, reinterpret_cast<const char *>(s), len, pos);
}

}  // extern "C"
