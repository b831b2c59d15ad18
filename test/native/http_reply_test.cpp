// SPDX-License-Identifier: MIT
// reply_parse_head: what is a reply's head, what is none, and that it never depends on where the bytes were cut.
#include "http/reply.h"

#include <string>

#include "check.h"

using namespace mw;

namespace {

struct Parsed {
  ReplyHead head;
  ReplyResult result;
  HttpHeader room[16];
};

void parse(Parsed &p, const std::string &text) {
  p.head = ReplyHead();
  p.head.headers.use(p.room, 16);
  p.result = reply_parse_head(p.head, text.data(), text.size());
}

ReplyResult::Kind kind_of(const std::string &text) {
  Parsed p;
  parse(p, text);
  return p.result.kind;
}

}  // namespace

TEST(reply_head) {
  Parsed p;
  std::string text = "HTTP/1.1 404 Not Here\r\nA: b\r\nEmpty:\r\nC:  d e \t\nX: y\n\r\nbody";
  parse(p, text);
  CHECK(p.result.kind == ReplyResult::complete);
  CHECK_EQ(p.result.consumed, text.size() - 4);
  CHECK_EQ(p.head.status, 404);
  CHECK_EQ(p.head.status_line, "404 Not Here");
  CHECK_EQ(static_cast<int>(p.head.http_minor), 1);
  CHECK_EQ(p.head.headers.size(), 4u);
  CHECK_EQ(p.head.headers[1].value, "");
  CHECK_EQ(p.head.headers[2].value, "d e");
}

TEST(reply_status_lines) {
  for (const char *good : {"HTTP/1.0 200\r\n\r\n", "HTTP/1.1 100 \r\n\r\n", "HTTP/1.1  299 x\xff\n\n"})
    CHECK(kind_of(good) == ReplyResult::complete);
  for (const char *bad : {"x", "HTTX", "HTTP/2.0 200 OK\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000\r\n",
                          "HTTP/1.1 099 x\r\n", "HTTP/1.1200 OK\r\n", "HTTP/1.1 2x0 OK\r\n", "HTTP/1.1 200 a\x01\r\n",
                          "HTTP/1.\r\n", "\r\nHTTP/1.1 200 OK\r\n"})
    CHECK(kind_of(bad) == ReplyResult::bad_status);
}

TEST(reply_fields) {
  const std::string line = "HTTP/1.1 200 OK\r\n";
  for (const char *bad : {"no colon\r\n", ": x\r\n", "a b: x\r\n", " folded: x\r\n", "a: b\rc\r\n"})
    CHECK(kind_of(line + bad) == ReplyResult::bad_header);
  CHECK(kind_of(line + std::string("a: \0b\r\n", 8)) == ReplyResult::bad_header);
  std::string many = line;
  for (int i = 0; i < 17; ++i) many += "a: b\r\n";
  CHECK(kind_of(many) == ReplyResult::bad_header);
}

TEST(reply_in_pieces) {
  std::string text = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
  for (size_t n = 0; n < text.size(); ++n) CHECK(kind_of(text.substr(0, n)) == ReplyResult::incomplete);
  CHECK(kind_of(text) == ReplyResult::complete);
}
