// SPDX-License-Identifier: MIT
// See thread.h.
#include "base/thread.h"

#include <stdlib.h>

namespace mw {
namespace {

constexpr size_t kStack = size_t{128} << 20;

constinit thread_local StackBounds bounds;

void read_bounds() {
  pthread_attr_t attr;
  if (pthread_getattr_np(pthread_self(), &attr) != 0) return;
  void *low = nullptr;
  size_t size = 0;
  if (pthread_attr_getstack(&attr, &low, &size) == 0) {
    bounds.low = static_cast<const char *>(low);
    bounds.high = bounds.low + size;
  }
  pthread_attr_destroy(&attr);
}

void *enter(void *arg) {
  read_bounds();
  (*static_cast<std::function<void()> *>(arg))();
  return nullptr;
}

}  // namespace

void Thread::start(std::function<void()> main) {
  main_ = std::move(main);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kStack);
  int error = pthread_create(&thread_, &attr, enter, &main_);
  pthread_attr_destroy(&attr);
  if (error != 0) error = pthread_create(&thread_, nullptr, enter, &main_);  // a process with little address space
  if (error != 0) abort();
  is_started_ = true;
}

void Thread::join() {
  if (!is_started_) return;
  is_started_ = false;
  pthread_join(thread_, nullptr);
}

StackBounds thread_stack() { return bounds; }

size_t thread_stack_used() {
  const char *here = static_cast<const char *>(__builtin_frame_address(0));
  return bounds.high ? static_cast<size_t>(bounds.high - here) : 0;
}

}  // namespace mw
