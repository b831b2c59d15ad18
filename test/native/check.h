// SPDX-License-Identifier: MIT
// A unit test runner of one page: TEST(name) { CHECK(...); CHECK_EQ(a, b); }. Every *_test.cpp under test/native is
// linked into one binary, `native_test [name-part]`, which prints each failure with file:line and ends with
// `N passed, N failed`. A test registers itself; nothing is listed by hand.
#pragma once
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace check {
struct Case {
  const char *file;
  const char *name;
  void (*run)();
};
std::vector<Case> &cases();
void fail(const char *file, int line, const std::string &text);
struct Registrar {
  Registrar(const char *file, const char *name, void (*run)()) { cases().push_back({file, name, run}); }
};
template <class A, class B>
void equal(const char *file, int line, const char *text, const A &a, const B &b) {
  if (a == b) return;
  std::ostringstream out;
  out << text << ": " << a << " != " << b;
  fail(file, line, out.str());
}
}  // namespace check

#define CHECK_CAT2(a, b) a##b
#define CHECK_CAT(a, b) CHECK_CAT2(a, b)
#define TEST(name)                                                                              \
  static void CHECK_CAT(test_, name)();                                                         \
  static check::Registrar CHECK_CAT(registrar_, name)(__FILE__, #name, CHECK_CAT(test_, name)); \
  static void CHECK_CAT(test_, name)()
#define CHECK(cond) ((cond) ? (void)0 : check::fail(__FILE__, __LINE__, #cond))
#define CHECK_EQ(a, b) check::equal(__FILE__, __LINE__, #a " == " #b, (a), (b))
