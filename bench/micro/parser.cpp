// SPDX-License-Identifier: MIT
// The cost of parsing one request head, of a target's normal form and of chunked framing, in ns.
// Build: g++ -O2 -std=c++20 -fno-exceptions -fno-rtti -Inative bench/micro/parser.cpp native/http/parser.cpp
//        native/http/target.cpp native/http/chunked.cpp
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "http/chunked.h"
#include "http/parser.h"
#include "http/target.h"

using namespace mw;

namespace {
constexpr int kRounds = 200000, kSamples = 15;

/// The best of some samples: what the code costs when nobody else has the core.
template <class F>
void measure(const char *name, F call) {
  double best = 1e9;
  for (int s = 0; s < kSamples; ++s) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) call();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / kRounds);
  }
  std::printf("%-44s %8.1f ns\n", name, best);
}

uint64_t sum = 0;  // what was parsed must look used

void parse(const std::string &text) {
  asm volatile("" ::: "memory");
  static HttpHeader room[32];
  RequestHead head;
  head.headers.use(room, 32);
  ParseResult result = parser_parse_head(head, text.data(), text.size(), {});
  sum += result.consumed + head.headers.size() + head.target.size();
}

void normalize(Str target) {
  asm volatile("" ::: "memory");
  char room[512];
  TargetParts parts;
  target_normalize(target, true, room, parts);
  sum += parts.path.size() + parts.args.size();
}

void decode(Str body) {
  ChunkedDecoder d;
  while (!body.empty()) {
    ChunkedResult r = d.feed(body);
    sum += r.data.size();
    body.remove_prefix(r.consumed);
    if (r.kind == ChunkedResult::done) break;
  }
}
}  // namespace

int main() {
  const std::string host = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
  const std::string eight =
      "GET /api/v1/users?page=2&limit=50 HTTP/1.1\r\nHost: www.example.com\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 "
      "Safari/537.36\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n"
      "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n"
      "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nReferer: https://www.example.com/start\r\n\r\n";
  std::string chunks;
  for (int i = 0; i < 10; ++i) chunks += "40\r\n" + std::string(64, 'x') + "\r\n";
  chunks += "0\r\n\r\n";
  std::string longer;
  for (int i = 0; i < 20; ++i) longer += "/directory";
  measure("head with Host alone", [&] { parse(host); });
  measure("head with 8 typical fields", [&] { parse(eight); });
  measure("plain target", [&] { normalize("/api/v1/users?page=2&limit=50"); });
  measure("plain target of 200 bytes", [&] { normalize(longer); });
  measure("target with an escape and a ..", [&] { normalize("/api/v1/../v2/us%65rs?page=2"); });
  measure("ten chunks of 64 bytes", [&] { decode(chunks); });
  return sum == 0;
}
