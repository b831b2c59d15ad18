// SPDX-License-Identifier: MIT
// The escape family of mw_abi.h: percent encoding, SQL quoting, base64, query strings. Stateless; any thread.
// The bytes come from Lua strings and go into buffers that the Lua half owns.
#include "abi/abi.h"
#include "base/base64.h"
#include "base/urlencode.h"
#include "http/modules/set_misc.h"

using mw::Str;

namespace {

// LuaJIT refuses strings of 2 GB; every size that goes back to Lua fits an int32_t.
constexpr size_t kMaxLuaString = 0x7fffff00;

}  // namespace

extern "C" {

MW_EXPORT
int32_t mw_escape_uri(const char *src, size_t len, int type, char *dst, size_t dst_size) {
  if (type < 0 || type >= mw::ESCAPE_TYPES) return MW_BAD_ARG;
  const auto kind = static_cast<mw::EscapeType>(type);
  const size_t need = mw::url_escaped_size(Str(src, len), kind);
  if (need == len) return MW_DONE;
  if (need > kMaxLuaString) return MW_NO_MEMORY;
  if (need <= dst_size) mw::url_escape(Str(src, len), kind, dst);
  return static_cast<int32_t>(need);
}

MW_EXPORT
int32_t mw_escape_unescape_uri(const char *src, size_t len, char *dst) {
  if (!mw::url_is_escaped(Str(src, len))) return MW_DONE;
  return static_cast<int32_t>(mw::url_unescape(Str(src, len), dst));
}

MW_EXPORT
int32_t mw_escape_sql(const char *src, size_t len, char *dst, size_t dst_size) {
  size_t need = len + 2;
  for (size_t i = 0; i < len; ++i) need += mw::sql_letter(src[i]) != 0;
  if (need > kMaxLuaString) return MW_NO_MEMORY;
  if (need > dst_size) return static_cast<int32_t>(need);
  *dst++ = '\'';
  for (size_t i = 0; i < len; ++i) {
    const char letter = mw::sql_letter(src[i]);
    if (letter) *dst++ = '\\';
    *dst++ = letter ? letter : src[i];
  }
  *dst = '\'';
  return static_cast<int32_t>(need);
}

MW_EXPORT
int32_t mw_escape_base64(const char *src, size_t len, int url, int pad, char *dst) {
  if (mw::base64_encoded_size(len) > kMaxLuaString) return MW_NO_MEMORY;
  const auto alphabet = url ? mw::Base64::URL : mw::Base64::STANDARD;
  return static_cast<int32_t>(mw::base64_encode(Str(src, len), dst, alphabet, pad != 0));
}

MW_EXPORT
int32_t mw_escape_unbase64(const char *src, size_t len, int url, char *dst) {
  const auto alphabet = url ? mw::Base64::URL : mw::Base64::STANDARD;
  return static_cast<int32_t>(mw::base64_decode(Str(src, len), dst, alphabet));
}

MW_EXPORT
int32_t mw_escape_unbase64_mime(const char *src, size_t len, char *dst) {
  return static_cast<int32_t>(mw::base64_decode_mime(Str(src, len), dst));
}

MW_EXPORT
int32_t mw_escape_parse_args(const char *src, size_t len, char *text, mw_arg *args, int32_t count, size_t *rest) {
  mw::QueryParser parser(Str(src, len), text);
  mw::QueryArg arg;
  int32_t n = 0;
  while (n < count && parser.next(arg)) args[n++] = mw_arg{arg.key, arg.value, arg.key_size, arg.value_size};
  *rest = parser.offset(src);
  return n;
}

}  // extern "C"
