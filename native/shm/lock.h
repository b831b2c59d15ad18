// SPDX-License-Identifier: MIT
// The lock inside a shared region: a process-shared robust mutex, taken by a short spin first and by sleeping after that.
// Any thread of any process that maps the region. When an owner dies, the next one is told and repairs what it guards.
#pragma once
#include <pthread.h>

namespace mw {

/// Lives in shared memory; never copied.
struct ShmLock {
  pthread_mutex_t mutex;
};

/// Prepares the lock, unlocked. False when the system refuses a robust process-shared mutex.
bool shm_lock_init(ShmLock &lock);
/// Takes the lock. True when its last owner died holding it: the caller holds it now and must make the data whole.
bool shm_lock_take(ShmLock &lock);
inline void shm_lock_release(ShmLock &lock) { pthread_mutex_unlock(&lock.mutex); }

}  // namespace mw
