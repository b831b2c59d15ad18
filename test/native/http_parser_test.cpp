// SPDX-License-Identifier: MIT
// The request head: what is taken and how it is understood, what is refused and with which status, the limits at their
// borders, and that the pieces in which a head arrives change nothing.
#include "http/parser.h"

#include <memory>
#include <string>
#include <vector>

#include "check.h"

using namespace mw;

namespace {

/// A head parsed from an exact-size copy, so that a sanitizer sees a read past its end.
struct Parsed {
  std::unique_ptr<char[]> bytes;
  std::vector<HttpHeader> room{kMaxHeaders};
  RequestHead head;
  ParseResult result;
  explicit Parsed(Str text, const ParseLimits &limits = {}) : bytes(new char[text.size()]) {
    text.copy(bytes.get(), text.size());
    head.headers.use(room.data(), static_cast<uint32_t>(room.size()));
    result = parser_parse_head(head, bytes.get(), text.size(), limits);
  }
};

/// Everything that was understood, as one line of text.
std::string describe(const Parsed &p) {
  const RequestHead &h = p.head;
  if (p.result.kind == ParseResult::incomplete) return "incomplete";
  if (p.result.kind == ParseResult::error) return "error " + std::to_string(p.result.status) + " " + p.result.reason;
  std::string out = std::to_string(p.result.consumed) + " [" + std::string(h.request_line) + "] " +
                    std::string(h.method) + "(" + std::to_string(h.method_id) + ") " + std::string(h.target) + " -> " +
                    std::string(h.authority) + "/" + std::to_string(h.authority_name_size) + " " +
                    std::string(h.origin) + " 1." + std::to_string(h.http_minor);
  if (h.has_content_length) out += " length=" + std::to_string(h.content_length);
  if (h.chunked) out += " chunked";
  if (h.keep_alive) out += " keep-alive";
  if (h.expect_continue) out += " expect";
  if (h.is_connect) out += " connect";
  if (h.is_upgrade) out += " upgrade";
  for (const HttpHeader &f : h.headers) out += " {" + std::string(f.name) + "}={" + std::string(f.value) + "}";
  return out;
}

std::string get(Str fields, Str line = "GET / HTTP/1.1") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}
std::string with_host(Str fields, Str line = "GET / HTTP/1.1") {
  return get("Host: a\r\n" + std::string(fields), line);
}

int32_t status_of(Str text, const ParseLimits &limits = {}) {
  Parsed p(text, limits);
  return p.result.kind == ParseResult::error ? p.result.status : p.result.kind == ParseResult::complete ? 0 : -1;
}

void expect_status(const char *file, int line, const std::string &text, int32_t status) {
  int32_t got = status_of(text);
  if (got != status)
    check::fail(file, line, "\"" + text + "\": " + std::to_string(got) + ", expected " + std::to_string(status));
}
#define REFUSED(status, text) expect_status(__FILE__, __LINE__, (text), (status))
#define TAKEN(text) expect_status(__FILE__, __LINE__, (text), 0)

const std::string kWhole[] = {
    get("Host: example.com:8080\r\n"),
    "POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "POST /a HTTP/1.1\r\nHost:\ta\t\r\nTransfer-Encoding: Chunked\r\nX-Trailer:\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    "\r\n\n\r\nGET / HTTP/1.1\nHost: a\nX: b \t\n\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\n\r\n",
    "GET http://u.example:81/x?y HTTP/1.1\r\nHost: other\r\nCookie: \xe4\xff=1; \tb=2\r\n\r\n",
    "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "PROPFIND /a#b HTTP/1.1\r\nHost: [::1]:80\r\nA-Very-Long-Field-Name-Of-More-Than-Sixteen-Bytes: "
    "a value of rather more than thirty-two bytes, too\r\n\r\nGET /next HTTP/1.1\r\n",
};

}  // namespace

