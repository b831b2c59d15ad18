// SPDX-License-Identifier: MIT
// The request line and the head as a whole: what is taken and how it is understood, what is refused and with which status,
// the limits at their borders, and that the pieces in which a head arrives change nothing.
#include "parsed_head.h"

using namespace mw;

static const std::string kWhole[] = {
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
