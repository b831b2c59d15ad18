// SPDX-License-Identifier: MIT
// The event loop: order within a turn, tasks that post and take out others, timers, and mail from other threads.
#include "loop/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

using namespace mw;

namespace {

struct Job : Task {
  Loop *loop = nullptr;
  std::string *out = nullptr;
  char name = '?';
  Job *also = nullptr;
  int left = 0;
};

Job job(Loop &loop, std::string &out, char name, void (*run)(Task *)) {
  Job j;
  j.loop = &loop;
  j.out = &out;
  j.name = name;
  j.run = run;
  return j;
}

void note(Task *t) {
  Job *j = static_cast<Job *>(t);
  *j->out += j->name;
}

void note_and_stop(Task *t) {
  note(t);
  static_cast<Job *>(t)->loop->stop();
}

struct Alarm : Timer {
  Loop *loop = nullptr;
  std::string *out = nullptr;
};

}  // namespace

TEST(loop_runs_posted_tasks_in_order_once) {
  Loop loop;
  CHECK(loop.open());
  std::string out;
  Job a = job(loop, out, 'a', note), b = job(loop, out, 'b', note), c = job(loop, out, 'c', note_and_stop);
  loop.post(&a);
  loop.post(&b);
  loop.post(&a);  // stays where it is
  loop.post(&c);
  loop.run();
  CHECK_EQ(out, "abc");
}

TEST(loop_unpost) {
  Loop loop;
  CHECK(loop.open());
  std::string out;
  Job a = job(loop, out, 'a', note), b = job(loop, out, 'b', note), c = job(loop, out, 'c', note),
      d = job(loop, out, 'd', note_and_stop);
  loop.unpost(&a);  // not in it
  for (Job *j : {&a, &b, &c, &d}) loop.post(j);
  loop.unpost(&a);  // first
  loop.unpost(&c);  // in the middle
  loop.unpost(&d);  // last
  loop.post(&d);
  loop.run();
  CHECK_EQ(out, "bd");
}

TEST(loop_unpost_leaves_deferred_tasks) {
  Loop loop;
  CHECK(loop.open());
  std::string out;
  Job a = job(loop, out, 'a', note), b = job(loop, out, 'b', note), c = job(loop, out, 'c', note),
      p = job(loop, out, 'p', note), end = job(loop, out, '.', note_and_stop);
  loop.post(&p);
  for (Job *j : {&a, &b, &c, &end}) loop.defer(j);
  loop.unpost(&b);
  loop.run();
  CHECK_EQ(out, "pabc.");
}

TEST(loop_task_that_posts_itself_does_not_starve_the_rest) {
  Loop loop;
  CHECK(loop.open());
  std::string out;
  Job again = job(loop, out, 'r', [](Task *t) {
    Job *j = static_cast<Job *>(t);
    note(j);
    if (--j->left == 0) return j->loop->stop();
    if (j->also) j->loop->unpost(j->also);  // the last of those that were queued
    j->also = nullptr;
    j->loop->post(j);
  });
  Job last = job(loop, out, 'x', note);
  again.also = &last;
  again.left = 6;
  loop.post(&again);
  loop.post(&last);
  loop.after_turn = [](Loop *, void *s) { *static_cast<std::string *>(s) += '|'; };
  loop.after_turn_arg = &out;
  loop.run();
  CHECK_EQ(out, "rr|rr|rr|");  // twice a turn: before the timers and behind them
}

TEST(loop_turn_has_its_order) {
  Loop loop;
  CHECK(loop.open());
  struct Source : IoHandler {
    std::string *out;
    int fd;
    Job *task, *deferred;
    Loop *loop;
  } source;
  std::string out;
  Job task = job(loop, out, 't', note), deferred = job(loop, out, 'd', note_and_stop);
  source.out = &out;
  source.fd = eventfd(1, EFD_NONBLOCK);
  source.task = &task;
  source.deferred = &deferred;
  source.loop = &loop;
  source.ready = [](IoHandler *h, uint32_t) {
    Source *s = static_cast<Source *>(h);
    *s->out += 'e';
    s->loop->defer(s->deferred);
    s->loop->post(s->task);
  };
  Alarm alarm;
  alarm.out = &out;
  alarm.fire = [](Timer *t) { *static_cast<Alarm *>(t)->out += 'T'; };
  loop.arm(&alarm, 0);
  CHECK(loop.watch(source.fd, &source, EPOLLIN));
  loop.after_turn = [](Loop *, void *s) { *static_cast<std::string *>(s) += '|'; };
  loop.after_turn_arg = &out;
  loop.run();
  CHECK_EQ(out, "etT|d");
  loop.unwatch(source.fd);
  close(source.fd);
}

TEST(loop_timers_are_on_time) {
  Loop loop;
  CHECK(loop.open());
  std::string out;
  Alarm a, b, c;
  for (Alarm *x : {&a, &b, &c}) {
    x->loop = &loop;
    x->out = &out;
    x->fire = [](Timer *t) {
      Alarm *self = static_cast<Alarm *>(t);
      CHECK(self->loop->now_ms() >= self->deadline);
      *self->out += 'T';
      if (self->out->size() == 2) self->loop->stop();
    };
  }
  uint64_t start = loop.now_ms();
  loop.arm(&a, 30);
  loop.arm(&b, 10);
  loop.arm(&c, 20);
  loop.disarm(&c);
  loop.run();
  CHECK_EQ(out, "TT");
  CHECK(loop.now_ms() - start >= 30);
  CHECK(loop.now_ms() - start < 2000);
}

TEST(loop_mail_from_other_threads_comes_in_order) {
  Loop loop;
  CHECK(loop.open());
  constexpr int kThreads = 4, kMails = 2000;
  std::vector<int> last(kThreads, -1);
  int got = 0;
  bool in_order = true;
  const std::thread::id here = std::this_thread::get_id();
  std::vector<std::thread> threads;
  for (int n = 0; n < kThreads; ++n)
    threads.emplace_back([&, n] {
      for (int i = 0; i < kMails; ++i) {
        loop.send([&, n, i] {
          in_order &= std::this_thread::get_id() == here && last[static_cast<size_t>(n)] == i - 1;
          last[static_cast<size_t>(n)] = i;
          if (++got == kThreads * kMails) loop.stop();
        });
        if (i % 500 == 0) usleep(1000);  // let it fall asleep now and then
      }
    });
  loop.run();
  for (std::thread &t : threads) t.join();
  CHECK(in_order);
  CHECK_EQ(got, kThreads * kMails);
}

TEST(loop_mail_that_sends_mail) {
  Loop loop;
  CHECK(loop.open());
  std::string out;
  loop.send([&] {
    out += '1';
    loop.send([&] {
      out += '3';
      loop.stop();
    });
    out += '2';
  });
  loop.run();
  CHECK_EQ(out, "123");
}

TEST(loop_unread_mail_dies_with_it) {
  Loop loop;
  CHECK(loop.open());
  auto held = std::make_shared<int>(1);
  loop.send([held] { CHECK(false); });
  CHECK_EQ(held.use_count(), 2);
  loop.~Loop();
  CHECK_EQ(held.use_count(), 1);
  new (&loop) Loop();
}
