// SPDX-License-Identifier: MIT
// See estate.h.
#include "estate.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "server.h"

namespace mw {

Inheritance::~Inheritance() {
  for (const Item &item : items)
    if (item.fd >= 0) ::close(item.fd);
}

Estate::~Estate() {
  if (board_fd_ >= 0) ::close(board_fd_);
}

bool Estate::prepare(const Plan &plan, std::string &error) {
  if (!board_ && !(board_ = board_create(board_fd_))) {
    error = std::string("memfd_create() failed (") + std::to_string(errno) + ": " + strerror(errno) + ")";
    return false;
  }
  auto own = std::make_shared<Plan>(plan);
  own->worker_processes = std::min(std::max(plan.worker_processes, processes_), kBoardWorkers);
  Holding next;
  for (const SharedDict &d : plan.shared_dicts) {
    next.dicts.push_back(shm_dict_obtain(serving_.dicts, d.name, d.size, error));
    if (!next.dicts.back()) return false;
  }
  for (const LimitZone &z : plan.limit_zones) {
    next.limit_zones.push_back(shm_dict_obtain(serving_.limit_zones, limit_zone_key(z), z.size, error));
    if (!next.limit_zones.back()) return false;
  }
  for (const auto *dicts : {&next.dicts, &next.limit_zones})
    for (const ShmDictRef &dict : *dicts)
      if (shm_dict_fd(*dict) < 0)
        return error = "no memory file for shared dictionary \"" + std::string(shm_dict_name(*dict)) + "\"", false;
  if (!sockets_.open(*own, error)) return false;
  next.plan = std::move(own);
  prepared_ = std::move(next);
  return true;
}

bool Estate::commit(std::string &error) {
  if (!sockets_.listen(*prepared_.plan, error)) return false;
  serving_ = std::move(prepared_);
  prepared_ = {};
  sockets_.keep_only(*serving_.plan);
  addresses_ = sockets_.names(*serving_.plan);
  return true;
}

void Estate::abandon() {
  prepared_ = {};
  if (serving_.plan) sockets_.keep_only(*serving_.plan);
}

void Estate::range(const Holding &holding, uint32_t process, uint32_t &first, uint32_t &count) const {
  uint32_t total = holding.plan->worker_processes, each = total / processes_, more = total % processes_;
  first = process * each + std::min(process, more);
  count = each + (process < more ? 1 : 0);
}

void Estate::share(uint32_t process, bool is_prepared, Inheritance &to) const {
  const Holding &holding = is_prepared ? prepared_ : serving_;
  range(holding, process, to.first_worker, to.workers);
  to.total_workers = holding.plan->worker_processes;
  for (const ListenShare &s : sockets_.range(*holding.plan, to.first_worker, to.workers))
    to.items.push_back({Inheritance::listen, listen_key(*holding.plan, static_cast<size_t>(s.index)), s.socket->fd});
  for (const ShmDictRef &d : holding.dicts) to.items.push_back({Inheritance::dict, {}, shm_dict_fd(*d)});
  for (const ShmDictRef &d : holding.limit_zones) to.items.push_back({Inheritance::limit_zone, {}, shm_dict_fd(*d)});
  to.items.push_back({Inheritance::board, {}, board_fd_});
}

std::vector<std::string> Estate::bury(uint32_t process) {
  std::vector<std::string> lines;
  if (!serving_.plan) return lines;
  uint32_t first, count;
  range(serving_, process, first, count);
  for (uint32_t i = first; i < first + count; ++i) {
    BoardSlot &slot = board_->slots[i];
    if (std::string text = board_text(slot); !text.empty()) lines.push_back("worker " + std::to_string(i) + " " + text);
    slot.length = slot.place_length = 0;
    board_->pids[i] = 0;
  }
  for (const auto *dicts : {&serving_.dicts, &serving_.limit_zones})
    for (const ShmDictRef &dict : *dicts) {
      ShmStats after = shm_dict_stats(*dict);  // takes the lock, and repairs before it looks
      ShmRecoveries &before = seen_[shm_dict_fd(*dict)];
      std::string zone = "shared dictionary \"" + std::string(shm_dict_name(*dict)) + "\"";
      if (after.reset > before.reset) lines.push_back(zone + " was being written by it and begins empty");
      if (after.recovered > before.recovered) lines.push_back(zone + " was locked by it and is whole");
      before = {after.recovered, after.reset};
    }
  return lines;
}

}  // namespace mw
