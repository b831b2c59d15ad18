// SPDX-License-Identifier: MIT
// Seeded random operations on a shared dictionary, compared call by call with a plain std::map that follows the manual.
// The roomy run must agree exactly; in the tight run entries may vanish by eviction, but none may be wrong.
#include <deque>
#include <map>
#include <random>
#include <string>

#include "check.h"
#include "shm/dict.h"

using namespace mw;

namespace {
struct Entry {
  ShmType type = ShmType::nil;
  double num = 0;
  std::string str;
  std::deque<std::string> list;
  uint64_t expires = 0;
  uint32_t flags = 0;
};

struct Run {
  ShmDictRef d;
  std::map<std::string, Entry> model;
  std::mt19937 rng;
  uint64_t now = 1000;
  bool tight;
  Run(uint64_t size, bool is_tight, unsigned seed) : rng(seed), tight(is_tight) {
    std::string error;
    d = shm_dict_create("model", size, error);
  }
  Entry *find(const std::string &key) {
    auto it = model.find(key);
    return it == model.end() || (it->second.expires && it->second.expires <= now) ? nullptr : &it->second;
  }
  std::string key() { return std::string(1 + rng() % 3 * 20, 'k') + std::to_string(rng() % (tight ? 900 : 300)); }
  uint64_t deadline(uint64_t ttl) { return ttl ? now + ttl : 0; }

  void store() {
    std::string k = key(), s(rng() % (rng() % 20 == 0 ? 9000 : 90), static_cast<char>('a' + rng() % 26));
    ShmInput v{rng() % 3 == 0 ? ShmType::number : rng() % 4 == 0 ? ShmType::boolean : ShmType::string, 0, s};
    v.num = v.type == ShmType::boolean ? double(rng() % 2) : double(rng() % 1000) / 8;
    auto op = static_cast<ShmStore>(rng() % 3);
    if (op == ShmStore::set && rng() % 5 == 0) v = {};
    uint64_t ttl = rng() % 2 ? 0 : 1 + rng() % 50;
    uint32_t flags = rng();
    bool forcible, safe = rng() % 2;
    ShmStatus s1 = shm_dict_store(*d, op, safe, k, v, ttl, flags, now, forcible);
    bool valid = find(k);
    if (s1 == ShmStatus::no_memory) {
      CHECK(tight);
      if (valid && op != ShmStore::add) model.erase(k);
      return;
    }
    CHECK(tight || !forcible);
    if (op == ShmStore::replace && s1 == ShmStatus::not_found) return tight ? (void)model.erase(k) : CHECK(!valid);
    if (op == ShmStore::add && s1 == ShmStatus::exists) return CHECK(valid);
    CHECK(s1 == ShmStatus::ok);
    if (op == ShmStore::replace) CHECK(valid);
    if (op == ShmStore::add && !tight) CHECK(!valid);
    if (v.type == ShmType::nil)
      model.erase(k);
    else
      model[k] = {v.type, v.num, v.type == ShmType::string ? s : "", {}, deadline(ttl), flags};
  }

  void get() {
    std::string k = key();
    char buf[10000];
    ShmOutput out;
    ShmStatus s = shm_dict_get(*d, k, false, now, buf, sizeof buf, out);
    Entry *e = find(k);
    if (s == ShmStatus::not_found && tight) return (void)model.erase(k);
    CHECK_EQ(s != ShmStatus::not_found, e != nullptr);
    if (!e || s == ShmStatus::not_found) return;
    CHECK(out.type == e->type && (s == ShmStatus::is_list) == (e->type == ShmType::list));
    if (e->type == ShmType::list) return;
    CHECK_EQ(out.flags, e->flags);
    if (e->type == ShmType::string)
      CHECK(Str(buf, out.size) == e->str);
    else
      CHECK_EQ(out.num, e->num);
  }

