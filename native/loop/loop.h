// SPDX-License-Identifier: MIT
// The event loop of one worker thread: edge-triggered epoll, timers, tasks for the end of the turn, a mailbox that other
// threads may post to. Everything but Loop::send() is for the loop's own thread.
// Handlers, timers and tasks are embedded in their owners; an owner that goes away while events of the same batch may still
// name it defers its own freeing with defer().
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>

#include "loop/timer_wheel.h"

namespace mw {

/// What epoll's data pointer names. `ready` gets the epoll event bits.
struct IoHandler {
  void (*ready)(IoHandler *, uint32_t events) = nullptr;
};

/// Work for later in this turn (post) or for after the event batch (defer). Embedded; in one queue at a time.
struct Task {
  Task *next = nullptr;
  void (*run)(Task *) = nullptr;
  bool is_queued = false;
};

class Loop {
 public:
  Loop() = default;
  ~Loop();
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;
  /// Creates the epoll and event descriptors. False with errno set when the kernel refuses.
  bool open();
  /// Runs until stop(); returns after the turn in which it was called.
  void run();
  void stop() { stopping_ = true; }

  /// Registers a descriptor, edge-triggered, for `events` (EPOLLIN | EPOLLOUT | EPOLLRDHUP as wanted). False with errno.
  bool watch(int fd, IoHandler *handler, uint32_t events);
  /// Takes it out; only needed when the descriptor stays open.
  void unwatch(int fd);

  void arm(Timer *t, uint64_t delay_ms) { wheel_.add(t, now_ms_ + delay_ms); }
  void arm_at(Timer *t, uint64_t deadline) { wheel_.add(t, deadline); }
  void disarm(Timer *t) { wheel_.cancel(t); }

  /// Runs `task` later in this turn, before the loop sleeps again; in order of posting. A queued one stays where it is.
  void post(Task *task);
  /// Takes a posted task out of the queue; harmless when it is not in it.
  void unpost(Task *task);
  /// Runs `task` in the next turn, behind the events that have come by then.
  void post_next(Task *task);
  /// Runs `task` when no event of the current batch can name its owner any more.
  void defer(Task *task);

  /// From any thread: runs `fn` on the loop's thread. Lock-free; the loop is woken when it sleeps.
  void send(std::function<void()> fn);

  uint64_t now_ms() const { return now_ms_; }   ///< cached monotonic ms
  int64_t wall_ms() const { return wall_ms_; }  ///< cached wall clock ms
  void update_time();

  /// Called once after each batch of events, tasks and timers, before the loop sleeps (may be null).
  void (*after_turn)(Loop *, void *) = nullptr;
  void *after_turn_arg = nullptr;
  /// Called before each wait with its longest time in ms, -1 for no end (may be null).
  void (*before_wait)(Loop *, int timeout, void *) = nullptr;
  void *before_wait_arg = nullptr;
  /// Called by update_time() when the cached clocks changed (may be null).
  void (*on_tick)(Loop *, void *) = nullptr;
  void *on_tick_arg = nullptr;

 private:
  struct Mail {
    Mail *next;
    std::function<void()> fn;
  };
  struct Wake : IoHandler {
    Loop *loop = nullptr;
  };
  struct Queue {
    Task *first = nullptr;
    Task *last = nullptr;
    void push(Task *t);
    Task *pop();
    bool take_out(Task *t);
  };
  static void on_wake(IoHandler *h, uint32_t events);
  void read_mail();
  void run_queue(Queue &q);

  int epoll_fd_ = -1;
  int event_fd_ = -1;
  bool stopping_ = false;
  uint64_t now_ms_ = 0;
  int64_t wall_ms_ = 0;
  Wake wake_;
  std::atomic<Mail *> mail_{nullptr};
  Queue posted_, next_, deferred_;
  TimerWheel wheel_;
};

}  // namespace mw
