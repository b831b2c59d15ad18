// SPDX-License-Identifier: MIT
// plan_decode: members by name, defaults where they are left out, and a name in the message where one does not fit.
#include "config.h"

#include "base/value.h"
#include "check.h"

using namespace mw;

namespace {

Value text(const char *s) {
  Value v;
  v.tag = Value::string;
  v.str = s;
  return v;
}
Value number(double n) {
  Value v;
  v.tag = Value::number;
  v.num = n;
  return v;
}
Value list(std::vector<Value> items) {
  Value v;
  v.tag = Value::array;
  v.items = std::move(items);
  return v;
}
Value table(std::vector<std::pair<const char *, Value>> members) {
  Value v;
  v.tag = Value::table;
  for (auto &[name, item] : members) v.pairs.emplace_back(text(name), std::move(item));
  return v;
}
PlanRef decode(const Value &v, std::string &error) {
  std::string bytes;
  value_encode(bytes, v);
  return plan_decode(bytes.data(), bytes.size(), error);
}

}  // namespace

TEST(plan_members_and_defaults) {
  Value conf = table({{"root", list({text("/srv/"), table({{"var", number(2)}}), table({{"capture", number(1)}})})},
                      {"scripts", list(std::vector<Value>(8, number(-1)))}});
  Value location = table({{"match", number(Location::regex)}, {"name", text("^/a")}, {"conf", conf}});
  Value server = table({{"locations", list({location})}});
  std::string error;
  PlanRef plan = decode(table({{"worker_processes", number(3)}, {"servers", list({server})}}), error);
  CHECK_EQ(error, "");
  CHECK_EQ(plan->worker_processes, 3u);
  CHECK_EQ(plan->worker_connections, 512u);
  const Location &l = plan->servers[0].locations[0];
  CHECK(l.match == Location::regex);
  CHECK_EQ(l.conf.root.parts.size(), 3u);
  CHECK_EQ(l.conf.root.parts[1].var, 2);
  CHECK_EQ(l.conf.root.parts[2].capture, 1);
  CHECK_EQ(l.conf.keepalive_timeout, 75000u);
  CHECK_EQ(plan->servers[0].conf.scripts[0], -1);
}

TEST(plan_names_what_does_not_fit) {
  std::string error;
  CHECK(decode(table({{"worker_processes", text("many")}}), error) == nullptr);
  CHECK_EQ(error, "the plan has an unfit \"worker_processes\"");
  CHECK(decode(table({{"worker_processes", number(-1)}}), error) == nullptr);
  CHECK(decode(table({{"servers", list({number(1)})}}), error) == nullptr);
  CHECK_EQ(error, "the plan has an unfit \"servers\"");
  CHECK(decode(list({}), error) == nullptr);
  CHECK_EQ(error, "the plan is not an encoded table");
}
