// SPDX-License-Identifier: MIT
// base/regex.h: matches, groups, names, error texts and limits.
#include "base/regex.h"

#include <thread>

#include "check.h"

using namespace mw;

namespace {

struct Owned {
  char error[256] = "";
  Regex *re;
  Owned(Str pattern, uint32_t flags) : re(regex_compile(pattern, flags, error, sizeof error)) {}
  ~Owned() { regex_free(re); }
  int exec(Str subject, size_t start, const size_t **ov) const { return regex_exec(*re, subject, start, ov); }
};

}  // namespace

TEST(regex_reports_groups_and_unset_groups) {
  for (uint32_t jit : {0u, static_cast<uint32_t>(REGEX_JIT)}) {
    Owned o("(a)(x)?(b)", jit);
    CHECK(o.re != nullptr);
    const size_t *ov = nullptr;
    CHECK_EQ(o.exec("zab", 0, &ov), 4);
    CHECK_EQ(ov[0], 1u);
    CHECK_EQ(ov[1], 3u);
    CHECK(ov[4] == SIZE_MAX);
    CHECK_EQ(ov[6], 2u);
    CHECK_EQ(o.exec("zzz", 0, &ov), REGEX_NOMATCH);
    CHECK_EQ(o.exec("ab", 1, &ov), REGEX_NOMATCH);
    CHECK(o.exec("ab", 3, &ov) < REGEX_NOMATCH);
  }
}

TEST(regex_names_its_groups) {
  Owned o("(?<year>\\d+)-(\\d+)-(?<day>\\d+)", REGEX_JIT);
  CHECK_EQ(o.re->name_count, 2u);
  uint32_t group = 0;
  CHECK_EQ(regex_name(*o.re, 0, &group), Str("day"));
  CHECK_EQ(group, 3u);
  CHECK_EQ(regex_name(*o.re, 1, &group), Str("year"));
  CHECK_EQ(group, 1u);
}

TEST(regex_error_names_pattern_and_place) {
  Owned open("(abc", 0);
  CHECK(open.re == nullptr);
  CHECK_EQ(Str(open.error), Str("pcre2_compile() failed: missing closing parenthesis in \"(abc\""));
  Owned middle("a**+b", 0);
  CHECK(middle.re == nullptr);
  CHECK_EQ(Str(middle.error),
           Str("pcre2_compile() failed: quantifier does not follow a repeatable item in \"a**+b\" at \"*+b\""));
  char tiny[8];
  CHECK(regex_compile("(", 0, tiny, sizeof tiny) == nullptr);
  CHECK_EQ(Str(tiny), Str("pcre2_c"));
}

TEST(regex_limits_and_dfa) {
  const size_t *ov = nullptr;
  Owned slow("(a+)+$", 0);
  regex_set_match_limit(100);
  CHECK(slow.exec("aaaaaaaaaaaaaaaaaaaaaaaaab", 0, &ov) < REGEX_NOMATCH);
  regex_set_match_limit(0);
  CHECK_EQ(slow.exec("aaab", 0, &ov), REGEX_NOMATCH);
  Owned dfa("(a|ab)(c)?", REGEX_DFA);
  CHECK_EQ(dfa.exec("abc", 0, &ov), 1);
  CHECK_EQ(ov[1], 3u);
  CHECK(regex_set_jit_stack(1));
  Owned jit("(a+)b", REGEX_JIT);
  CHECK_EQ(jit.exec("aab", 0, &ov), 2);
}

TEST(regex_is_shared_by_threads) {
  Owned o("(\\w+)@(\\w+)", REGEX_JIT);
  auto work = [&o] {
    const size_t *ov = nullptr;
    for (int i = 0; i < 2000; ++i)
      if (o.exec("me@here", 0, &ov) != 3 || ov[5] != 7) return false;
    return true;
  };
  bool ok = false;
  std::thread other([&] { ok = work(); });
  CHECK(work());
  other.join();
  CHECK(ok);
}