  void incr() {
    std::string k = key();
    double step = double(rng() % 100) / 4, init = 3, result;
    bool with_init = rng() % 2, forcible;
    uint64_t ttl = rng() % 2 ? 0 : 20;
    ShmStatus s = shm_dict_incr(*d, k, step, with_init ? &init : nullptr, ttl, now, result, forcible);
    Entry *e = find(k);
    if (s == ShmStatus::not_found) {
      CHECK(!with_init && (tight || !e));
      model.erase(k);
    } else if (s == ShmStatus::not_number) {
      CHECK(e && e->type != ShmType::number);
    } else if (s == ShmStatus::ok) {
      bool fresh = !e || (tight && result == init + step && with_init && result != e->num + step);
      CHECK_EQ(result, fresh ? init + step : e->num + step);
      if (fresh)
        model[k] = {ShmType::number, result, "", {}, deadline(ttl), 0};
      else
        e->num = result;
      if (tight && e && e->type != ShmType::number) model[k] = {ShmType::number, result, "", {}, deadline(ttl), 0};
    } else {
      CHECK(tight && s == ShmStatus::no_memory);
      model.erase(k);
    }
  }

  void list() {
    std::string k = "list" + std::to_string(rng() % 20), v(rng() % 60, static_cast<char>('A' + rng() % 26));
    auto end = rng() % 2 ? ShmEnd::left : ShmEnd::right;
    uint64_t len = 0;
    char buf[100];
    ShmOutput out;
    Entry *e = find(k);
    if (rng() % 2) {
      CHECK(shm_dict_push(*d, end, k, {ShmType::string, 0, v}, now, len) == ShmStatus::ok);
      if (!e) e = &(model[k] = {ShmType::list, 0, "", {}, 0, 0});
      end == ShmEnd::left ? e->list.push_front(v) : e->list.push_back(v);
      CHECK_EQ(len, e->list.size());
    } else {
      ShmStatus s = shm_dict_pop(*d, end, k, now, buf, sizeof buf, out);
      CHECK_EQ(s == ShmStatus::ok, e != nullptr);
      if (!e) return;
      CHECK(Str(buf, out.size) == (end == ShmEnd::left ? e->list.front() : e->list.back()));
      end == ShmEnd::left ? e->list.pop_front() : e->list.pop_back();
      if (e->list.empty()) model.erase(k);
    }
    if (rng() % 30 == 0 && find(k)) {
      CHECK(shm_dict_expire(*d, k, 10, now) == ShmStatus::ok);
      find(k)->expires = now + 10;
    }
  }

  void keys() {
    std::string buf(200000, '\0');
    uint64_t count, valid = 0;
    uint64_t bytes = shm_dict_keys(*d, 0, now, buf.data(), buf.size(), count);
    CHECK(bytes <= buf.size());
    for (uint64_t at = 0; at < bytes;) {
      uint32_t len;
      std::memcpy(&len, &buf[at], 4);
      CHECK(find(buf.substr(at + 4, len)));
      at += 4 + len;
    }
    for (auto &[k, e] : model) valid += find(k) != nullptr;
    CHECK(tight ? count <= valid : count == valid);
  }

  void step(int i) {
    uint32_t dice = rng() % 100;
    if (dice < 40)
      store();
    else if (dice < 70)
      get();
    else if (dice < 85)
      incr();
    else if (dice < 95 && !tight)
      list();
    else if (dice == 99)
      now += rng() % 10;
    if (i % 1000 == 0) CHECK(shm_dict_verify(*d));
    if (i % 2000 == 0) keys();
    if (i % 5000 == 0) shm_dict_flush_expired(*d, rng() % 3 ? 0 : 5, now);
    if (i % 20000 == 19999) {
      shm_dict_flush_all(*d, now);
      model.clear();
    }
  }
};
}  // namespace

TEST(shm_model_roomy) {
  Run run(8 << 20, false, 7);
  for (int i = 0; i < 60000; ++i) run.step(i);
  CHECK_EQ(shm_dict_stats(*run.d).evicted, 0u);
  CHECK(shm_dict_stats(*run.d).expired > 0);
}

TEST(shm_model_tight) {
  Run run(64 << 10, true, 11);
  for (int i = 0; i < 60000; ++i) run.step(i);
  CHECK(shm_dict_stats(*run.d).evicted > 100);
}
