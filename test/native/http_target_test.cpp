// SPDX-License-Identifier: MIT
// Targets in normal form. The expected values are nginx's $uri and $args for the same target.
#include "http/target.h"

#include <memory>
#include <string>
#include <vector>

#include "check.h"

using namespace mw;

namespace {

/// "PATH ? ARGS", or "refused". Input and room have exact sizes, for the sanitizer.
std::string normal(Str origin, bool merge = true) {
  std::unique_ptr<char[]> copy(new char[origin.size()]), room(new char[origin.size() + 1]);
  origin.copy(copy.get(), origin.size());
  TargetParts parts;
  if (!target_normalize({copy.get(), origin.size()}, merge, room.get(), parts)) return "refused";
  return std::string(parts.path) + " ? " + std::string(parts.args);
}

struct Case {
  const char *origin, *expected;
};

}  // namespace

TEST(target_normal_form) {
  const Case cases[] = {
      {"/", "/ ? "},
      {"", "/ ? "},
      {"*", "* ? "},
      {"?a", "/ ? a"},
      {"/?", "/ ? "},
      {"/a/b", "/a/b ? "},
      {"/a?b?c", "/a ? b?c"},
      {"/a?b#c", "/a ? b"},
      {"/a#b?c", "/a ? "},
      {"/a?#", "/a ? "},
      {"/#", "/ ? "},
      {"/a?b=/../%zz//", "/a ? b=/../%zz//"},
      {"//", "/ ? "},
      {"///a////b//", "/a/b/ ? "},
      {"/./", "/ ? "},
      {"/.", "/ ? "},
      {"/a/.", "/a/ ? "},
      {"/a/./b", "/a/b ? "},
      {"/a/..", "/ ? "},
      {"/a/../", "/ ? "},
      {"/a/b/../c", "/a/c ? "},
      {"/a/b/..", "/a/ ? "},
      {"/a/b/../..", "/ ? "},
      {"/a//../b", "/b ? "},
      {"/a/./../b", "/b ? "},
      {"/a/.//../b", "/b ? "},
      {"/.a", "/.a ? "},
      {"/..a", "/..a ? "},
      {"/...", "/... ? "},
      {"/a..", "/a.. ? "},
      {"/a.", "/a. ? "},
      {"/a./b", "/a./b ? "},
      {"/.../x", "/.../x ? "},
      {"/%61", "/a ? "},
      {"/%2e", "/ ? "},
      {"/%2E%2e/", "refused"},
      {"/a/%2e%2e/b", "/b ? "},
      {"/a/.%2e/b", "/b ? "},
      {"/a%2fb", "/a/b ? "},
      {"/a%2f%2fb", "/a/b ? "},
      {"/a%2f..%2fb", "/b ? "},
      {"/%2f", "/ ? "},
      {"/a%3fb?c", "/a?b ? c"},
      {"/a%23b", "/a#b ? "},
      {"/a%25b", "/a%b ? "},
      {"/%252e%252e/", "/%2e%2e/ ? "},
      {"/a%20b+c", "/a b+c ? "},
      {"/%ff\xff", "/\xff\xff ? "},
      {"/%0a", "/\n ? "},
      {"/%5c..%5c", "/\\..\\ ? "},
      {"/a%3f/../b", "/b ? "},
      {"/a/%2e%2e%2e/b", "/a/.../b ? "},
      {"/..", "refused"},
      {"/../", "refused"},
      {"/../a", "refused"},
      {"/a/../../b", "refused"},
      {"/./..", "refused"},
      {"//..", "refused"},
      {"/%2e%2e", "refused"},
      {"/a/%2e%2e/%2E./b", "refused"},
      {"/%00", "refused"},
      {"/a%00b", "refused"},
      {"/%", "refused"},
      {"/%4", "refused"},
      {"/%4?1", "refused"},
      {"/%zz", "refused"},
      {"/%4g", "refused"},
      {"/%g4", "refused"},
      {"/a%", "refused"},
      {"/%#41", "refused"},
      {"/%%41", "refused"},
      {"/%+1", "refused"},
  };
  for (const Case &c : cases)
    if (normal(c.origin) != c.expected) CHECK_EQ(std::string(c.origin) + " -> " + normal(c.origin), c.expected);
}

TEST(target_slashes_kept) {
  const Case cases[] = {
      {"//", "// ? "},        {"///a////b//", "///a////b// ? "}, {"/a//../b", "/a/b ? "},   {"//..", "/ ? "},
      {"//../..", "refused"}, {"/a//.//b", "/a///b ? "},         {"/a%2f%2fb", "/a//b ? "}, {"/./", "/ ? "},
      {"/a/../b", "/b ? "},
  };
  for (const Case &c : cases)
    if (normal(c.origin, false) != c.expected)
      CHECK_EQ(std::string(c.origin) + " -> " + normal(c.origin, false), c.expected);
}

TEST(target_plain_is_a_view) {
  for (Str origin : {Str("/"), Str("/a/b.c"), Str("/a/b.c?d"), Str("/a#b"), Str("*"),
                     Str("/a-path-of-more-than-sixteen-bytes/b?c=d#e")}) {
    char room[64];
    TargetParts parts;
    CHECK(target_normalize(origin, true, room, parts));
    CHECK(parts.path.data() == origin.data());
  }
}

TEST(target_at_every_distance) {
  // The same work wherever the scan finds it.
  for (size_t n = 0; n < 70; ++n) {
    const std::string lead = "/" + std::string(n, 'x'), tail(70 - n, 'y');
    CHECK_EQ(normal(lead + "%41" + tail), lead + "A" + tail + " ? ");
    CHECK_EQ(normal(lead + "//" + tail), n ? lead + "/" + tail + " ? " : "/" + tail + " ? ");
    CHECK_EQ(normal(lead + "/./" + tail), n ? lead + "/" + tail + " ? " : "/" + tail + " ? ");
    CHECK_EQ(normal(lead + "/../" + tail), n ? "/" + tail + " ? " : "refused");
    CHECK_EQ(normal(lead + "?" + tail), lead + " ? " + tail);
    CHECK_EQ(normal(lead + "#" + tail), lead + " ? ");
    CHECK_EQ(normal(lead + "?" + tail + "#z"), lead + " ? " + tail);
    CHECK_EQ(normal(lead + "/."), n ? lead + "/ ? " : "/ ? ");
    CHECK_EQ(normal(lead + "/"), n ? lead + "/ ? " : "/ ? ");
  }
}
