// SPDX-License-Identifier: MIT
// The buffer chain against a string as its model: appending, reserving, joining, consuming; files and who closes them.
#include "base/chain.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "check.h"

using namespace mw;

namespace {

std::string bytes_of(const Chain &c) {
  std::string out;
  uint64_t n = 0;
  for (Block *b = c.first(); b; b = b->next) {
    if (b->is_file())
      out += "<" + std::to_string(b->start) + "-" + std::to_string(b->end) + ">";
    else
      out += b->view();
    n += b->size();
  }
  CHECK_EQ(n, c.bytes());
  return out;
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST(chain_appends_and_consumes) {
  BlockPool pool;
  Chain c;
  CHECK(c.is_empty());
  c.append(pool, "");
  CHECK(c.is_empty());
  c.append(pool, "hello");
  c.append(pool, " world");
  CHECK_EQ(bytes_of(c), "hello world");
  CHECK(!c.first()->next);
  c.consume(pool, 0);
  c.consume(pool, 6);
  CHECK_EQ(bytes_of(c), "world");
  c.consume(pool, 5);
  CHECK(c.is_empty() && !c.first());
}

TEST(chain_large_text_spans_blocks) {
  BlockPool pool;
  Chain c;
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i) + ",";
  c.append(pool, "x");
  c.append(pool, text);
  CHECK(bytes_of(c) == "x" + text);
  c.consume(pool, BlockPool::kData);  // just the first block
  CHECK(bytes_of(c) == ("x" + text).substr(BlockPool::kData));
  CHECK_EQ(c.first()->start, 0u);
  c.consume(pool, BlockPool::kData + 1);
  CHECK(bytes_of(c) == ("x" + text).substr(BlockPool::kData * 2 + 1));
  c.clear(pool);
  CHECK(c.is_empty() && !c.first());
}

TEST(chain_reserve) {
  BlockPool pool;
  Chain c;
  char *p = c.reserve(pool, 100);
  memcpy(p, "abc", 3);
  c.advance(3);
  CHECK_EQ(c.reserve(pool, BlockPool::kData - 3), p + 3);
  p = c.reserve(pool, BlockPool::kData);  // another block: the first cannot hold so much
  memcpy(p, "def", 3);
  c.advance(3);
  CHECK_EQ(bytes_of(c), "abcdef");
  c.reserve(pool, BlockPool::kData);  // taken back: nothing was written
  c.consume(pool, 6);
  CHECK(c.is_empty());
  c.append(pool, "ghi");
  CHECK_EQ(bytes_of(c), "ghi");
  c.clear(pool);
}

TEST(chain_take_joins) {
  BlockPool pool;
  Chain a, b;
  a.append(pool, "a");
  b.append(pool, "b");
  a.take(pool, b);
  CHECK_EQ(bytes_of(a), "ab");
  CHECK(!a.first()->next);  // small memory was copied
  CHECK(b.is_empty() && !b.first());
  std::string big(5000, 'B');
  b.append(pool, big);
  Block *block = b.first();
  a.take(pool, b);
  CHECK(bytes_of(a) == "ab" + big);
  CHECK(a.first()->next == block);  // large moved
  b.append(pool, "after");
  a.take(pool, b);
  CHECK(bytes_of(a) == "ab" + big + "after");
  a.take(pool, b);  // an empty one
  CHECK(bytes_of(a) == "ab" + big + "after");
  a.clear(pool);
}

TEST(chain_files) {
  BlockPool pool;
  int mine = open("/dev/null", O_RDONLY), theirs = open("/dev/null", O_RDONLY);
  {
    Chain c, d;
    c.append(pool, "head");
    c.append_file(pool, theirs, true, 10, 30);
    c.append(pool, "tail");
    c.append_file(pool, mine, false, 0, 5);
    CHECK_EQ(bytes_of(c), "head<10-30>tail<0-5>");
    d.append(pool, "x");
    d.take(pool, c);
    CHECK_EQ(bytes_of(d), "xhead<10-30>tail<0-5>");
    d.consume(pool, 5 + 7);
    CHECK_EQ(bytes_of(d), "<17-30>tail<0-5>");
    CHECK(is_open(theirs));
    d.consume(pool, 13);
    CHECK(!is_open(theirs));
    CHECK_EQ(bytes_of(d), "tail<0-5>");
    d.clear(pool);
  }
  CHECK(is_open(mine));
  close(mine);
  Block *b = pool.get();  // a block that named a file is memory again
  CHECK(!b->is_file() && b->size() == 0 && !b->next);
  pool.put(b);
}

TEST(chain_large_block) {
  BlockPool pool;
  Block *b = pool.get(BlockPool::kData * 3);
  CHECK(b->capacity >= BlockPool::kData * 3);
  memset(b->data, 'x', BlockPool::kData * 3);
  pool.put(b);
  b = pool.get(1);
  CHECK_EQ(b->capacity, BlockPool::kData);
  pool.put(b);
}

TEST(chain_agrees_with_a_string) {
  BlockPool pool;
  Chain a, b;
  std::string model_a, model_b;
  uint64_t seed = 7;
  auto random = [&seed](size_t n) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<size_t>(seed >> 33) % n;
  };
  for (int round = 0; round < 3000; ++round) {
    std::string text(random(random(8) ? 100 : 40000), static_cast<char>('a' + round % 26));
    switch (random(4)) {
      case 0: a.append(pool, text), model_a += text; break;
      case 1: b.append(pool, text), model_b += text; break;
      case 2: a.take(pool, b), model_a += model_b, model_b.clear(); break;
      default: {
        size_t n = random(model_a.size() + 1);
        a.consume(pool, n);
        model_a.erase(0, n);
      }
    }
    if (bytes_of(a) != model_a || bytes_of(b) != model_b) {
      CHECK(!"as the model");
      break;
    }
  }
  a.clear(pool);
  b.clear(pool);
}
