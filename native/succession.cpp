// SPDX-License-Identifier: MIT
// See succession.h.
#include "succession.h"

#include <algorithm>

#include "worker.h"

namespace mw {

void Succession::begin(std::vector<Worker *> heirs, std::vector<std::string> listens) {
  std::lock_guard<std::mutex> lock(mutex_);
  heirs_ = std::move(heirs);
  listens_ = std::move(listens);
}

bool Succession::has_heirs() {
  std::lock_guard<std::mutex> lock(mutex_);
  return !heirs_.empty();
}

bool Succession::has(const std::string &listen) {
  std::lock_guard<std::mutex> lock(mutex_);
  return knows(listen);
}

bool Succession::knows(const std::string &listen) const {
  return !heirs_.empty() && std::find(listens_.begin(), listens_.end(), listen) != listens_.end();
}

/// Round about: the connections of one worker are then spread as evenly as they came.
void Succession::send(std::shared_ptr<Handover> handover) {
  heirs_[next_++ % heirs_.size()]->take_over(std::move(handover));
}

}  // namespace mw
