// SPDX-License-Identifier: MIT
// dns_query, dns_parse: what is asked, what an answer says, and that no cut or looping one is believed or reads beyond its end.
#include "net/dns_message.h"

#include <string>

#include "check.h"

using namespace mw;

namespace {

std::string bytes(std::initializer_list<int> list) {
  std::string s;
  for (int b : list) s += static_cast<char>(b);
  return s;
}

std::string header(int code, int answers) { return bytes({0, 1, 0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0}); }

/// The question "a.test", type A: 12 bytes from offset 12.
std::string question() { return bytes({1, 'a', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1}); }

std::string record(int type, int ttl, const std::string &data) {
  return bytes({0xc0, 12, 0, type, 0, 1, 0, 0, 0, ttl, 0, static_cast<int>(data.size())}) + data;
}

}  // namespace

TEST(dns_query_names) {
  std::string q;
  CHECK(dns_query("a.test", DnsType::aaaa, q));
  CHECK_EQ(q.substr(2), bytes({1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 4, 't', 'e', 's', 't', 0, 0, 28, 0, 1}));
  std::string dotted;
  CHECK(dns_query("a.test.", DnsType::aaaa, dotted));
  CHECK_EQ(dotted.substr(2), q.substr(2));
  for (Str bad : {Str(""), Str("."), Str("a..b"), Str(".a")}) CHECK(!dns_query(bad, DnsType::a, q));
  CHECK(dns_query(std::string(63, 'a'), DnsType::a, q));
  CHECK(!dns_query(std::string(64, 'a'), DnsType::a, q));
  CHECK(!dns_query(std::string(5000, 'a'), DnsType::a, q));
}

TEST(dns_parse_answers) {
  DnsAnswer a;
  std::string m = header(0, 2) + question() + record(1, 9, bytes({127, 0, 0, 1})) + record(1, 7, bytes({127, 0, 0, 2}));
  CHECK(dns_parse(m, DnsType::a, a));
  CHECK_EQ(a.addresses.size(), 2u);
  CHECK_EQ(a.ttl, 7u);
  CHECK(!a.has_cname);
  for (size_t n = 0; n < m.size(); ++n) {
    DnsAnswer cut;
    CHECK(!dns_parse(Str(m).substr(0, n), DnsType::a, cut));
  }
  DnsAnswer other;  // records of another type are not those that were asked for
  CHECK(dns_parse(m, DnsType::aaaa, other));
  CHECK(other.addresses.empty());
  DnsAnswer failed;
  CHECK(dns_parse(header(3, 0), DnsType::a, failed));
  CHECK_EQ(failed.code, 3);
}

TEST(dns_parse_cname) {
  DnsAnswer a;
  CHECK(dns_parse(header(0, 1) + question() + record(5, 1, bytes({1, 'B', 0xc0, 14})), DnsType::a, a));
  CHECK(a.has_cname);
  CHECK_EQ(a.cname, "b.test");
  DnsAnswer root;
  CHECK(dns_parse(header(0, 1) + question() + record(5, 1, bytes({0})), DnsType::a, root));
  CHECK(root.has_cname && root.cname.empty());
  // A loop, a pointer beyond the end, no name, a label beyond the end, a dot in a label, a reserved kind of label.
  for (const std::string &bad :
       {bytes({0xc0, 36}), bytes({0xff, 0xff}), bytes({}), bytes({9, 'a'}), bytes({1, '.', 0}), bytes({0x40, 0})}) {
    DnsAnswer b;
    CHECK(!dns_parse(header(0, 1) + question() + record(5, 1, bad), DnsType::a, b));
  }
  DnsAnswer wide;
  CHECK(!dns_parse(header(0, 1) + question() + record(1, 1, bytes({1, 2, 3})), DnsType::a, wide));
}
