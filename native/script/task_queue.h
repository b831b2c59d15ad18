// SPDX-License-Identifier: MIT
// Tasks that run right after the current resume, before the loop's turn goes on: a list linked through the tasks.
#pragma once
#include "loop/loop.h"

namespace mw {

struct TaskQueue {
  Task *first = nullptr, *last = nullptr;

  bool is_empty() const { return !first; }
  /// One that is queued, here or elsewhere, stays where it is.
  void push_back(Task *task) {
    if (!take_in(task, nullptr)) return;
    if (first)
      last->next = task;
    else
      first = task;
    last = task;
  }
  void push_front(Task *task) {
    if (!take_in(task, first)) return;
    if (!first) last = task;
    first = task;
  }
  /// There must be one.
  Task *pop() {
    Task *task = first;
    first = task->next;
    task->is_queued = false;
    return task;
  }
  /// False when it is not in here.
  bool remove(Task *task) {
    Task *before = nullptr;
    for (Task *at = first; at != task; at = at->next) {
      if (!at) return false;
      before = at;
    }
    (before ? before->next : first) = task->next;
    if (last == task) last = before;
    task->is_queued = false;
    return true;
  }

 private:
  static bool take_in(Task *task, Task *next) {
    if (task->is_queued) return false;
    task->is_queued = true;
    task->next = next;
    return true;
  }
};

}  // namespace mw
