// SPDX-License-Identifier: MIT
// See loop.h. One turn: wait, events, posted tasks, timers, posted tasks, deferred tasks.
#include "loop/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

namespace mw {

void Loop::Queue::push(Task *t) {
  t->next = nullptr;
  t->is_queued = true;
  if (last)
    last->next = t;
  else
    first = t;
  last = t;
}

Task *Loop::Queue::pop() {
  Task *t = first;
  if (!t) return nullptr;
  first = t->next;
  if (!first) last = nullptr;
  t->is_queued = false;
  return t;
}

bool Loop::Queue::take_out(Task *t) {
  Task *before = nullptr, *at = first;
  for (; at && at != t; at = at->next) before = at;
  if (!at) return false;
  if (before)
    before->next = t->next;
  else
    first = t->next;
  if (last == t) last = before;
  t->is_queued = false;
  return true;
}

Loop::~Loop() {
  for (Mail *m = mail_.exchange(nullptr); m;) {
    Mail *next = m->next;
    delete m;
    m = next;
  }
  if (epoll_fd_ >= 0) close(epoll_fd_);
  if (event_fd_ >= 0) close(event_fd_);
}

bool Loop::open() {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return false;
  // What was sent before there was a loop to wake is read at once.
  event_fd_ = eventfd(mail_.load(std::memory_order_relaxed) ? 1 : 0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (event_fd_ < 0) return false;
  wake_.loop = this;
  wake_.ready = on_wake;
  update_time();
  wheel_.start(now_ms_);
  return watch(event_fd_, &wake_, EPOLLIN);
}

void Loop::update_time() {
  Clock clock = clock_now();
  uint64_t now = static_cast<uint64_t>(clock.mono_ms);
  if (now == now_ms_ && clock.wall_ms == wall_ms_) return;
  now_ms_ = now;
  wall_ms_ = clock.wall_ms;
  if (on_tick) on_tick(this, on_tick_arg);
}

bool Loop::watch(int fd, IoHandler *handler, uint32_t events) {
  epoll_event ev{};
  ev.events = events | EPOLLET;
  ev.data.ptr = handler;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &ev) == 0;
}

void Loop::unwatch(int fd) { epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); }

void Loop::post(Task *task) {
  if (!task->is_queued) posted_.push(task);
}

void Loop::post_next(Task *task) {
  if (!task->is_queued) next_.push(task);
}

void Loop::unpost(Task *task) {
  if (task->is_queued && !posted_.take_out(task)) next_.take_out(task);  // or it waits among the deferred ones
}

void Loop::defer(Task *task) {
  if (!task->is_queued) deferred_.push(task);
}

void Loop::send(std::function<void()> fn) {
  Mail *m = new Mail{nullptr, std::move(fn)};
  Mail *head = mail_.load(std::memory_order_relaxed);
  do m->next = head;
  while (!mail_.compare_exchange_weak(head, m, std::memory_order_release, std::memory_order_relaxed));
  if (head) return;  // whoever put the first one wakes the loop
  uint64_t one = 1;
  // EAGAIN would mean 2^64 - 1 unread wakes: the loop is awake then.
  while (write(event_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Loop::on_wake(IoHandler *h, uint32_t) {
  Loop *loop = static_cast<Wake *>(h)->loop;
  uint64_t count;
  while (read(loop->event_fd_, &count, sizeof count) < 0 && errno == EINTR) {
  }
  loop->read_mail();
}

void Loop::read_mail() {
  Mail *m = mail_.exchange(nullptr, std::memory_order_acquire);
  Mail *ordered = nullptr;
  while (m) {  // the stack is newest first
    Mail *next = m->next;
    m->next = ordered;
    ordered = m;
    m = next;
  }
  while (ordered) {
    Mail *next = ordered->next;
    ordered->fn();
    delete ordered;
    ordered = next;
  }
}

void Loop::run_queue(Queue &q) {
  if (!q.first) return;
  // Only what is queued now: a task that posts itself again waits for the next turn, so that I/O is never starved. The end
  // is a mark of our own, since a task may take out any other.
  Task mark;
  q.push(&mark);
  for (Task *t = q.pop(); t != &mark; t = q.pop()) t->run(t);
}

void Loop::run() {
  constexpr int kBatch = 512;
  epoll_event events[kBatch];
  stopping_ = false;
  while (!stopping_) {
    int timeout = -1;
    if (posted_.first || next_.first || deferred_.first) {
      timeout = 0;
    } else {
      int64_t delay = wheel_.next_delay(now_ms_);
      if (delay >= 0) timeout = delay > 3600000 ? 3600000 : static_cast<int>(delay);
    }
    if (before_wait) before_wait(this, timeout, before_wait_arg);
    int n = epoll_wait(epoll_fd_, events, kBatch, timeout);
    update_time();
    while (next_.first) posted_.push(next_.pop());
    for (int i = 0; i < n; ++i) {
      IoHandler *h = static_cast<IoHandler *>(events[i].data.ptr);
      h->ready(h, events[i].events);
    }
    run_queue(posted_);
    wheel_.advance(now_ms_);
    run_queue(posted_);
    if (after_turn) after_turn(this, after_turn_arg);
    run_queue(deferred_);
  }
  while (Task *t = deferred_.pop()) t->run(t);
}

}  // namespace mw
