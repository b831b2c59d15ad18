// SPDX-License-Identifier: MIT
// SSI commands: the pieces in which a page arrives change nothing, no byte of text is lost, and a command's text reads the same.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "http/modules/ssi_parser.h"

using namespace mw;

#define REQUIRE(cond) ((cond) ? (void)0 : die(#cond, __LINE__))

namespace {

constexpr size_t kValueLimit = 32;

[[noreturn]] void die(const char *what, int line) {
  std::fprintf(stderr, "line %d: %s\n", line, what);
  std::abort();
}

void check_command(const SsiParser &p) {
  REQUIRE(p.name().size() <= SsiParser::kNameMost && !p.name().empty());
  REQUIRE(p.params().size() <= SsiParser::kParamsMost);
  for (const SsiParam &param : p.params()) {
    REQUIRE(!param.name.empty() && param.name.size() <= SsiParser::kNameMost);
    REQUIRE(param.value.size() < kValueLimit);
  }
}

/// The command's text gives the same command.
void check_text(const SsiParser &p) {
  std::string text = p.command_text();
  SsiParser again(kValueLimit);
  Str in(text);
  REQUIRE(again.next(in).kind == SsiPiece::command && in.empty());
  REQUIRE(again.name() == p.name() && again.params().size() == p.params().size());
  for (size_t i = 0; i < p.params().size(); ++i)
    REQUIRE(again.params()[i].name == p.params()[i].name && again.params()[i].value == p.params()[i].value);
}

/// What comes out of pieces of `piece` bytes, or of ever new sizes when it is 0.
std::string parse(Str page, size_t piece, uint64_t seed) {
  SsiParser parser(kValueLimit);
  std::string out;
  size_t at = 0;
  while (at < page.size()) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    Str part = page.substr(at, piece ? piece : 1 + (seed >> 40) % 20);
    at += part.size();
    std::unique_ptr<char[]> copy(new char[part.size()]);
    part.copy(copy.get(), part.size());
    Str in(copy.get(), part.size());
    for (;;) {
      size_t before = in.size();
      SsiPiece got = parser.next(in);
      REQUIRE(in.size() <= before);
      if (got.kind == SsiPiece::need_more) break;
      if (got.kind == SsiPiece::plain) REQUIRE(!got.text.empty());
      if (got.kind == SsiPiece::plain) out += got.text;
      if (got.kind == SsiPiece::error) out += "{" + std::string(parser.error()) + "}";
      if (got.kind != SsiPiece::command) continue;
      check_command(parser);
      check_text(parser);
      out += "{" + parser.command_text() + "}";
    }
    REQUIRE(in.empty());
  }
  return out + "|" + std::string(parser.rest());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Str page(reinterpret_cast<const char *>(data), size);
  std::string whole = parse(page, SIZE_MAX, 0);
  REQUIRE(whole == parse(page, 1, 0));
  REQUIRE(whole == parse(page, 3, 0));
  REQUIRE(whole == parse(page, 0, size));
  if (page.find("<!--#") == Str::npos) {
    size_t bar = whole.rfind('|');
    REQUIRE(whole.substr(0, bar) + whole.substr(bar + 1) == page);
  }
  return 0;
}
