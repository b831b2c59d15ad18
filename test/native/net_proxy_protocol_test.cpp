// SPDX-License-Identifier: MIT
// Headers of the PROXY protocol: whole, cut at every byte, and hostile ones.
#include "net/proxy_protocol.h"

#include <memory>
#include <string>

#include "check.h"

using namespace mw;

namespace {

/// "SOURCE:PORT DESTINATION:PORT +REST", "nobody +REST", "more" or "bad". The input has its exact size, for the sanitizer.
std::string read(Str in) {
  std::unique_ptr<char[]> copy(new char[in.size()]);
  in.copy(copy.get(), in.size());
  ProxyHeader h;
  ProxyHeaderResult result = proxy_header_parse({copy.get(), in.size()}, h);
  if (result.kind == ProxyHeaderResult::incomplete) return "more";
  if (result.kind == ProxyHeaderResult::bad) return "bad";
  std::string rest = " +" + std::to_string(in.size() - result.size);
  if (!result.is_known) return "nobody" + rest;
  return h.source + ":" + std::to_string(h.source_port) + " " + h.destination + ":" +
         std::to_string(h.destination_port) + rest;
}

std::string binary(uint8_t version, uint8_t family, const std::string &body) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += static_cast<char>(version);
  out += static_cast<char>(family);
  out += static_cast<char>(body.size() >> 8);
  out += static_cast<char>(body.size());
  return out + body;
}

const std::string kIp4("\xc0\0\2\1\xc0\0\2\2\0\x7b\x16\x2e", 12);

}  // namespace

TEST(proxy_protocol_text) {
  struct Case {
    const char *in, *expected;
  };
  const Case cases[] = {
      {"PROXY TCP4 192.0.2.1 192.0.2.2 123 5678\r\nGET", "192.0.2.1:123 192.0.2.2:5678 +3"},
      {"PROXY TCP6 2001:Db8::1 ::2 0 65535\r\n", "2001:Db8::1:0 ::2:65535 +0"},
      {"PROXY UNKNOWN\r\n", "nobody +0"},
      {"PROXY UNKNOWN what ever\r\nx", "nobody +1"},
      {"", "more"},
      {"PRO", "more"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 123 5678\r", "more"},
      {"PROXX", "bad"},
      {"GET / HTTP/1.1\r\n", "bad"},
      {"PROXY \r\n", "bad"},
      {"PROXY\r\n", "bad"},
      {"PROXY UNKNOWNX\r\n", "bad"},
      {"PROXY UNKNOWN\n", "bad"},
      {"PROXY TCP5 192.0.2.1 192.0.2.2 123 5678\r\n", "bad"},
      {"PROXY TCP4 ::1 ::2 123 5678\r\n", "bad"},
      {"PROXY TCP6 192.0.2.1 192.0.2.2 123 5678\r\n", "bad"},
      {"PROXY TCP6 [::1] ::2 123 5678\r\n", "bad"},
      {"PROXY TCP4 192.0.2.256 192.0.2.2 123 5678\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1  192.0.2.2 123 5678\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 65536 5678\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 -1 5678\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 123\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 123 5678 9\r\n", "bad"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 123 5678\n", "bad"},
      {"PROXY TCP4 unix:/x 192.0.2.2 123 5678\r\n", "bad"},
  };
  for (const Case &c : cases) CHECK_EQ(read(c.in), std::string(c.expected));
  CHECK_EQ(read(Str("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n", 37)), std::string("bad"));
  CHECK_EQ(read(Str("PROXY TCP6 ::1 ::2\0x 1 2\r\n", 26)), std::string("bad"));
  CHECK_EQ(read("PROXY " + std::string(100, 'x')), std::string("more"));
  CHECK_EQ(read("PROXY " + std::string(101, 'x')), std::string("bad"));
}

TEST(proxy_protocol_binary) {
  std::string whole = binary(0x21, 0x11, kIp4 + std::string("\1\0\2hi", 5));
  CHECK_EQ(read(whole + "GET"), std::string("192.0.2.1:123 192.0.2.2:5678 +3"));
  for (size_t n = 0; n < whole.size(); ++n) CHECK_EQ(read(whole.substr(0, n)), std::string("more"));
  std::string ip6 = std::string("\x20\1\x0d\xb8", 4) + std::string(11, '\0') + "\1" + std::string(15, '\0') + "\2";
  CHECK_EQ(read(binary(0x21, 0x21, ip6 + kIp4.substr(8))), std::string("2001:db8::1:123 ::2:5678 +0"));
  CHECK_EQ(read(binary(0x20, 0x11, "")), std::string("nobody +0"));
  CHECK_EQ(read(binary(0x21, 0x00, "abc")), std::string("nobody +0"));
  CHECK_EQ(read(binary(0x21, 0x31, std::string(216, 'u')) + "x"), std::string("nobody +1"));
  CHECK_EQ(read(binary(0x21, 0x11, kIp4.substr(1))), std::string("bad"));
  CHECK_EQ(read(binary(0x21, 0x21, kIp4)), std::string("bad"));
  CHECK_EQ(read(binary(0x11, 0x11, kIp4)), std::string("bad"));
  CHECK_EQ(read(binary(0x22, 0x11, kIp4)), std::string("bad"));
  CHECK_EQ(read(binary(0x21, 0x11, kIp4 + std::string(4068, 't'))), std::string("192.0.2.1:123 192.0.2.2:5678 +0"));
  CHECK_EQ(read(binary(0x21, 0x11, kIp4 + std::string(4069, 't'))), std::string("bad"));
}

TEST(proxy_protocol_tlvs) {
  std::string tlvs("\1\0\2h2\2\0\0\3\0\1x", 12);
  Str value;
  bool is_broken = false;
  CHECK(proxy_tlv_find(tlvs, 1, value, is_broken));
  CHECK_EQ(std::string(value), std::string("h2"));
  CHECK(proxy_tlv_find(tlvs, 2, value, is_broken));
  CHECK(value.empty());
  CHECK(!proxy_tlv_find(tlvs, 4, value, is_broken));
  CHECK(!is_broken);
  for (Str bad : {Str("\1", 1), Str("\1\0", 2), Str("\1\0\1", 3), Str("\2\xff\xffy", 4)}) {
    CHECK(!proxy_tlv_find(bad, 1, value, is_broken));
    CHECK(is_broken);
  }
}
