// SPDX-License-Identifier: MIT
// See listen_set.h.
#include "listen_set.h"

#include <unistd.h>

#include <set>

#include "net/listener.h"

namespace mw {

ListenSocket::~ListenSocket() {
  if (fd >= 0) close(fd);
}

static bool is_unix(const std::string &address) { return address.compare(0, 5, "unix:") == 0; }

std::string listen_key(const Plan &plan, size_t index) {
  const std::string &address = plan.listens[index].address;
  size_t before = 0;
  for (size_t i = 0; i < index; ++i) before += plan.listens[i].address == address;
  return before == 0 ? address : address + "#" + std::to_string(before);
}

/// Brings `members` to one for each worker.
bool ListenSet::open_one(const Plan &plan, const Listen &l, Members &members, std::string &error) {
  bool is_new = members.empty();
  size_t wanted = is_unix(l.address) ? 1 : plan.worker_processes;
  while (members.size() < wanted) {
    // The second socket of a port 0 must get the port that the first one was given.
    std::string address = members.empty() ? l.address : listener_name(members[0].socket->fd);
    if (members.empty() && !is_unix(address) && !listener_probe(address, l.ipv6only, error)) return false;
    int fd = is_new ? listener_open(address, l.backlog, l.ipv6only, true, error)
                    : listener_bind(address, l.ipv6only, true, error);
    if (fd < 0) return false;
    members.push_back({std::make_shared<ListenSocket>(fd), is_new});
  }
  return true;
}

bool ListenSet::open(const Plan &plan, std::string &error) {
  std::map<std::string, Members> made;
  for (size_t i = 0; i < plan.listens.size(); ++i) {
    std::string key = listen_key(plan, i);
    Members &members = made[key];
    if (auto have = sockets_.find(key); have != sockets_.end()) members = have->second;
    if (auto old = retired_.find(key); members.empty() && old != retired_.end())
      for (auto &weak : old->second)
        if (ListenSocketRef socket = weak.lock()) members.push_back({socket, true});
    if (open_one(plan, plan.listens[i], members, error)) continue;
    for (const auto &[name, sockets] : made)
      if (sockets_.count(name) == 0 && !sockets.empty()) remove_file(name);
    return false;
  }
  for (auto &[key, members] : made) {
    retired_.erase(key);
    sockets_[key] = std::move(members);
  }
  return true;
}

bool ListenSet::listen(const Plan &plan, std::string &error) {
  for (size_t i = 0; i < plan.listens.size(); ++i) {
    const Listen &l = plan.listens[i];
    for (Member &m : sockets_[listen_key(plan, i)]) {
      if (!listener_listen(m.socket->fd, l.address, l.backlog, error)) return false;
      m.is_listening = true;
    }
  }
  return true;
}

void ListenSet::inherit(Inheritance &from) {
  is_inherited_ = true;
  for (Inheritance::Item &item : from.items) {
    if (item.kind != Inheritance::listen) continue;
    sockets_[item.key].push_back({std::make_shared<ListenSocket>(item.fd), true});
    item.fd = -1;
  }
}

std::vector<ListenShare> ListenSet::share(const Plan &plan, uint32_t id) const { return range(plan, id, 1); }

std::vector<ListenShare> ListenSet::range(const Plan &plan, uint32_t first, uint32_t count) const {
  std::vector<ListenShare> out;
  for (size_t i = 0; i < plan.listens.size(); ++i) {
    auto it = sockets_.find(listen_key(plan, i));
    if (it == sockets_.end()) continue;
    const Members &members = it->second;
    bool one_for_all = is_unix(plan.listens[i].address);
    for (size_t k = 0; k < members.size(); ++k) {
      bool is_for_all = one_for_all || k >= plan.worker_processes;
      if (is_for_all || (k >= first && k < first + count))
        out.push_back(
            {static_cast<int32_t>(i), members[k].socket, is_for_all && (plan.worker_processes > 1 || is_inherited_)});
    }
  }
  return out;
}

void ListenSet::keep_only(const Plan &plan) {
  std::set<std::string> named;
  for (size_t i = 0; i < plan.listens.size(); ++i) named.insert(listen_key(plan, i));
  for (auto it = sockets_.begin(); it != sockets_.end();) {
    Members &members = it->second;
    while (!members.empty() && !members.back().is_listening) members.pop_back();
    if (named.count(it->first) != 0) {
      ++it;
      continue;
    }
    remove_file(it->first);
    if (!is_unix(it->first))
      for (const Member &m : members) retired_[it->first].push_back(m.socket);
    it = sockets_.erase(it);
  }
}

std::vector<std::string> ListenSet::names(const Plan &plan) const {
  std::vector<std::string> out;
  for (size_t i = 0; i < plan.listens.size(); ++i) {
    auto it = sockets_.find(listen_key(plan, i));
    if (it != sockets_.end() && !it->second.empty()) out.push_back(listener_name(it->second[0].socket->fd));
  }
  return out;
}

void ListenSet::close_all() {
  for (const auto &[key, members] : sockets_) remove_file(key);
  sockets_.clear();
  retired_.clear();
}

void ListenSet::remove_file(const std::string &key) const {
  if (is_unix(key) && !is_inherited_) unlink(key.c_str() + 5);
}

}  // namespace mw
