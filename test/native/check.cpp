// SPDX-License-Identifier: MIT
// The main of native_test: runs every registered case (or those whose name holds argv[1]) on one thread.
#include "check.h"

#include <cstdio>
#include <cstring>

namespace check {
static int failures_of_case = 0;

std::vector<Case> &cases() {
  static std::vector<Case> all;
  return all;
}

void fail(const char *file, int line, const std::string &text) {
  ++failures_of_case;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
}
}  // namespace check

int main(int argc, char **argv) {
  int passed = 0, failed = 0;
  for (const check::Case &c : check::cases()) {
    if (argc > 1 && !std::strstr(c.name, argv[1])) continue;
    check::failures_of_case = 0;
    c.run();
    if (check::failures_of_case == 0) {
      ++passed;
    } else {
      ++failed;
      std::fprintf(stderr, "FAIL %s (%s)\n", c.name, c.file);
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