TEST(parser_understands) {
  const std::vector<std::pair<std::string, const char *>> cases = {
      {kWhole[0], "42 [GET / HTTP/1.1] GET(2) / -> example.com:8080/11 / 1.1 keep-alive {Host}={example.com:8080}"},
      {kWhole[1],
       "74 [POST /a?b=c HTTP/1.1] POST(8) /a?b=c -> a/1 /a?b=c 1.1 length=5 keep-alive expect {Host}={a} "
       "{Content-Length}={5} {Expect}={100-continue}"},
      {kWhole[2],
       "70 [POST /a HTTP/1.1] POST(8) /a -> a/1 /a 1.1 chunked keep-alive {Host}={a} {Transfer-Encoding}={Chunked} "
       "{X-Trailer}={}"},
      {kWhole[3], "42 [GET / HTTP/1.0] GET(2) / -> /0 / 1.0 keep-alive {Connection}={Keep-Alive}"},
      {kWhole[4], "36 [GET / HTTP/1.1] GET(2) / -> a/1 / 1.1 keep-alive {Host}={a} {X}={b}"},
      {kWhole[5],
       "59 [OPTIONS * HTTP/1.1] OPTIONS(512) * -> a/1 * 1.1 upgrade {Host}={a} {Connection}={upgrade, close}"},
      {kWhole[6],
       "73 [GET http://u.example:81/x?y HTTP/1.1] GET(2) http://u.example:81/x?y -> u.example:81/9 /x?y 1.1 keep-alive "
       "{Host}={other} {Cookie}={\xe4\xff=1; \tb=2}"},
      {kWhole[7], "35 [CONNECT a:443 HTTP/1.1] CONNECT(0) a:443 -> a/1  1.1 keep-alive connect {Host}={a}"},
      {kWhole[8],
       "144 [PROPFIND /a#b HTTP/1.1] PROPFIND(1024) /a#b -> [::1]:80/5 /a#b 1.1 keep-alive {Host}={[::1]:80} "
       "{A-Very-Long-Field-Name-Of-More-Than-Sixteen-Bytes}={a value of rather more than thirty-two bytes, too}"},
  };
  for (const auto &[text, expected] : cases) CHECK_EQ(describe(Parsed(text)), std::string(expected));
}

TEST(parser_methods) {
  const std::pair<const char *, uint32_t> methods[] = {
      {"GET", 0x2},     {"HEAD", 0x4},      {"POST", 0x8},     {"PUT", 0x10},        {"DELETE", 0x20},
      {"MKCOL", 0x40},  {"COPY", 0x80},     {"MOVE", 0x100},   {"OPTIONS", 0x200},   {"PROPFIND", 0x400},
      {"LOCK", 0x1000}, {"UNLOCK", 0x2000}, {"PATCH", 0x4000}, {"PROPPATCH", 0x800}, {"TRACE", 0x8000},
      {"GETX", 0},      {"M-SEARCH", 0},    {"A_B", 0},
  };
  for (const auto &[name, id] : methods) {
    Parsed p(with_host("", std::string(name) + " / HTTP/1.1"));
    CHECK(p.result.kind == ParseResult::complete);
    CHECK_EQ(p.head.method, Str(name));
    CHECK_EQ(p.head.method_id, id);
    if (id) CHECK_EQ(method_name(id), Str(name));
  }
  CHECK_EQ(method_name(0x10000), Str());
}

TEST(parser_takes_simple_requests) {
  for (const char *text : {"GET /a?b\r\n", "GET /a?b\n"}) {
    Parsed p(text);
    CHECK(p.result.kind == ParseResult::complete);
    CHECK(p.head.is_simple && !p.head.keep_alive);
    CHECK_EQ(p.head.origin, Str("/a?b"));
    CHECK_EQ(p.result.consumed, strlen(text));
  }
  CHECK(Parsed("GET /a\r").result.kind == ParseResult::incomplete);
  REFUSED(400, "POST /\r\n");
  CHECK_EQ(Parsed("GET /\r\nHost: a\r\n\r\n").result.consumed, size_t{7});
  REFUSED(400, "GET \r\n");
}

TEST(parser_refuses_at_the_first_bad_byte_of_a_method) {
  Parsed p("Ge");
  CHECK(p.result.kind == ParseResult::error);
  CHECK_EQ(p.result.status, 400);
}

