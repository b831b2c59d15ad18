// SPDX-License-Identifier: MIT
// Ends every worker thread before the process does. process.exit() runs C atexit handlers but no N-API cleanup hook, and
// OpenSSL's own handler, registered before ours and so run after it, would free what the workers still use.
// Any thread; the list is never destroyed, since it must outlive static destruction.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "abi/abi.h"
#include "addon/addon.h"

namespace mw {

namespace {

struct Guard {
  std::mutex mutex;
  std::vector<Server *> servers;
  std::atomic<bool> exiting{false};
};

Guard &guard() {
  static Guard *g = new Guard;
  return *g;
}

// Lua code that calls os.exit() gets here on a worker thread, which cannot join itself: the process ends at once.
void end_from_worker(int status) {
  fflush(nullptr);
  _exit(status);
}

void on_process_exit(int status, void *) {
  Guard &g = guard();
  g.exiting = true;
  if (abi_worker != nullptr) end_from_worker(status);
  std::vector<Server *> servers;
  {
    std::lock_guard<std::mutex> lock(g.mutex);
    servers.swap(g.servers);
  }
  for (Server *s : servers) delete s;
}

}  // namespace

void exit_guard_add(Server *server) {
  Guard &g = guard();
  std::lock_guard<std::mutex> lock(g.mutex);
  g.servers.push_back(server);
}

bool exit_guard_remove(Server *server) {
  Guard &g = guard();
  std::lock_guard<std::mutex> lock(g.mutex);
  auto it = std::find(g.servers.begin(), g.servers.end(), server);
  if (it == g.servers.end()) return false;
  g.servers.erase(it);
  return true;
}

bool exit_guard_exiting() { return guard().exiting.load(); }

void exit_guard_install() {
  static std::once_flag once;
  std::call_once(once, [] { on_exit(on_process_exit, nullptr); });
}

}  // namespace mw
