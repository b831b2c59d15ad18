// SPDX-License-Identifier: MIT
// NameMap: what was added is found, the first of a name, and nothing else, at every length and size.
#include "http/name_map.h"

#include <string>
#include <vector>

#include "check.h"

using namespace mw;

TEST(name_map_finds_what_was_added) {
  std::vector<std::string> names{""};
  std::vector<int> values(600);
  for (int i = 1; i < 600; ++i) names.push_back(std::string(static_cast<size_t>(i % 40), '/') + std::to_string(i));
  NameMap<int> map;
  CHECK(map.empty());
  CHECK(map.find("") == nullptr);
  for (size_t i = 0; i < names.size(); ++i) {
    CHECK(map.find(names[i]) == nullptr);
    map.add(names[i], &values[i]);
  }
  CHECK(!map.empty());
  for (size_t i = 0; i < names.size(); ++i) {
    CHECK(map.find(names[i]) == &values[i]);
    CHECK(map.find(names[i] + "/") == nullptr);
  }
}

TEST(name_map_keeps_the_first) {
  int one = 1, two = 2;
  NameMap<int> map;
  map.add("/a", &one);
  map.add("/a", &two);
  CHECK(map.find("/a") == &one);
}
