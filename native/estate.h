// SPDX-License-Identifier: MIT
// What the supervisor of `--processes` owns for all its processes: listening sockets, shared dictionaries, the board. It runs
// no worker. Control thread only. A reload prepares the next configuration's share, and either everybody takes it or nobody.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "inheritance.h"
#include "listen_set.h"
#include "shm/board.h"
#include "shm/dict.h"

namespace mw {

class Estate {
 public:
  explicit Estate(uint32_t processes) : processes_(processes) {}
  ~Estate();
  /// Has everything that the plan needs. False with `error` in nginx's words; nothing has changed then.
  bool prepare(const Plan &plan, std::string &error);
  /// The prepared configuration is the one that serves. False with `error` when a socket does not listen.
  bool commit(std::string &error);
  /// What was prepared is given up.
  void abandon();
  /// What process number `process` is given of the prepared configuration, or of the one that serves. The descriptors stay ours.
  void share(uint32_t process, bool is_prepared, Inheritance &to) const;
  /// Bound addresses of the configuration that serves.
  const std::vector<std::string> &addresses() const { return addresses_; }
  /// Process number `process` has died: what its workers were running, a line each, and a line for each dictionary that it
  /// held locked; those are whole again afterwards.
  std::vector<std::string> bury(uint32_t process);
  /// No connection is accepted any more, once the processes have let go of the sockets too.
  void close() { sockets_.close_all(); }

 private:
  struct Holding {
    std::shared_ptr<const Plan> plan;  ///< worker_processes: of all processes together
    std::vector<ShmDictRef> dicts, limit_zones;
  };
  struct ShmRecoveries {
    uint64_t recovered = 0, reset = 0;
  };
  void range(const Holding &holding, uint32_t process, uint32_t &first, uint32_t &count) const;

  uint32_t processes_;
  ListenSet sockets_;
  Holding serving_, prepared_;
  BoardRef board_;
  int board_fd_ = -1;
  std::map<int, ShmRecoveries> seen_;  ///< by a dictionary's descriptor: what was told of it
  std::vector<std::string> addresses_;
};

}  // namespace mw
