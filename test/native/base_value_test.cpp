// SPDX-License-Identifier: MIT
// The tagged encoding: what is written reads back the same, and no bytes make the reader go wrong.
#include "base/value.h"

#include "check.h"

using namespace mw;

static Value text(const char *s) {
  Value v;
  v.tag = Value::string;
  v.str = s;
  return v;
}

static Value sample() {
  Value n, i, u, list, t;
  n.tag = Value::number;
  n.num = -0.5;
  i.tag = Value::integer;
  i.inum = INT64_MIN;
  u.tag = Value::unsigned_;
  u.inum = -1;
  list.tag = Value::array;
  list.items = {text(""), n, i, Value(), u};
  t.tag = Value::table;
  t.pairs = {{text("list"), list}, {n, text("value")}};
  return t;
}

TEST(value_round_trip) {
  std::string bytes, again;
  value_encode(bytes, sample());
  Value v;
  CHECK(value_decode(v, bytes));
  value_encode(again, v);
  CHECK(bytes == again);
  CHECK(v.get("list") != nullptr && v.get("list")->items[2].inum == INT64_MIN);
  CHECK(v.get("list")->items[4].tag == Value::unsigned_ && v.get("list")->items[4].inum == -1);
  CHECK(v.get("value") == nullptr);
}

TEST(value_truncated_or_followed_by_more_is_refused) {
  std::string bytes;
  value_encode(bytes, sample());
  Value v;
  for (size_t size = 0; size < bytes.size(); ++size) CHECK(!value_decode(v, Str(bytes).substr(0, size)));
  CHECK(!value_decode(v, bytes + '\0'));
}

TEST(value_bad_tags_counts_keys_and_depth_are_refused) {
  Value v;
  CHECK(!value_decode(v, Str("\x0a", 1)));
  CHECK(!value_decode(v, Str("\x05\xff\xff\xff\xff", 5)));          // an array of 4 G items
  CHECK(!value_decode(v, Str("\x06\x01\x00\x00\x00\x01\x01", 7)));  // false as a key
  std::string deep;
  for (int i = 0; i < 64; ++i) deep.append("\x05\x01\x00\x00\x00", 5);
  CHECK(value_decode(v, deep + '\0'));
  CHECK(!value_decode(v, deep + std::string("\x05\x01\x00\x00\x00", 5) + '\0'));
}
