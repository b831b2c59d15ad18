// SPDX-License-Identifier: MIT
// The server's listening sockets. They outlive the generations of workers: one that was opened is closed only when no
// configuration names its address any more, for a connection may wait in it that the kernel has already acknowledged.
// The server calls it under its lock; the sockets themselves are shared with the workers, and close with their last holder.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "inheritance.h"

namespace mw {

struct ListenSocket {
  int fd = -1;
  explicit ListenSocket(int descriptor) : fd(descriptor) {}
  ListenSocket(const ListenSocket &) = delete;
  ListenSocket &operator=(const ListenSocket &) = delete;
  ~ListenSocket();
};
using ListenSocketRef = std::shared_ptr<ListenSocket>;

/// One of the sockets that a worker accepts from.
struct ListenShare {
  int32_t index = 0;  ///< into Plan::listens
  ListenSocketRef socket;
  bool is_shared = false;  ///< other workers of the generation accept from it too
};

/// Under what name the sockets of the plan's listen `index` are kept: its address. Of several listens at port 0 each is a
/// port of its own.
std::string listen_key(const Plan &plan, size_t index);

class ListenSet {
 public:
  ~ListenSet() { close_all(); }
  /// Takes the sockets that a supervisor gave; they and the files of unix ones stay its own to close and remove.
  void inherit(Inheritance &from);
  /// Has a socket for each worker at every listen of the plan: SO_REUSEPORT sockets for TCP, one for unix. Those that an
  /// address gets in addition to what serves already do not listen yet. False with `error`, and nothing has changed.
  bool open(const Plan &plan, std::string &error);
  /// All of them listen, with the plan's backlog. False with `error` in nginx's words.
  bool listen(const Plan &plan, std::string &error);
  /// What worker `id` of the plan accepts from. Sockets of workers that a smaller generation has not any more are everybody's.
  std::vector<ListenShare> share(const Plan &plan, uint32_t id) const;
  /// The same for `count` workers of a process together, the first of them `first`.
  std::vector<ListenShare> range(const Plan &plan, uint32_t first, uint32_t count) const;
  /// Lets go of the addresses that the plan does not name, and of sockets that never listened.
  void keep_only(const Plan &plan);
  /// The bound addresses of the plan, in its order.
  std::vector<std::string> names(const Plan &plan) const;
  /// Lets go of all of them.
  void close_all();

 private:
  struct Member {
    ListenSocketRef socket;
    bool is_listening = false;
  };
  using Members = std::vector<Member>;
  bool open_one(const Plan &plan, const Listen &l, Members &members, std::string &error);
  void remove_file(const std::string &key) const;

  std::map<std::string, Members> sockets_;
  bool is_inherited_ = false;
  /// Addresses that were given up: while old workers hold their sockets, a reload that wants them back gets the same.
  std::map<std::string, std::vector<std::weak_ptr<ListenSocket>>> retired_;
};

}  // namespace mw
