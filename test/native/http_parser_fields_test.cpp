// SPDX-License-Identifier: MIT
// The fields of a request head: which bytes they may have, and what Host, Content-Length, Transfer-Encoding, Connection and
// Expect are understood as, or refused for.
#include "parsed_head.h"

using namespace mw;

TEST(parser_refuses_fields) {
  for (const char *field : {"X\r\n",
                            ": x\r\n",
                            "X : x\r\n",
                            "X\t: x\r\n",
                            " X: x\r\n",
                            "\tX: x\r\n",
                            "X: a\r\n b\r\n",
                            "X: a\r\n\tb\r\n",
                            "X:\r\n \r\n",
                            "\xc3\xa4: a\r\n",
                            "X\x80: a\r\n",
                            "X y: a\r\n",
                            "X(: a\r\n",
                            "X\x7f: a\r\n",
                            "X/y: a\r\n",
                            "\"X\": a\r\n",
                            "X: a\rb\r\n",
                            "X: a\rY: b\r\n",
                            "X: a\r\r\n",
                            "X\r: a\r\n",
                            "X: a\x01\r\n",
                            "X: \x7f\r\n",
                            "X: a\x0b\r\n",
                            "X: \x0c\r\n",
                            "X: a\x1b[0m\r\n",
                            "A-Field-Name-Of-More-Than-Sixteen\x80: a\r\n",
                            "A-Field-Name-Of-More-Than-Sixteen : a\r\n",
                            "X: a value of more than sixteen bytes\x01 and so on\r\n",
                            "\r",
                            "\rX: a\r\n",
                            "@: a\r\n"}) {
    REFUSED(400, with_host(field));
    REFUSED(400, with_host("Y: z\r\n" + std::string(field)));
  }
  REFUSED(400, with_host(Str("X: a\0b\r\n", 8)));
  REFUSED(400, with_host(Str("X\0: ab\r\n", 8)));
  REFUSED(400, get("\r", "GET / HTTP/1.1"));
  // Not even where the name would be dropped.
  REFUSED(400, with_host("X_Y : a\r\n"));
  REFUSED(400, with_host("X_Y: a\rb\r\n"));
}

TEST(parser_takes_fields) {
  const std::vector<std::pair<std::string, const char *>> cases = {
      {"X:a\r\n", "a"},
      {"X:   a   \r\n", "a"},
      {"X:\t a\tb \t\r\n", "a\tb"},
      {"X:\r\n", ""},
      {"X: \t \r\n", ""},
      {"X: a\n", "a"},
      {"X: \x80\xff\r\n", "\x80\xff"},
      {"X::\r\n", ":"},
      {"X: a: b\r\n", "a: b"},
      {"!#$%&'*+-.^`|~: a\r\n", "a"},
      {"X: 0123456789abcde\r\n", "0123456789abcde"},
      {"X: 0123456789abcdef\t0123456789abcdef \r\n", "0123456789abcdef\t0123456789abcdef"},
  };
  for (const auto &[field, value] : cases) {
    Parsed p(with_host(field));
    CHECK(p.result.kind == ParseResult::complete);
    CHECK_EQ(p.head.headers.size(), 2u);
    if (p.head.headers.size() == 2) CHECK_EQ(p.head.headers[1].value, Str(value));
  }
}

TEST(parser_underscores) {
  const std::string text =
      with_host("A_B: 1\r\n_: 2\r\nContent_Length: 5\r\nA-Long-Name-With-An_Underscore-In-It: 3\r\nC: 4\r\n");
  Parsed dropped(text);
  CHECK(dropped.result.kind == ParseResult::complete);
  CHECK_EQ(dropped.head.headers.size(), 2u);
  CHECK_EQ(dropped.head.headers[1].name, Str("C"));
  ParseLimits limits;
  limits.underscores = true;
  Parsed kept(text, limits);
  CHECK_EQ(kept.head.headers.size(), 6u);
  CHECK(!kept.head.has_content_length);
}

