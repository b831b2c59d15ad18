// SPDX-License-Identifier: MIT
// Chunked bodies: what is decoded, what is refused, the bounds at their borders, and that pieces change nothing.
#include "http/chunked.h"

#include <memory>
#include <string>
#include <vector>

#include "check.h"

using namespace mw;

namespace {

/// "DATA|CONSUMED" of a body fed in pieces of `piece` bytes, "... more" when it has no end, or "STATUS".
std::string decode(Str body, size_t piece = SIZE_MAX) {
  ChunkedDecoder d;
  std::string data;
  size_t consumed = 0;
  while (consumed < body.size()) {
    Str part = body.substr(consumed, piece);
    std::unique_ptr<char[]> copy(new char[part.size()]);  // exact, for the sanitizer
    part.copy(copy.get(), part.size());
    Str in(copy.get(), part.size());
    while (!in.empty()) {
      ChunkedResult r = d.feed(in);
      if (r.consumed > in.size() || (r.consumed == 0 && r.kind != ChunkedResult::done)) return "consumed wrongly";
      in.remove_prefix(r.consumed);
      consumed += r.consumed;
      data += r.data;
      if (r.kind == ChunkedResult::error) return std::to_string(r.status);
      if (r.kind == ChunkedResult::done) return data + "|" + std::to_string(consumed);
      if (r.kind == ChunkedResult::need_more && !in.empty()) return "stopped early";
    }
  }
  return data + "|" + std::to_string(consumed) + " more";
}

const std::pair<std::string, std::string> kTaken[] = {
    {"0\r\n\r\n", "|5"},
    {"5\r\nhello\r\n0\r\n\r\nGET /", "hello|15"},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world|26"},
    {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789|35"},
    {"00000005\r\nhello\r\n000\r\n\r\n", "hello|24"},
    {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello|45"},
    {"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello|21"},
    {"5 ; a = b \t;\tc=\"d;\\\"e\\\\ \xff\"\r\nhello\r\n0\r\n\r\n", "hello|40"},
    {"5;a=\"\"\r\nhello\r\n0\r\n\r\n", "hello|20"},
    {"5\r\n\r\n\r\n0\r\n0\r\n\r\n", "\r\n\r\n0|15"},
    {"1\r\na\r\n0\r\nX: y\r\nContent-Length: 3\r\nE:\r\n\r\n", "a|40"},
    {"1\r\na\r\n0\r\nX:\t\xff \t\r\n\r\nrest", "a|19"},
};

const char *const kRefused[] = {
    "\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "\t5\r\nhello\r\n",
    "0x5\r\nhello\r\n",
    "+5\r\nhello\r\n",
    "-5\r\nhello\r\n",
    "5h\r\nhello\r\n",
    "g\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n",
    "5\r\rhello",
    "\n5\r\n",
    "5 \r\nhello\r\n",
    "5\t\r\nhello\r\n",
    "5 5\r\nhello\r\n",
    "5,5\r\nhello\r\n",
    "5;\r\nhello\r\n",
    "5; \r\nhello\r\n",
    "5;a \r\nhello\r\n",
    "5;a;\r\nhello\r\n",
    "5;=b\r\nhello\r\n",
    "5;a=\r\nhello\r\n",
    "5;a=;\r\n",
    "5;a==b\r\n",
    "5;a b\r\n",
    "5;a=b c\r\n",
    "5;a=b=c\r\n",
    "5;a=\"b\r\nhello\r\n",
    "5;a=\"b\\\r\n",
    "5;a=\"b\"c\r\n",
    "5;a=b\"c\"\r\n",
    "5;\x80\r\n",
    "5;a=\x80\r\n",
    "5;a\nb\r\nhello\r\n",
    "5;a\rb\r\n",
    "5;a=\"b\nc\"\r\n",
    "5;a=\"\x01\"\r\n",
    "5;a=\"\x7f\"\r\n",
    "5;a=\"\\\x01\"\r\n",
    "3\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r0\r\n",
    "5\r\nhello\r\n\r\n",
    "0\r\n\n",
    "0\r\n\rX",
    "0\n\r\n",
    "0\r\nfoo\r\n\r\n",
    "0\r\n: x\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX: a\r\n b\r\n\r\n",
    "0\r\n X: a\r\n\r\n",
    "0\r\nX: a\nY: b\r\n\r\n",
    "0\r\nX: a\rb\r\n\r\n",
    "0\r\nX: \x01\r\n\r\n",
    "0\r\nX: \x7f\r\n\r\n",
    "0\r\nX\x80: a\r\n\r\n",
    "0\r\nX: a\r\n\n",
    "8000000000000000\r\n",
    "ffffffffffffffff\r\n",
    "10000000000000005\r\nhello\r\n",
    "00000000000000005\r\nhello\r\n",
    "fffffffffffffffff\r\n",
    "100000000000000000000005\r\nhello\r\n",
};

}  // namespace

TEST(chunked_takes) {
  for (const auto &[body, expected] : kTaken) CHECK_EQ(decode(body), expected);
}

TEST(chunked_refuses) {
  for (const char *body : kRefused) {
    if (decode(body) != "400") CHECK_EQ(std::string(body) + " -> " + decode(body), "400");
    if (decode(body, 1) != "400") CHECK_EQ(std::string(body) + " bytewise -> " + decode(body, 1), "400");
  }
  CHECK_EQ(decode(Str("5;a=\"\0\"\r\n", 9)), "400");
  CHECK_EQ(decode(Str("0\r\nX: \0\r\n\r\n", 11)), "400");
  CHECK_EQ(decode(Str("\0", 1)), "400");
}

TEST(chunked_pieces_change_nothing) {
  for (const auto &[body, expected] : kTaken) {
    for (size_t piece = 1; piece <= body.size(); ++piece) CHECK_EQ(decode(body, piece), expected);
    const size_t end = std::stoul(expected.substr(expected.rfind('|') + 1));
    for (size_t n = 0; n < end; ++n)
      if (decode(Str(body).substr(0, n)).find(" more") == std::string::npos) CHECK_EQ(body.substr(0, n), "unfinished");
  }
}

TEST(chunked_largest_size) {
  ChunkedDecoder d;
  Str in = "7fffffffffffffff\r\nx";
  ChunkedResult r = d.feed(in);
  CHECK(r.kind == ChunkedResult::span);
  CHECK_EQ(r.data, Str("x"));
}

TEST(chunked_extensions_are_bounded) {
  auto body = [](size_t n) { return "1;" + std::string(n, 'e') + "\r\nx\r\n0\r\n\r\n"; };
  CHECK(decode(body(ChunkedDecoder::kMaxDecoration - 1)).starts_with("x|"));
  CHECK_EQ(decode(body(ChunkedDecoder::kMaxDecoration)), "413");
  std::string many;  // in sum, over the whole body
  for (int i = 0; i < 200; ++i) many += "1;" + std::string(100, 'e') + "\r\nx\r\n";
  CHECK_EQ(decode(many + "0\r\n\r\n"), "413");
  CHECK_EQ(decode(many + "0\r\n\r\n", 1), "413");
  CHECK_EQ(decode("1;" + std::string(20000, ' ')), "413");
  CHECK_EQ(decode("1" + std::string(20000, ' ')), "413");
  CHECK_EQ(decode("1;a=\"" + std::string(20000, ' ')), "413");
}

TEST(chunked_trailers_are_bounded) {
  auto body = [](size_t n) { return "0\r\nX:" + std::string(n - 4, 'v') + "\r\n\r\n"; };
  const size_t most = ChunkedDecoder::kMaxDecoration;
  CHECK(decode(body(most - 1)).starts_with("|"));  // its own line ends count, and the CR of the last
  CHECK_EQ(decode(body(most)), "413");
  std::string many = "0\r\n";
  for (int i = 0; i < 5000; ++i) many += "a:\r\n";
  CHECK_EQ(decode(many + "\r\n"), "413");
  CHECK_EQ(decode("0\r\n" + std::string(20000, 'n')), "413");
}

TEST(chunked_stays_refused) {
  ChunkedDecoder d;
  CHECK(d.feed("g").kind == ChunkedResult::error);
  ChunkedResult r = d.feed("5\r\nhello\r\n0\r\n\r\n");
  CHECK(r.kind == ChunkedResult::error);
  CHECK_EQ(r.status, 400);
}

TEST(chunked_stays_finished) {
  ChunkedDecoder d;
  CHECK(d.feed("0\r\n\r\n").kind == ChunkedResult::done);
  ChunkedResult r = d.feed("5\r\n");
  CHECK(r.kind == ChunkedResult::done);
  CHECK_EQ(r.consumed, 0u);
}
