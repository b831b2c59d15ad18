// SPDX-License-Identifier: MIT
// Request heads: whatever the bytes, results lie within them, pieces and what follows change nothing, and an accepted head
// that is written anew reads the same.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "http/parser.h"

using namespace mw;

#define REQUIRE(cond) ((cond) ? (void)0 : die(#cond, __LINE__))

namespace {

[[noreturn]] void die(const char *what, int line) {
  std::fprintf(stderr, "line %d: %s\n", line, what);
  std::abort();
}

constexpr uint32_t kRoom = 64;

struct Parsed {
  std::unique_ptr<char[]> bytes;
  HttpHeader room[kRoom];
  RequestHead head;
  ParseResult result;
  Parsed(Str text, const ParseLimits &limits) : bytes(new char[text.size()]) {
    text.copy(bytes.get(), text.size());
    head.headers.use(room, kRoom);
    result = parser_parse_head(head, bytes.get(), text.size(), limits);
  }
};

void check_view(const Parsed &p, Str view) {
  if (!view.data()) return;
  REQUIRE(view.data() >= p.bytes.get() && view.data() + view.size() <= p.bytes.get() + p.result.consumed);
  REQUIRE(view.find_first_of(Str("\r\n\0", 3)) == Str::npos);
}

/// What an accepted head must hold, however it came to be.
void check_accepted(const Parsed &p, Str text) {
  const RequestHead &h = p.head;
  REQUIRE(p.result.consumed > 0 && p.result.consumed <= text.size());
  REQUIRE(text[p.result.consumed - 1] == '\n');
  for (Str v : {h.method, h.target, h.request_line, h.authority, h.origin}) check_view(p, v);
  REQUIRE(!h.method.empty() && !h.target.empty());
  REQUIRE(h.method_id == method_id(h.method));
  REQUIRE(h.target.find(' ') == Str::npos);
  REQUIRE(!(h.chunked && (h.has_content_length || h.http_minor == 0)));
  REQUIRE(h.content_length <= INT64_MAX);
  REQUIRE(h.authority_name_size <= h.authority.size());
  REQUIRE(h.http_minor == 0 || !h.authority.empty());
  REQUIRE(h.origin.empty() || h.origin[0] == '/' || h.origin[0] == '?' || h.origin == "*");
  uint32_t hosts = 0, lengths = 0, codings = 0;
  for (const HttpHeader &f : h.headers) {
    check_view(p, f.name);
    check_view(p, f.value);
    REQUIRE(!f.name.empty());
    for (char c : f.name) REQUIRE(parser_is_token(static_cast<unsigned char>(c)));
    REQUIRE(f.value.empty() || (f.value.front() != ' ' && f.value.front() != '\t'));
    REQUIRE(f.value.empty() || (f.value.back() != ' ' && f.value.back() != '\t'));
    hosts += str_iequal(f.name, "host");
    lengths += str_iequal(f.name, "content-length");
    codings += str_iequal(f.name, "transfer-encoding");
  }
  REQUIRE(hosts <= 1 && lengths == h.has_content_length && codings == h.chunked);
}

std::string write(const RequestHead &h) {
  std::string out =
      std::string(h.method) + " " + std::string(h.target) + " HTTP/1." + std::to_string(h.http_minor) + "\r\n";
  for (const HttpHeader &f : h.headers) out += std::string(f.name) + ": " + std::string(f.value) + "\r\n";
  return out + "\r\n";
}

void check_same(const Parsed &a, const Parsed &b) {
  REQUIRE(a.result.kind == b.result.kind);
  REQUIRE(a.result.status == b.result.status);
  if (a.result.kind != ParseResult::complete) return;
  const RequestHead &x = a.head, &y = b.head;
  REQUIRE(x.method == y.method && x.target == y.target && x.authority == y.authority && x.origin == y.origin);
  REQUIRE(x.method_id == y.method_id && x.http_minor == y.http_minor && x.keep_alive == y.keep_alive);
  REQUIRE(x.has_content_length == y.has_content_length && x.content_length == y.content_length);
  REQUIRE(x.chunked == y.chunked && x.expect_continue == y.expect_continue && x.is_upgrade == y.is_upgrade);
  REQUIRE(x.headers.size() == y.headers.size());
  const HttpHeader *other = y.headers.begin();
  for (const HttpHeader &f : x.headers) {
    REQUIRE(f.name == other->name && f.value == other->value);
    ++other;
  }
}

/// The parse of the first `n` bytes must fit that of all.
void check_piece(const Parsed &whole, Str text, size_t n, const ParseLimits &limits, bool tight) {
  Parsed part(text.substr(0, n), limits);
  if (part.result.kind == ParseResult::complete) return check_same(part, whole);
  if (part.result.kind == ParseResult::error) {
    REQUIRE(whole.result.kind == ParseResult::error);
    REQUIRE(tight || part.result.status == whole.result.status);
    return;
  }
  if (whole.result.kind == ParseResult::complete) REQUIRE(n < whole.result.consumed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Str text(reinterpret_cast<const char *>(data), size);
  uint64_t hash = size;
  for (char c : text) hash = hash * 31 + static_cast<unsigned char>(c);
  ParseLimits limits;
  limits.underscores = hash & 1;
  // With tight limits a piece may be refused for its length where the whole is refused for something later.
  bool tight = (hash >> 1) % 4 == 0;
  limits.line = tight ? 20 + hash % 100 : 1 << 20;
  limits.total = tight ? limits.line + hash % 300 : 1 << 20;
  Parsed whole(text, limits);
  for (int i = 0; i < 4; ++i) check_piece(whole, text, (hash >> (8 * i + 3)) % (size + 1), limits, tight);
  if (size) check_piece(whole, text, size - 1, limits, tight);
  REQUIRE((whole.result.kind == ParseResult::error) == (whole.result.reason != nullptr));
  if (whole.result.kind != ParseResult::complete) return 0;
  check_accepted(whole, text);
  check_piece(whole, text, whole.result.consumed, limits, tight);
  check_piece(whole, text, whole.result.consumed - 1, limits, tight);
  ParseLimits wide;
  wide.line = wide.total = 1 << 20;
  wide.underscores = true;
  Parsed again(write(whole.head), wide);
  check_same(whole, again);
  return 0;
}
