// SPDX-License-Identifier: MIT
// base/urlencode.h, base/base64.h, base/crc32.h: known answers and round trips over every byte.
#include <string>
#include <vector>

#include "base/base64.h"
#include "base/crc32.h"
#include "base/urlencode.h"
#include "check.h"

using namespace mw;

namespace {

std::string every_byte() {
  std::string s;
  for (int i = 0; i < 256; ++i) s += static_cast<char>(i);
  return s;
}

std::string unescaped(Str s) {
  std::string out(s.size(), '\0');
  out.resize(url_unescape(s, out.data()));
  return out;
}

std::string escaped(Str s, EscapeType type) {
  std::string out(url_escaped_size(s, type), '\0');
  CHECK_EQ(static_cast<size_t>(url_escape(s, type, out.data()) - out.data()), out.size());
  return out;
}

std::string encoded(Str s, Base64 alphabet, bool pad) {
  std::string out(base64_encoded_size(s.size()), '\0');
  out.resize(base64_encode(s, out.data(), alphabet, pad));
  return out;
}

}  // namespace

TEST(urlencode_escapes_by_type) {
  CHECK_EQ(escaped("a b?c#d%e/f", ESCAPE_URI), "a%20b%3Fc%23d%25e/f");
  CHECK_EQ(escaped("a+b", ESCAPE_ARGS), "a%2Bb");
  CHECK_EQ(escaped("a/b&c=d~!'()*", ESCAPE_URI_COMPONENT), "a%2Fb%26c%3Dd~!'()*");
  CHECK_EQ(escaped(Str("a\tb\n", 4), ESCAPE_HEADER_VALUE), "a\tb%0A");
}

// The printable characters that nginx's own function escapes, by its types.
TEST(urlencode_escapes_as_nginx) {
  const auto set = [](EscapeType type) {
    std::string out;
    for (char c = '!'; c <= '~'; ++c)
      if (url_escaped_size(Str(&c, 1), type) == 3) out += c;
    return out;
  };
  CHECK_EQ(set(ESCAPE_NGINX_URI), "\"#%<>?\\^`{|}");
  CHECK_EQ(set(ESCAPE_NGINX_ARGS), "\"#%&+;<>?\\^`{|}");
  CHECK_EQ(set(ESCAPE_NGINX_URI_COMPONENT), "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}");
  CHECK_EQ(set(ESCAPE_NGINX_HTML), "\"#%'<>\\^`{|}");
  CHECK_EQ(set(ESCAPE_NGINX_REFRESH), "\"'<>\\^`{|~");
  CHECK_EQ(set(ESCAPE_MEMCACHED), "%");
  CHECK_EQ(escaped(Str("\0 \x7f\xff", 4), ESCAPE_NGINX_REFRESH), "%00%20%7F%FF");
}

TEST(urlencode_round_trip) {
  const std::string all = every_byte() + every_byte();
  CHECK(unescaped(escaped(all, ESCAPE_URI_COMPONENT)) == all);
  CHECK_EQ(unescaped("%"), "%");
  CHECK_EQ(unescaped("%4"), "%4");
  CHECK_EQ(unescaped("%4g%41+"), "%4gA ");
  CHECK_EQ(unescaped("0123456789abcdef%41"), "0123456789abcdefA");
  std::string in_place = "a%20b%20c+d";
  in_place.resize(url_unescape(in_place, in_place.data()));
  CHECK_EQ(in_place, "a b c d");
}

TEST(urlencode_splits_queries) {
  const Str query = "a=1&&b&=x&c%3D=d%26e=f&";
  std::vector<char> text(query.size());
  QueryParser parser(query, text.data());
  QueryArg arg;
  std::string seen;
  while (parser.next(arg)) {
    seen += std::string(arg.key, static_cast<size_t>(arg.key_size)) + ":";
    seen += arg.value ? std::string(arg.value, static_cast<size_t>(arg.value_size)) : "true";
    seen += ";";
  }
  CHECK_EQ(seen, "a:1;:true;b:true;:x;c=:d&e=f;");
  CHECK_EQ(parser.offset(query.data()), query.size());
}

TEST(base64_known_answers) {
  CHECK_EQ(encoded("", Base64::STANDARD, true), "");
  CHECK_EQ(encoded("f", Base64::STANDARD, true), "Zg==");
  CHECK_EQ(encoded("fo", Base64::STANDARD, true), "Zm8=");
  CHECK_EQ(encoded("foobar", Base64::STANDARD, true), "Zm9vYmFy");
  CHECK_EQ(encoded("\xfb\xff", Base64::URL, false), "-_8");
  const std::string all = every_byte();
  char out[512];
  for (size_t n = 0; n <= all.size(); ++n) {
    const Str part = Str(all).substr(0, n);
    CHECK_EQ(base64_decode(encoded(part, Base64::URL, false), out, Base64::URL), static_cast<ssize_t>(n));
    CHECK(Str(out, n) == part);
  }
  CHECK_EQ(base64_decode("Zg=x!", out, Base64::STANDARD), 1);
  CHECK_EQ(base64_decode("Zm*v", out, Base64::STANDARD), -1);
  CHECK_EQ(base64_decode("Zm9vY", out, Base64::STANDARD), -1);
  CHECK_EQ(base64_decode_mime("Z\nm9v Ym!Fy", out), 6);
  CHECK_EQ(Str(out, 6), Str("foobar"));
  CHECK_EQ(base64_decode_mime("Z m=", out), 1);
  CHECK_EQ(base64_decode_mime("Zm9vY", out), -1);
}

TEST(crc32_known_answers) {
  CHECK_EQ(crc32_of(""), 0u);
  CHECK_EQ(crc32_of("123456789"), 0xcbf43926u);
  CHECK_EQ(crc32_of("56789", crc32_of("1234")), 0xcbf43926u);
}
