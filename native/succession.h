// SPDX-License-Identifier: MIT
// Who takes over the connections of workers that end: the workers of the newest generation. The server says who they are, on
// whatever thread the last of them got ready; workers that drain give, each on its own thread.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/handover.h"

namespace mw {

class Worker;

class Succession {
 public:
  /// From now on these take over. They have been told to accept, and must be told to quit only after begin() names others or
  /// end() was called: what was given to a worker is in its mailbox before its order to quit.
  void begin(std::vector<Worker *> heirs, std::vector<std::string> listens);
  /// Nobody takes over any more: the server closes.
  void end() { begin({}, {}); }
  bool has_heirs();
  /// Does the newest generation listen there?
  bool has(const std::string &listen);
  /// Sends the connection that `make` fills in to one of the heirs. False, and `make` was not called, when there is none that
  /// listens at `listen`.
  template <class Make>
  bool give(const std::string &listen, Make make) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!knows(listen)) return false;
    auto handover = std::make_shared<Handover>();
    handover->listen = listen;
    make(*handover);
    send(std::move(handover));
    return true;
  }

 private:
  bool knows(const std::string &listen) const;
  void send(std::shared_ptr<Handover> handover);

  std::mutex mutex_;
  std::vector<Worker *> heirs_;
  std::vector<std::string> listens_;
  size_t next_ = 0;
};

}  // namespace mw
