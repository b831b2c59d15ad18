// SPDX-License-Identifier: MIT
// What a process of `--processes` is given by its supervisor for one configuration: its share of the workers, listening
// sockets, shared memory. Descriptors are owned until somebody takes them.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace mw {

struct Inheritance {
  enum Kind : uint8_t { listen, dict, limit_zone, board };
  struct Item {
    Kind kind;
    std::string key;  ///< listen: listen_key(); else unused, the region knows its name
    int fd;
  };
  uint32_t first_worker = 0;   ///< ngx.worker.id() of the process's first worker
  uint32_t workers = 1;        ///< of this process
  uint32_t total_workers = 1;  ///< ngx.worker.count()
  std::vector<Item> items;

  Inheritance() = default;
  Inheritance(const Inheritance &) = delete;
  Inheritance &operator=(const Inheritance &) = delete;
  ~Inheritance();  ///< closes what nobody took
};

}  // namespace mw
