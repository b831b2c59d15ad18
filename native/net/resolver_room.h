// SPDX-License-Identifier: MIT
// How many names a resolver keeps, and when it looks for those that can go: seldom enough that it costs a lookup nothing.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace mw {

class ResolverRoom {
 public:
  static constexpr size_t kFew = 10000;   ///< up to so many names nothing is done
  static constexpr size_t kMost = 40000;  ///< from here on valid ones go too

  /// Once a second, or as soon as the names have doubled or reached the limit.
  bool is_sweep_due(size_t names, uint64_t now_ms) const {
    return names >= kFew && (names >= next_size_ || now_ms >= next_ms_);
  }
  /// How many of `names`, all of them valid, are to go: a good part at once, so that the next time is far.
  static size_t excess(size_t names) { return names >= kMost ? names - kMost / 2 : 0; }
  /// `names` are left.
  void swept(size_t names, uint64_t now_ms) {
    next_size_ = names < kMost ? std::min(std::max(names * 2, kFew), kMost) : names * 2;
    next_ms_ = now_ms + 1000;
  }

 private:
  size_t next_size_ = kFew;
  uint64_t next_ms_ = 0;
};

}  // namespace mw
