// SPDX-License-Identifier: MIT
// The region's lock: see lock.h. Critical sections last tens of nanoseconds, a sleep and wake several microseconds, so a
// contender spins for about as long as a section lasts before it sleeps; on one CPU spinning could only delay the owner.
#include "shm/lock.h"

#include <errno.h>
#include <unistd.h>

namespace mw {
namespace {

constexpr int kSpins = 64;

void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

int spin_count() {
  static const int count = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? kSpins : 0;
  return count;
}

bool settle(ShmLock &lock, int rc) {
  if (rc != EOWNERDEAD) return false;
  pthread_mutex_consistent(&lock.mutex);
  return true;
}

}  // namespace

bool shm_lock_init(ShmLock &lock) {
  pthread_mutexattr_t attr;
  if (pthread_mutexattr_init(&attr) != 0) return false;
  bool ok = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
            pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0 &&
            pthread_mutex_init(&lock.mutex, &attr) == 0;
  pthread_mutexattr_destroy(&attr);
  return ok;
}

bool shm_lock_take(ShmLock &lock) {
  int rc = pthread_mutex_trylock(&lock.mutex);
  if (rc != EBUSY) return settle(lock, rc);
  for (int left = spin_count(); left > 0; --left) {
    for (int i = 0; i < 8; ++i) cpu_relax();
    rc = pthread_mutex_trylock(&lock.mutex);
    if (rc != EBUSY) return settle(lock, rc);
  }
  return settle(lock, pthread_mutex_lock(&lock.mutex));
}

}  // namespace mw