TEST(parser_host) {
  const std::string long_label(255, 'a');
  const std::pair<std::string, int> good[] = {
      {"a", 1},           {"A.b", 3},        {"a.", 2},
      {".a", 2},          {"a:", 1},         {"a:0", 1},
      {"a:65535", 1},     {"a:00080", 1},    {"127.0.0.1:80", 9},
      {"[::1]", 5},       {"[::1]:8080", 5}, {"[::ffff:1.2.3.4]", 16},
      {"a_b", 3},         {"a-b~c", 5},      {"%41b", 4},
      {"a,b;c=d", 7},     {long_label, 255}, {"!$&'()*+", 8},
      {"[V1f.a:!~]", 10},
  };
  for (const auto &[host, size] : good) {
    Parsed p(get("Host: " + host + "\r\n"));
    CHECK_EQ(p.result.status, 0);
    CHECK_EQ(p.head.authority, Str(host));
    CHECK_EQ(p.head.host_name().size(), static_cast<size_t>(size));
    Parsed absolute(with_host("", "GET http://" + host + "/x HTTP/1.1"));
    CHECK_EQ(absolute.result.status, 0);
    CHECK_EQ(absolute.head.authority, Str(host));
    CHECK_EQ(absolute.head.origin, Str("/x"));
  }
  for (const std::string &host : {std::string(),
                                  std::string(" "),
                                  std::string("."),
                                  std::string(".."),
                                  std::string("a..b"),
                                  std::string("a.."),
                                  std::string(":80"),
                                  std::string(":"),
                                  std::string("a:b"),
                                  std::string("a:65536"),
                                  std::string("a:-1"),
                                  std::string("a:+1"),
                                  std::string("a:8 0"),
                                  std::string("a:000080"),
                                  std::string("a:80:80"),
                                  std::string("a/b"),
                                  std::string("a\\b"),
                                  std::string("a?b"),
                                  std::string("a#b"),
                                  std::string("u@b"),
                                  std::string("u:p@b"),
                                  std::string("a b"),
                                  std::string("a\tb"),
                                  std::string("a, b"),
                                  std::string("[::1"),
                                  std::string("::1"),
                                  std::string("[]"),
                                  std::string("[::1]x"),
                                  std::string("[::1]:x"),
                                  std::string("[::g]"),
                                  std::string("[::1%25lo]"),
                                  std::string("[a]]"),
                                  std::string("a[b]"),
                                  std::string("%"),
                                  std::string("%4"),
                                  std::string("%zz"),
                                  std::string("a%4"),
                                  std::string("a\x80"),
                                  std::string("<a>"),
                                  std::string("\"a\""),
                                  std::string("a|b"),
                                  std::string("a^b"),
                                  std::string("a`b"),
                                  std::string("{a}"),
                                  std::string("http://a"),
                                  std::string("[v.a]"),
                                  std::string("[v1.]"),
                                  std::string("[v1a]"),
                                  std::string("[a..b::1]"),
                                  std::string("[v1.a..b]"),
                                  std::string("[v1./]"),
                                  long_label + "a"})
    REFUSED(400, get("Host: " + host + "\r\n"));
  REFUSED(400, get("Host: a\r\nhOST: a\r\n"));
  REFUSED(400, get(""));
  REFUSED(400, get("Hos: a\r\nHostt: b\r\n"));
  REFUSED(400, get("", "GET http://a/ HTTP/1.1"));               // absolute-form does not stand in for Host
  REFUSED(400, get("Host: a/b\r\n", "GET http://a/ HTTP/1.1"));  // nor make a bad one good
  REFUSED(400, get("Host:\r\n", "GET / HTTP/1.0"));
  TAKEN(get("", "GET / HTTP/1.0"));
  TAKEN(get("", "GET http://a/ HTTP/1.0"));
}

TEST(parser_lengths) {
  for (const char *value : {"", "x", "-1", "+5", "5x", "0x5", "5.0", "5,5", "5, 5", "5,6", "5 5", "5;", "\"5\"", "1e3",
                            "9223372036854775808", "18446744073709551615", "18446744073709551616",
                            "18446744073709551621", "99999999999999999999999999"})
    REFUSED(400, with_host("Content-Length: " + std::string(value) + "\r\n"));
  const std::pair<const char *, uint64_t> good[] = {
      {"0", 0}, {"5", 5}, {"005", 5}, {"9223372036854775807", INT64_MAX}, {"00000000000000000000000000000007", 7}};
  for (const auto &[value, length] : good) {
    Parsed p(with_host("Content-Length: " + std::string(value) + " \t\r\n"));
    CHECK(p.head.has_content_length);
    CHECK_EQ(p.head.content_length, length);
  }
  REFUSED(400, with_host("Content-Length: 5\r\nContent-Length: 5\r\n"));
  REFUSED(400, with_host("Content-Length: 5\r\ncontent-length: 6\r\n"));
  REFUSED(400, with_host("Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 5\r\n"));
}

