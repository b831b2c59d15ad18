// SPDX-License-Identifier: MIT
// See resolver.h.
#include "net/resolver.h"

#include <ares.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>

namespace mw {

static constexpr size_t kMaxNames = 10000;         ///< kept; beyond it those that are no longer valid go
static constexpr uint64_t kFailureValidMs = 1000;  ///< how long a name stays not found
static constexpr uint64_t kHostsValidMs = 1000;    ///< how long one of the hosts file is believed
static constexpr uint64_t kAgainMs = 5000;         ///< nginx's resend_timeout
static const char kSystemConf[] = "/etc/resolv.conf";
static constexpr uint32_t kMaxTtl = 86400;

/// c-ares asks all name servers in turn when they fail, and then says no more than ECONNREFUSED; of a single one it tells what
/// that answered.
static const char *error_text(int status) {
  switch (status) {
    case ARES_EFORMERR: return "(1: Format error)";
    case ARES_ESERVFAIL:
    case ARES_ECONNREFUSED: return "(2: Server failure)";
    case ARES_ENOTIMP: return "(4: Unimplemented)";
    case ARES_EREFUSED: return "(5: Operation refused)";
    case ARES_ETIMEOUT: return "(110: Operation timed out)";
    default: return "(3: Host not found)";
  }
}

Resolver::Resolver(Loop *loop, const ResolverConf &conf) : loop_(loop), conf_(conf) {
  timer_.fire = on_timer;
  timer_.resolver = this;
}

Resolver::~Resolver() {
  is_ending_ = true;
  if (is_open_) ares_destroy(channel_);
  loop_->disarm(&timer_);
  for (auto &[fd, w] : watches_) delete w;
  for (auto &[host, n] : names_) {
    loop_->unpost(&n->task);
    for (Lookup *l = n->waiting; l; l = l->next) loop_->disarm(&l->timer);
  }
}

void Resolver::check_system_conf() {
  struct stat st;
  if (!conf_.servers.empty() || asked_ > 0) return;  // the queries under way would fail with the channel
  if (stat(kSystemConf, &st) < 0) return;
  bool is_same = st.st_mtim.tv_sec == system_conf_time_.tv_sec && st.st_mtim.tv_nsec == system_conf_time_.tv_nsec;
  system_conf_time_ = st.st_mtim;
  if (is_same || !is_open_) return;
  ares_destroy(channel_);
  is_open_ = false;
}

bool Resolver::open() {
  check_system_conf();
  if (is_open_) return true;
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return false;
  ares_options options{};
  char lookups_dns[] = "b", lookups_all[] = "fb";
  options.sock_state_cb = on_socket;
  options.sock_state_cb_data = this;
  options.lookups =
      conf_.servers.empty() ? lookups_all : lookups_dns;  // as nginx: name servers alone, where there are some
  options.timeout = 2000;
  options.tries = 3;
  int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
  if (!conf_.servers.empty()) {
    mask |= ARES_OPT_DOMAINS | ARES_OPT_FLAGS;  // no search list
    options.ndomains = 0;
    options.flags = conf_.servers.size() == 1 ? ARES_FLAG_NOCHECKRESP : 0;
  }
  if (ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) return false;
  std::string list;
  for (const std::string &server : conf_.servers) list.append(list.empty() ? "" : ",").append(server);
  if (!list.empty() && ares_set_servers_ports_csv(channel_, list.c_str()) != ARES_SUCCESS) {
    ares_destroy(channel_);
    return false;
  }
  return is_open_ = true;
}

// --- answers ---------------------------------------------------------------------------------------------------------

const std::vector<PeerAddress> *Resolver::find(Str host, Lookup *l, uint64_t timeout_ms) {
  std::string key(host);
  for (char &c : key) c = static_cast<char>(str_lower(static_cast<unsigned char>(c)));
  if (names_.size() >= kMaxNames)
    std::erase_if(names_, [this](const auto &item) {
      return !item.second->waiting && !item.second->is_asked && !item.second->task.is_queued &&
             item.second->valid_until <= loop_->now_ms();
    });
  std::unique_ptr<Name> &slot = names_[key];
  if (!slot) {
    slot = std::make_unique<Name>();
    slot->resolver = this;
    slot->host = &names_.find(key)->first;
    slot->task.run = tell;
    slot->again.fire = on_again;
  }
  Name *n = slot.get();
  bool is_known = !n->is_asked && n->valid_until > loop_->now_ms();
  if (is_known && !n->error) return &n->addresses;
  l->name = n;
  l->prev = nullptr;
  l->next = n->waiting;
  if (n->waiting) n->waiting->prev = l;
  n->waiting = l;
  l->timer.fire = on_lookup_timeout;
  loop_->arm(&l->timer, timeout_ms);
  if (is_known)
    loop_->post(&n->task);
  else if (!n->is_asked)
    ask(key, n);
  return nullptr;
}

void Resolver::cancel(Lookup *l) {
  Name *n = static_cast<Name *>(l->name);
  if (!n) return;
  l->name = nullptr;
  if (l->prev)
    l->prev->next = l->next;
  else
    n->waiting = l->next;
  if (l->next) l->next->prev = l->prev;
  loop_->disarm(&l->timer);
}

void Resolver::tell(Task *t) {
  Name *n = reinterpret_cast<Name *>(reinterpret_cast<char *>(t) - offsetof(Name, task));
  while (Lookup *l = n->waiting) {
    n->resolver->cancel(l);
    l->done(l, n->error, n->error ? nullptr : &n->addresses);
  }
}

void Resolver::on_lookup_timeout(Timer *t) {
  Lookup *l = reinterpret_cast<Lookup *>(reinterpret_cast<char *>(t) - offsetof(Lookup, timer));
  static_cast<Name *>(l->name)->resolver->cancel(l);
  l->done(l, "(110: Operation timed out)", nullptr);
}

void Resolver::on_again(Timer *t) {
  Name *n = reinterpret_cast<Name *>(reinterpret_cast<char *>(t) - offsetof(Name, again));
  if (n->waiting && !n->is_asked) n->resolver->ask(*n->host, n);
}

// --- c-ares ----------------------------------------------------------------------------------------------------------

/// c-ares never asks name servers for "localhost" and what is below it, unless the name ends in a dot. As nginx does, those
/// that the configuration names are asked for every name.
std::string Resolver::name_to_ask(const std::string &host) const {
  bool is_local = host == "localhost" || host.ends_with(".localhost");
  return is_local && !conf_.servers.empty() ? host + "." : host;
}

void Resolver::ask(const std::string &host, Name *n) {
  if (!open()) {
    n->error = "(2: Server failure)";
    n->valid_until = loop_->now_ms() + kFailureValidMs;
    loop_->post(&n->task);
    return;
  }
  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NOSORT | ARES_AI_ENVHOSTS;
  hints.ai_family = conf_.ipv4 && conf_.ipv6 ? AF_UNSPEC : conf_.ipv4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  n->is_asked = n->is_at_once = true;
  ++asked_;
  ares_getaddrinfo(channel_, name_to_ask(host).c_str(), nullptr, &hints, on_answer, n);
  n->is_at_once = false;
  schedule();
}

void Resolver::on_answer(void *arg, int status, int, ares_addrinfo *result) {
  Name *n = static_cast<Name *>(arg);
  Resolver *r = n->resolver;
  if (r->is_ending_) {
    if (result) ares_freeaddrinfo(result);
    return;
  }
  n->is_asked = false;
  --r->asked_;
  n->addresses.clear();
  uint32_t ttl = kMaxTtl;
  if (status == ARES_SUCCESS) {
    for (const ares_addrinfo_node *at = result->nodes; at; at = at->ai_next) {
      if (at->ai_addrlen > sizeof(sockaddr_in6)) continue;
      PeerAddress a;
      memcpy(&a.un, at->ai_addr, at->ai_addrlen);
      a.len = at->ai_addrlen;
      n->addresses.push_back(a);
      ttl = std::min(ttl, at->ai_ttl > 0 ? static_cast<uint32_t>(at->ai_ttl) : 0);
    }
  }
  if (result) ares_freeaddrinfo(result);
  // A name server that cannot be reached is one that is silent: as in nginx, who asks waits until his time is over.
  if (status == ARES_ECONNREFUSED && r->conf_.servers.size() == 1) return r->loop_->arm(&n->again, kAgainMs);
  std::stable_partition(n->addresses.begin(), n->addresses.end(),
                        [](const PeerAddress &a) { return a.sa.sa_family == AF_INET; });
  n->error = n->addresses.empty() ? error_text(status == ARES_SUCCESS ? ARES_ENOTFOUND : status) : nullptr;
  uint64_t valid = n->error         ? kFailureValidMs
                   : n->is_at_once  ? kHostsValidMs
                   : r->conf_.valid ? r->conf_.valid
                                    : ttl * 1000ull;
  n->valid_until = r->loop_->now_ms() + std::max<uint64_t>(valid, 1);
  r->loop_->post(&n->task);
}

void Resolver::schedule() {
  timeval room, *next = ares_timeout(channel_, nullptr, &room);
  if (!next) return loop_->disarm(&timer_);
  loop_->arm(&timer_, static_cast<uint64_t>(next->tv_sec) * 1000 + static_cast<uint64_t>(next->tv_usec) / 1000 + 1);
}

void Resolver::on_timer(Timer *t) {
  Resolver *r = static_cast<OwnTimer *>(t)->resolver;
  ares_process_fd(r->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  r->schedule();
}

void Resolver::on_io(IoHandler *h, uint32_t events) {
  Watch *w = reinterpret_cast<Watch *>(h);
  if (w->is_dead) return;
  Resolver *r = w->resolver;
  bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP), out = events & EPOLLOUT;
  ares_process_fd(r->channel_, in ? w->fd : ARES_SOCKET_BAD, out ? w->fd : ARES_SOCKET_BAD);
  r->schedule();
}

void Resolver::on_socket(void *arg, int fd, int readable, int writable) {
  Resolver *r = static_cast<Resolver *>(arg);
  if (r->is_ending_) return;
  auto found = r->watches_.find(fd);
  if (readable || writable) {
    if (found != r->watches_.end()) return;
    Watch *w = new Watch();
    w->io.ready = on_io;
    w->resolver = r;
    w->fd = fd;
    if (r->loop_->watch(fd, &w->io, EPOLLIN | EPOLLOUT))
      r->watches_[fd] = w;
    else
      delete w;  // the query runs into its timeout
    return;
  }
  if (found == r->watches_.end()) return;
  Watch *w = found->second;
  r->watches_.erase(found);
  r->loop_->unwatch(fd);
  w->is_dead = true;
  w->free_task.run = [](Task *t) {
    delete reinterpret_cast<Watch *>(reinterpret_cast<char *>(t) - offsetof(Watch, free_task));
  };
  r->loop_->defer(&w->free_task);
}

// --- a worker's ------------------------------------------------------------------------------------------------------

Resolver &Resolvers::of(const ResolverConf &conf) {
  std::string key;
  for (const std::string &server : conf.servers) key.append(server).append(" ");
  key.append(std::to_string(conf.valid)).append(conf.ipv4 ? "4" : "").append(conf.ipv6 ? "6" : "");
  std::unique_ptr<Resolver> &slot = by_conf_[key];
  if (!slot) slot = std::make_unique<Resolver>(loop_, conf);
  return *slot;
}

}  // namespace mw
