// SPDX-License-Identifier: MIT
// SSI commands: what is read, what is none and why, limits at their borders, and that pieces change nothing.
#include <memory>
#include <string>

#include "check.h"
#include "http/modules/ssi_parser.h"

using namespace mw;

namespace {

/// Text as it is, commands as [name a=b c=d], errors as {why}, what is left at the end behind a bar.
std::string read(Str page, size_t piece = SIZE_MAX, size_t limit = 16) {
  SsiParser parser(limit);
  std::string out;
  while (!page.empty()) {
    Str part = page.substr(0, piece);
    page.remove_prefix(part.size());
    std::unique_ptr<char[]> copy(new char[part.size()]);  // exact, for the sanitizer
    part.copy(copy.get(), part.size());
    Str in(copy.get(), part.size());
    for (SsiPiece got = parser.next(in); got.kind != SsiPiece::need_more; got = parser.next(in)) {
      if (got.kind == SsiPiece::plain) out += got.text;
      if (got.kind == SsiPiece::error) out += "{" + std::string(parser.error()) + "}";
      if (got.kind != SsiPiece::command) continue;
      out += "[" + std::string(parser.name());
      for (const SsiParam &p : parser.params()) out += " " + std::string(p.name) + "=" + std::string(p.value);
      out += "]";
    }
    if (!in.empty()) return "stopped early";
  }
  return out + "|" + std::string(parser.rest());
}

const std::pair<std::string, std::string> kCases[] = {
    {"plain < text <! <!- <!-- <!---# >", "plain < text <! <!- <!-- <!---# >|"},
    {"a<!--#echo-->z", "a[echo]z|"},
    {"a<!--# echo \n\t -->z", "a[echo]z|"},
    {"<!--#a b=\"c\" d='e'-->", "[a b=c d=e]|"},
    {"<!--#a b = \"c\"\td\r=\n'e' -->", "[a b=c d=e]|"},
    {"<!--#a b=\"\" -->", "[a b=]|"},
    {"<!--#a b=\"1\\\"2\\\\3\\n'\" -->", "[a b=1\"2\\3\\n']|"},
    {"<!--#a b='1\\'2\"' -->", "[a b=1'2\"]|"},
    {"<!--#a b=\"-->\" -->", "[a b=-->]|"},
    {"<<<!--#a--><!<!--#b-->", "<<[a]<![b]|"},
    {"a<!--", "a|<!--"},
    {"a<!--#", "a|"},
    {"a<!--#echo var=\"x", "a|"},
    {"<!--# -->z", "{unexpected \"-\" symbol in \"\" SSI command}z|"},
    {"<!--#a b=c -->z", "{unexpected \"c\" symbol before value of \"b\" parameter in \"a\" SSI command}z|"},
    {"<!--#a b \"c\" -->z", "{unexpected \"\"\" symbol after \"b\" parameter in \"a\" SSI command}z|"},
    {"<!--#a b-->z", "{unexpected \"-\" symbol after \"b\" parameter in \"a\" SSI command}z|"},
    {"<!--#a b=\"c\"d -->z", "{unexpected \"d\" symbol after \"c\" value of \"b\" parameter in \"a\" SSI command}z|"},
    {"<!--#a -x>-->z", "{unexpected \"x\" symbol in \"a\" SSI command}z|"},
    {"<!--#a --->z", "{unexpected \"-\" symbol in \"a\" SSI command}z|"},
    {"<!--#a ->-->z", "{unexpected \">\" symbol in \"a\" SSI command}z|"},
    {"<!--#a b=\"123456789012345\" -->", "[a b=123456789012345]|"},
    {"<!--#a b=\"1234567890123456\" -->z",
     "{too long \"1234567890123456...\" value of \"b\" parameter in \"a\" SSI command}z|"},
    {"<!--#" + std::string(32, 'n') + " -->", "[" + std::string(32, 'n') + "]|"},
    {"<!--#" + std::string(33, 'n') + " -->", "{the \"" + std::string(33, 'n') + "...\" SSI command is too long}|"},
    {"<!--#a " + std::string(33, 'n') + "='' -->",
     "{too long \"" + std::string(33, 'n') + "...\" parameter in \"a\" SSI command}|"},
};

TEST(ssi_commands) {
  for (const auto &[page, expected] : kCases)
    for (size_t piece : {SIZE_MAX, size_t{1}, size_t{2}, size_t{5}, size_t{11}}) CHECK_EQ(read(page, piece), expected);
}

TEST(ssi_parameters_at_their_limit) {
  std::string params, shown;
  for (int i = 0; i < 16; ++i) {
    params += " p='v'";
    shown += " p=v";
  }
  CHECK_EQ(read("<!--#a" + params + "-->"), "[a" + shown + "]|");
  CHECK_EQ(read("<!--#a" + params + " q='v'-->z"), "{too many SSI command parameters: \"a\"}z|");
}

}  // namespace
