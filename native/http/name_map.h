// SPDX-License-Identifier: MIT
// A map from names to pointers that is filled once and asked for every request: open addressing in a table that is at most
// half full, and a hash of the name's ends. The keys are the configuration's, so nobody outside can make them collide; they are
// not copied and must outlive the map.
#pragma once
#include <string.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/str.h"

namespace mw {

template <class T>
class NameMap {
 public:
  bool empty() const { return size_ == 0; }

  /// Keeps what the name has already.
  void add(Str name, T *value) {
    if (find(name)) return;
    if (2 * ++size_ > slots_.size()) grow();
    put({name, value});
  }

  /// Null where there is none.
  T *find(Str name) const {
    if (size_ == 0) return nullptr;
    for (size_t i = hash(name);; ++i) {
      const Slot &slot = slots_[i & mask_];
      if (!slot.value || slot.name == name) return slot.value;
    }
  }

 private:
  struct Slot {
    Str name;
    T *value = nullptr;
  };

  static uint64_t word(const char *p, size_t n) {
    uint64_t w = 0;
    memcpy(&w, p, n);
    return w;
  }

  static size_t hash(Str s) {
    size_t n = s.size();
    uint64_t first = 0, last = 0;
    if (n >= 8) {
      first = word(s.data(), 8);
      last = word(s.data() + n - 8, 8);
    } else if (n >= 4) {
      first = word(s.data(), 4);
      last = word(s.data() + n - 4, 4);
    } else if (n > 0) {
      first = static_cast<unsigned char>(s[0]) | static_cast<uint64_t>(static_cast<unsigned char>(s[n / 2])) << 8;
      last = static_cast<unsigned char>(s[n - 1]);
    }
    uint64_t h = (first + n) * 0x9e3779b97f4a7c15 ^ last * 0xc2b2ae3d27d4eb4f;
    return static_cast<size_t>(h ^ h >> 32);
  }

  void put(const Slot &slot) {
    size_t i = hash(slot.name);
    while (slots_[i & mask_].value) ++i;
    slots_[i & mask_] = slot;
  }

  void grow() {
    std::vector<Slot> before(slots_.empty() ? 8 : 2 * slots_.size());
    before.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot &slot : before)
      if (slot.value) put(slot);
  }

  std::vector<Slot> slots_;
  size_t size_ = 0, mask_ = 0;
};

}  // namespace mw
