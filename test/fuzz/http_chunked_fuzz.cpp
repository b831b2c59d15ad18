// SPDX-License-Identifier: MIT
// Chunked bodies: the pieces in which one arrives change nothing, and its data, encoded anew, decodes the same.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "http/chunked.h"

using namespace mw;

#define REQUIRE(cond) ((cond) ? (void)0 : die(#cond, __LINE__))

namespace {

[[noreturn]] void die(const char *what, int line) {
  std::fprintf(stderr, "line %d: %s\n", line, what);
  std::abort();
}

struct Decoded {
  std::string data;
  size_t consumed = 0;
  ChunkedResult::Kind end = ChunkedResult::need_more;
  int32_t status = 0;
};

/// Feeds pieces of `piece` bytes, or of ever new sizes when it is 0.
Decoded decode(Str body, size_t piece, uint64_t seed) {
  ChunkedDecoder decoder;
  Decoded out;
  while (out.consumed < body.size()) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    Str part = body.substr(out.consumed, piece ? piece : 1 + (seed >> 40) % 40);
    std::unique_ptr<char[]> copy(new char[part.size()]);
    part.copy(copy.get(), part.size());
    Str in(copy.get(), part.size());
    while (!in.empty()) {
      ChunkedResult r = decoder.feed(in);
      REQUIRE(r.consumed > 0 && r.consumed <= in.size());
      if (r.kind == ChunkedResult::span) {
        REQUIRE(!r.data.empty() && r.data.data() >= in.data() &&
                r.data.data() + r.data.size() == in.data() + r.consumed);
        out.data += r.data;
      } else {
        REQUIRE(r.data.empty());
      }
      REQUIRE(r.kind != ChunkedResult::need_more || r.consumed == in.size());
      in.remove_prefix(r.consumed);
      out.consumed += r.consumed;
      if (r.kind == ChunkedResult::error) REQUIRE(r.status == 400 || r.status == 413);
      if (r.kind == ChunkedResult::error || r.kind == ChunkedResult::done) {
        out.end = r.kind;
        out.status = r.status;
        return out;
      }
    }
  }
  return out;
}

void check_same(const Decoded &a, const Decoded &b) {
  REQUIRE(a.data == b.data && a.consumed == b.consumed && a.end == b.end && a.status == b.status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Str body(reinterpret_cast<const char *>(data), size);
  Decoded whole = decode(body, SIZE_MAX, 0);
  check_same(whole, decode(body, 1, 0));
  check_same(whole, decode(body, 7, 0));
  check_same(whole, decode(body, 0, size));
  if (whole.end != ChunkedResult::done) return 0;
  REQUIRE(body.substr(0, whole.consumed).ends_with("\r\n"));
  std::string encoded;
  for (size_t i = 0; i < whole.data.size(); i += 10) {
    std::string part = whole.data.substr(i, 10);
    char digits[20];
    std::snprintf(digits, sizeof digits, "%zX\r\n", part.size());
    encoded += digits + part + "\r\n";
  }
  encoded += "0\r\n\r\n";
  Decoded again = decode(encoded + "GET", 0, size);
  REQUIRE(again.end == ChunkedResult::done && again.data == whole.data && again.consumed == encoded.size());
  return 0;
}
