// SPDX-License-Identifier: MIT
// See watchdog.h. A worker is never to be held for longer than a run's limit, so a run is interrupted in the last tenth of
// it. The time is counted in the watchdog's own turns: a process that was stopped (by a debugger, a frozen container) has
// not run meanwhile, and neither had its handlers a chance to end.
#include "script/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

namespace mw {
namespace {

constexpr uint64_t kTicksOfLimit = 20;
constexpr uint64_t kLongestTick = 1000;
constexpr uint64_t kTickChanged = 1, kStop = uint64_t{1} << 32;  ///< added to the wake descriptor

struct Watched : Watch {
  uint64_t shortest_ms = 0;
  void (*interrupt)(void *) = nullptr;
  void *arg = nullptr;
  pid_t tid = 0;
  uint64_t seen = 0, ran_ms = 0;  ///< the watchdog's: the run it saw last, and for how long
};

constinit thread_local Watched *watched_here = nullptr;

/// Not used by glibc, node or V8; unlike the classic signals it cannot be taken by process.on() of a user's program.
int watch_signal() { return SIGRTMIN + 6; }

struct Watchdog {
  std::mutex mutex;
  std::vector<Watched *> watched;
  std::thread thread;
  uint64_t tick_ms = kLongestTick;
  int wake_fd = -1;
  bool has_handler = false;
  struct sigaction before {};
};

Watchdog &watchdog() {
  static Watchdog *w = new Watchdog;  // never destroyed: workers may end while the process exits
  return *w;
}

void on_signal(int signo, siginfo_t *info, void *context) {
  int saved = errno;
  Watched *w = watched_here;
  uint64_t run = w ? w->run.load(std::memory_order_relaxed) : 0;
  if (w && watch_ms(run) && run == w->overdue.load(std::memory_order_relaxed)) w->interrupt(w->arg);
  const struct sigaction &before = watchdog().before;
  if (!w && (before.sa_flags & SA_SIGINFO) && before.sa_sigaction) before.sa_sigaction(signo, info, context);
  errno = saved;
}

void set_handler(Watchdog &d) {
  if (d.has_handler) return;
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  d.has_handler = sigaction(watch_signal(), &action, &d.before) == 0;
}

/// `passed` ms have gone by since the last look.
void look(Watched *w, uint64_t passed, uint64_t tick) {
  uint64_t run = w->run.load(std::memory_order_relaxed);
  if (run != w->seen) {
    w->seen = run;
    w->ran_ms = 0;
    return;
  }
  uint64_t limit = watch_ms(run);
  if (limit == 0) return;
  w->ran_ms += passed;
  // It may have begun a tick before it was seen first, and the other tick is for whatever comes between a signal and its end.
  if (w->ran_ms + 2 * tick < limit) return;
  // Again at each look: a signal that came while LuaJIT was changing its own dispatch table may have been lost.
  w->overdue.store(run, std::memory_order_relaxed);
  syscall(SYS_tgkill, getpid(), w->tid, watch_signal());
}

uint64_t clock_ms() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1000000;
}

void run_watchdog(int wake_fd) {
  pthread_setname_np(pthread_self(), "mw-watchdog");
  Watchdog &d = watchdog();
  uint64_t last = clock_ms();
  for (;;) {
    uint64_t tick;
    {
      std::lock_guard<std::mutex> lock(d.mutex);
      tick = d.tick_ms;
    }
    struct pollfd p {
      wake_fd, POLLIN, 0
    };
    uint64_t word = 0;
    bool is_woken = poll(&p, 1, static_cast<int>(tick)) > 0 && read(wake_fd, &word, sizeof word) > 0;
    if (is_woken && word >= kStop) return;
    uint64_t now = clock_ms();
    uint64_t passed = std::min(now - last, 4 * tick);
    last = now;
    std::lock_guard<std::mutex> lock(d.mutex);
    for (Watched *w : d.watched) look(w, passed, tick);
  }
}

void wake(int fd, uint64_t word) {
  [[maybe_unused]] ssize_t n = write(fd, &word, sizeof word);  // far from an eventfd's limit
}

void set_tick(Watchdog &d) {
  uint64_t shortest = kLongestTick * kTicksOfLimit;
  for (const Watched *w : d.watched) shortest = std::min(shortest, w->shortest_ms);
  d.tick_ms = std::max<uint64_t>(shortest / kTicksOfLimit, 1);
}

/// False with errno.
bool start_thread(Watchdog &d) {
  d.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (d.wake_fd < 0) return false;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);  // the new thread's: signals belong to others
  d.thread = std::thread(run_watchdog, d.wake_fd);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return true;
}

}  // namespace

Watch *watchdog_join(uint64_t shortest_ms, void (*interrupt)(void *), void *arg) {
  Watchdog &d = watchdog();
  std::lock_guard<std::mutex> lock(d.mutex);
  set_handler(d);
  if (!d.has_handler || (d.watched.empty() && !start_thread(d))) return nullptr;
  Watched *w = new Watched;
  w->shortest_ms = shortest_ms;
  w->interrupt = interrupt;
  w->arg = arg;
  w->tid = static_cast<pid_t>(syscall(SYS_gettid));
  watched_here = w;
  d.watched.push_back(w);
  set_tick(d);
  wake(d.wake_fd, kTickChanged);
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, watch_signal());
  pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
  return w;
}

void watchdog_leave(Watch *watch) {
  Watched *w = static_cast<Watched *>(watch);
  Watchdog &d = watchdog();
  std::thread last;
  int wake_fd = -1;
  {
    std::lock_guard<std::mutex> lock(d.mutex);
    std::erase(d.watched, w);
    set_tick(d);
    if (d.watched.empty()) {
      last.swap(d.thread);
      wake_fd = d.wake_fd;
    }
  }
  watched_here = nullptr;
  delete w;
  if (!last.joinable()) return;
  wake(wake_fd, kStop);
  last.join();
  close(wake_fd);
}

}  // namespace mw
