// SPDX-License-Identifier: MIT
// A native thread for Lua: its stack is large enough that Lua's own limit is met first, whatever recurses through C. A level of
// string.gsub() with a callback takes 9 KB of C stack and about nine of Lua's 65,500 stack slots. Pages are taken as they are
// touched. Started and joined by its owner.
#pragma once
#include <pthread.h>

#include <cstddef>
#include <functional>

namespace mw {

class Thread {
 public:
  Thread() = default;
  ~Thread() { join(); }
  Thread(const Thread &) = delete;
  Thread &operator=(const Thread &) = delete;
  /// Aborts where the system has no thread left, as std::thread does.
  void start(std::function<void()> main);
  void join();

 private:
  pthread_t thread_{};
  bool is_started_ = false;
  std::function<void()> main_;
};

/// The calling thread's stack, lowest address first; of a Thread's own thread, else null.
struct StackBounds {
  const char *low = nullptr, *high = nullptr;
};
StackBounds thread_stack();
/// How much of its stack the calling thread uses now; 0 outside of a Thread.
size_t thread_stack_used();

}  // namespace mw