TEST(parser_transfer_encoding) {
  const std::pair<const char *, int> cases[] = {
      {"chunked", 0},
      {"CHUNKED", 0},
      {" \tchunked\t ", 0},
      {"chunked, chunked", 501},
      {"chunked,chunked", 501},
      {"chunked, gzip", 501},
      {"chunked, identity", 501},
      {"chunked,", 501},
      {"chunked;q=1", 501},
      {"chunkedx", 501},
      {"gzip", 501},
      {"gzip, chunked", 501},
      {"identity", 501},
      {"identity, chunked", 501},
      {"xchunked", 501},
      {"", 501},
      {", chunked", 501},
      {"\"chunked\"", 501},
      {"chunke", 501},
      {"\x0b"
       "chunked",
       400},
      {"chunked\x0b", 400},
      {"\xa0"
       "chunked",
       501},
  };
  for (const auto &[value, status] : cases)
    REFUSED(status, with_host("Transfer-Encoding: " + std::string(value) + "\r\n"));
  REFUSED(400, with_host("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"));
  REFUSED(400, with_host("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"));
  REFUSED(400, with_host("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"));
  REFUSED(400, with_host("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"));
  REFUSED(400, with_host("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
  REFUSED(400, with_host("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"));
  REFUSED(400, with_host("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"));
  REFUSED(400, with_host("Transfer-Encoding: gzip\r\n", "POST / HTTP/1.0"));
  REFUSED(400, with_host("Transfer-Encoding : chunked\r\n"));
  REFUSED(400, with_host("Transfer-Encoding\r\n: chunked\r\n"));
  REFUSED(501, with_host("Transfer-Encoding: identity\r\nContent-Length: 5\r\n"));
  REFUSED(400, with_host("Transfer-Encoding:\r\n chunked\r\n"));
}

TEST(parser_connection) {
  struct {
    const char *line, *fields;
    bool keep_alive, upgrade;
  } cases[] = {
      {"GET / HTTP/1.1", "", true, false},
      {"GET / HTTP/1.1", "Connection: close\r\n", false, false},
      {"GET / HTTP/1.1", "Connection: CLOSE\r\n", false, false},
      {"GET / HTTP/1.1", "Connection: keep-alive , close\r\n", false, false},
      {"GET / HTTP/1.1", "Connection: close, keep-alive\r\n", false, false},
      {"GET / HTTP/1.1", "Connection: close\r\nConnection: keep-alive\r\n", false, false},
      {"GET / HTTP/1.1", "Connection: closed\r\n", true, false},
      {"GET / HTTP/1.1", "Connection: ,, \t,Upgrade\r\n", true, true},
      {"GET / HTTP/1.1", "Connection:\r\n", true, false},
      {"GET / HTTP/1.0", "", false, false},
      {"GET / HTTP/1.0", "Connection: keep-alive\r\n", true, false},
      {"GET / HTTP/1.0", "Connection: x,Keep-Alive,\r\n", true, false},
      {"GET / HTTP/1.0", "Connection: close, keep-alive\r\n", false, false},
      {"GET / HTTP/1.0", "Connection: keep-alive, close\r\n", false, false},
      {"GET / HTTP/1.0", "Connection: close\r\nConnection: keep-alive\r\n", false, false},
      {"GET / HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n", false, false},
  };
  for (const auto &c : cases) {
    Parsed p(with_host(c.fields, c.line));
    CHECK_EQ(p.result.status, 0);
    if (p.head.keep_alive != c.keep_alive || p.head.is_upgrade != c.upgrade)
      CHECK_EQ(std::string(c.fields), "otherwise");
  }
}

TEST(parser_expect) {
  CHECK(Parsed(with_host("Expect: 100-Continue\r\n")).head.expect_continue);
  CHECK(!Parsed(with_host("Expect: 100-continue\r\n", "GET / HTTP/1.0")).head.expect_continue);
  CHECK(!Parsed(with_host("Expect: something\r\n")).head.expect_continue);
  TAKEN(with_host("Expect: something\r\n"));
}

TEST(parser_token_bytes) {
  const Str others = "!#$%&'*+-.^_`|~";
  for (int c = 0; c < 256; ++c) {
    bool expected = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c != 0 && others.find(static_cast<char>(c)) != Str::npos);
    CHECK_EQ(parser_is_token(static_cast<unsigned char>(c)), expected);
    // In a name of any position, wherever the scan stands.
    for (size_t at : {0, 3, 15, 16, 20}) {
      std::string name(24, 'n');
      name[at] = static_cast<char>(c);
      int32_t status = status_of(with_host(name + ": x\r\n"));
      // What follows a colon is the value, what follows an empty line is no longer the head.
      bool is_end = (c == ':' && at > 0) || (c == '\n' && at == 0);
      if (status != (expected || is_end ? 0 : 400)) CHECK_EQ(name, "otherwise");
      std::string value(24, 'v');
      value[at] = static_cast<char>(c);
      bool is_text = (c >= 0x20 && c != 0x7f) || c == '\t';
      if (c == '\n') is_text = false;  // the line ends, and the rest has no colon
      if (status_of(with_host("X: " + value + "\r\n")) != (is_text ? 0 : 400)) CHECK_EQ(value, "otherwise");
    }
  }
}
