// SPDX-License-Identifier: MIT
// Targets: an accepted path is in normal form, fits its room, and normalises to itself once escaped.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "http/target.h"

using namespace mw;

#define REQUIRE(cond) ((cond) ? (void)0 : die(#cond, __LINE__))

namespace {

[[noreturn]] void die(const char *what, int line) {
  std::fprintf(stderr, "line %d: %s\n", line, what);
  std::abort();
}

/// Normalises an exact copy in exact room, so that a sanitizer sees both ends.
bool normalize(Str origin, bool merge, std::string &path, std::string &args) {
  std::unique_ptr<char[]> copy(new char[origin.size()]), room(new char[origin.size() + 1]);
  origin.copy(copy.get(), origin.size());
  TargetParts parts;
  if (!target_normalize({copy.get(), origin.size()}, merge, room.get(), parts)) return false;
  path = parts.path;
  args = parts.args;
  return true;
}

void check(Str origin, bool merge) {
  std::string path, args;
  if (!normalize(origin, merge, path, args)) return;
  REQUIRE(path == "*" || path[0] == '/');
  REQUIRE(path.size() <= origin.size() + 1);
  REQUIRE(path.find('\0') == std::string::npos || origin.find('\0') != Str::npos);
  REQUIRE(!merge || path.find("//") == std::string::npos);
  const std::string closed = path + "/";
  REQUIRE(closed.find("/./") == std::string::npos && closed.find("/../") == std::string::npos);
  REQUIRE(args.find('#') == std::string::npos);
  REQUIRE(args.empty() || origin.find("?" + args) != Str::npos);
  std::string escaped;
  for (char c : path) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
    escaped += c == '%' || c == '?' || c == '#' ? std::string(hex) : std::string(1, c);
  }
  std::string again, none;
  REQUIRE(normalize(escaped, merge, again, none) && again == path && none.empty());
  REQUIRE(normalize(escaped + "?" + args + "#x", merge, again, none) && again == path && none == args);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Str origin(reinterpret_cast<const char *>(data), size);
  check(origin, true);
  check(origin, false);
  return 0;
}