TEST(parser_refuses_request_lines) {
  for (const char *line : {" / HTTP/1.1",
                           " GET / HTTP/1.1",
                           "G@T / HTTP/1.1",
                           "GeT / HTTP/1.1",
                           "get / HTTP/1.1",
                           "G3T / HTTP/1.1",
                           "G\xc3T / HTTP/1.1",
                           "GET\t/ HTTP/1.1",
                           "GET/ HTTP/1.1",
                           "G(T / HTTP/1.1",
                           "\x16\x03\x01 / HTTP/1.1",
                           "GET:/ HTTP/1.1",
                           "GET  / HTTP/1.1",
                           "GET /  HTTP/1.1",
                           "GET / HTTP/1.1 ",
                           "GET /a b HTTP/1.1",
                           "GET /\t HTTP/1.1",
                           "GET /\x01 HTTP/1.1",
                           "GET /\x7f HTTP/1.1",
                           "GET / HTTP/1.1\t",
                           "GET  HTTP/1.1",
                           "GET HTTP/1.1",
                           "GET / ",
                           "GET",
                           "GET / http/1.1",
                           "GET / HTTP/1.",
                           "GET / HTTP/1",
                           "GET / HTTP/.1",
                           "GET / HTTP/1.10",
                           "GET / HTTP/01.1",
                           "GET / HTTP/1.1x",
                           "GET / HTTP/1,1",
                           "GET / HTTP/a.1",
                           "GET / HTTP/11.1",
                           "GET / HTTP 1.1",
                           "GET / HTTPS/1.1",
                           "GET / XTTP/1.1",
                           "GET / HTTP/ 1.1",
                           "GET /\r HTTP/1.1",
                           "GET / HTTP/1.1\r",
                           "GET \r/ HTTP/1.1",
                           "GET\r / HTTP/1.1",
                           "GET foo HTTP/1.1",
                           "GET * HTTP/1.1",
                           "OPTIONS *x HTTP/1.1",
                           "GET ?x HTTP/1.1",
                           "GET #x HTTP/1.1",
                           "GET ftp://a/ HTTP/1.1",
                           "GET http:/a HTTP/1.1",
                           "GET http:// HTTP/1.1",
                           "GET http:///x HTTP/1.1",
                           "GET http://?x HTTP/1.1",
                           "GET http://u@b/ HTTP/1.1",
                           "GET http://a:b/ HTTP/1.1",
                           "GET http://a#x HTTP/1.1",
                           "GET http://a\\b/ HTTP/1.1",
                           "GET //a:b@ HTTP/1.1 HTTP/1.1",
                           "CONNECT a HTTP/1.1",
                           "CONNECT /a HTTP/1.1",
                           "CONNECT a: HTTP/1.1",
                           "CONNECT a:b HTTP/1.1",
                           "CONNECT http://a/ HTTP/1.1",
                           "CONNECT a:80/x HTTP/1.1",
                           "PRI * HTTP/1.1"})
    REFUSED(400, with_host("", line));
  REFUSED(400, with_host("", Str("GET /\0 HTTP/1.1", 15)));
  REFUSED(400, with_host("", Str("GET\0/ HTTP/1.1", 14)));
  REFUSED(400, with_host("", Str("\0GET / HTTP/1.1", 15)));
  for (const char *line : {"GET / HTTP/0.9", "GET / HTTP/0.1", "GET / HTTP/2.0", "PRI * HTTP/2.0", "GET / HTTP/3.1"})
    REFUSED(505, with_host("", line));
  TAKEN(with_host("", "GET / HTTP/1.2"));
  TAKEN(with_host("", "GET /\x80\xff HTTP/1.1"));
  TAKEN(with_host("", "GET HTTPS://A HTTP/1.1"));
  TAKEN(with_host("", "GET http://a. HTTP/1.1"));
  TAKEN(with_host("", "GET /<>\"{}|\\^`[]@ HTTP/1.1"));
}

TEST(parser_refusals_leave_the_log_what_nginx_has) {
  const std::vector<std::pair<std::string, const char *>> cases = {
      {with_host("", "G@T / HTTP/1.1"), "client sent invalid method"},
      {with_host("", "GET /a b HTTP/1.1"), "client sent invalid request"},
      {with_host("", "GET / HTTP/2.0"), "client sent invalid version"},
      {with_host("X\r\n"), "client sent invalid header line"},
      {get("Host: a/b\r\n"), "client sent invalid host header"},
      {get("Host: a\r\nHost: a\r\n"), "client sent duplicate host header"},
      {get(""), "client sent HTTP/1.1 request without \"Host\" header"},
      {with_host("", "GET http://a@b/ HTTP/1.1"), "client sent invalid host in request line"},
      {with_host("Content-Length: x\r\n"), "client sent invalid \"Content-Length\" header"},
      {with_host("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
       "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time"},
      {get("Transfer-Encoding: chunked\r\n", "GET / HTTP/1.0"),
       "client sent HTTP/1.0 request with \"Transfer-Encoding\" header"},
  };
  for (const auto &[text, reason] : cases) {
    Parsed p(text);
    CHECK_EQ(Str(p.result.reason ? p.result.reason : ""), Str(reason));
  }
  // The request line is known only once it stands: the log says by it what was being read.
  CHECK_EQ(Parsed(with_host("", "GET foo HTTP/1.1")).head.request_line, Str());
  CHECK_EQ(Parsed(with_host("X\r\n")).head.request_line, Str("GET / HTTP/1.1"));
}

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

TEST(parser_absolute_form) {
  const std::pair<const char *, const char *> cases[] = {
      {"http://x", ""},       {"http://x/", "/"}, {"http://x?q=/", "?q=/"}, {"hTTps://x:1/a/b?c#d", "/a/b?c#d"},
      {"http://x//y", "//y"},
  };
  for (const auto &[target, origin] : cases) {
    Parsed p(with_host("", "GET " + std::string(target) + " HTTP/1.1"));
    CHECK_EQ(p.result.status, 0);
    CHECK_EQ(p.head.origin, Str(origin));
    CHECK_EQ(p.head.host_name(), Str("x"));
  }
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

TEST(parser_empty_lines_before) {
  std::string text = with_host("");
  for (int i = 0; i < 8; ++i) text = (i & 1 ? "\r\n" : "\n") + text;
  TAKEN(text);
  CHECK_EQ(Parsed(text).result.consumed, text.size());
  REFUSED(400, "\r\n" + text);
  REFUSED(400, "\r" + with_host(""));
  REFUSED(400, "\r\r\n" + with_host(""));
  REFUSED(-1, "");
  REFUSED(-1, "\r");
  REFUSED(-1, "\r\n\r\n");
}

TEST(parser_pieces_change_nothing) {
  for (const std::string &text : kWhole) {
    const Parsed whole(text);
    CHECK(whole.result.kind == ParseResult::complete);
    for (size_t n = 0; n <= text.size(); ++n) {
      Parsed part(Str(text).substr(0, n));
      const std::string expected = n < whole.result.consumed ? "incomplete" : describe(whole);
      if (describe(part) != expected) {
        CHECK_EQ(std::to_string(n) + " bytes of " + text + ": " + describe(part), expected);
        break;
      }
    }
  }
}

TEST(parser_limits_at_their_borders) {
  ParseLimits limits;
  limits.line = 100;
  limits.total = 300;
  auto line = [](size_t n) { return "GET /" + std::string(n - 16, 'a') + " HTTP/1.1\r\n"; };
  auto field = [](size_t n) { return "X: " + std::string(n - 5, 'a') + "\r\n"; };
  const std::string host = "Host: a\r\n";
  CHECK_EQ(line(100).size(), 100u);
  CHECK_EQ(field(100).size(), 100u);
  CHECK_EQ(status_of(line(100) + host + "\r\n", limits), 0);
  CHECK_EQ(status_of(line(101) + host + "\r\n", limits), 414);
  CHECK_EQ(status_of(line(50) + host + field(100) + "\r\n", limits), 0);
  CHECK_EQ(status_of(line(50) + host + field(101) + "\r\n", limits), 494);
  // Heads that have not ended: refused as soon as they cannot end in time.
  CHECK_EQ(status_of(line(100).substr(0, 99), limits), -1);
  CHECK_EQ(status_of(line(101).substr(0, 100), limits), 414);
  CHECK_EQ(status_of(std::string(100, 'G'), limits), 414);
  CHECK_EQ(status_of(line(50) + field(100).substr(0, 99), limits), -1);
  CHECK_EQ(status_of(line(50) + field(101).substr(0, 100), limits), 494);
  // The whole: 50 + 9 + 80 + 80 + 79 + 2.
  const std::string most = line(50) + host + field(80) + field(80) + field(79) + "\r\n";
  CHECK_EQ(most.size(), 300u);
  CHECK_EQ(status_of(most, limits), 0);
  CHECK_EQ(status_of("\r\n\r\n" + most, limits), 0);  // empty lines before it do not count
  CHECK_EQ(status_of(line(50) + host + field(80) + field(80) + field(80) + "\r\n", limits), 494);
  CHECK_EQ(status_of((line(50) + host + field(80) + field(80) + field(80) + "\r\n").substr(0, 300), limits), 494);
  CHECK_EQ(status_of(most.substr(0, 299), limits), -1);
  // Bytes of a body do not count.
  CHECK_EQ(status_of(most + std::string(1000, 'b'), limits), 0);
}

TEST(parser_number_of_fields) {
  std::string fields;
  for (uint32_t i = 1; i < kMaxHeaders; ++i) fields += "X: y\r\n";
  TAKEN(with_host(fields));
  REFUSED(494, with_host(fields + "X: y\r\n"));
  Parsed p(with_host(fields));
  CHECK_EQ(p.head.headers.size(), kMaxHeaders);
}

TEST(parser_rebase_moves_every_view) {
  for (const std::string &text : kWhole) {
    Parsed p(text);
    const std::string before = describe(p);
    std::unique_ptr<char[]> copy(new char[p.result.consumed]);
    memcpy(copy.get(), p.bytes.get(), p.result.consumed);
    std::vector<HttpHeader> room(p.head.headers.size() + 1);
    p.head.rebase(p.bytes.get(), copy.get(), room.data(), static_cast<uint32_t>(room.size()));
    memset(p.bytes.get(), '!', text.size());
    p.room.assign(p.room.size(), HttpHeader{});
    CHECK_EQ(describe(p), before);
  }
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
