// SPDX-License-Identifier: MIT
// See resolver.h.
#include "net/resolver.h"

#include <ares.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>

#include "net/resolver_sockets.h"

namespace mw {

static constexpr uint32_t kMostHops = 50;          ///< names that stand for the next, as in nginx
static constexpr uint64_t kFailureValidMs = 1000;  ///< how long a name stays not found
static constexpr uint64_t kHostsValidMs = 1000;    ///< how long one of the hosts file is believed
static constexpr int kMostReads = 1000;            ///< of a socket in one turn
static const char kSystemConf[] = "/etc/resolv.conf";
static const char kNotFound[] = "(3: Host not found)";

/// c-ares asks all of the system's name servers in turn when they fail, and then says no more than ECONNREFUSED.
static const char *error_text(int status) {
  switch (status) {
    case ARES_EFORMERR: return "(1: Format error)";
    case ARES_ESERVFAIL:
    case ARES_ECONNREFUSED: return "(2: Server failure)";
    case ARES_ENOTIMP: return "(4: Unimplemented)";
    case ARES_EREFUSED: return "(5: Operation refused)";
    case ARES_ETIMEOUT: return "(110: Operation timed out)";
    default: return kNotFound;
  }
}

Resolver::Resolver(Loop *loop, const ResolverConf &conf) : loop_(loop), conf_(conf) {
  timer_.fire = on_timer;
  timer_.resolver = this;
}

Resolver::~Resolver() {
  is_ending_ = true;
  for (auto &channel : channels_)
    if (channel->ares) ares_destroy(channel->ares);
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
  if (is_same || channels_.empty()) return;
  ares_destroy(channels_[0]->ares);
  channels_.clear();
}

/// Of one name server, which c-ares then asks once; without, of the system's.
bool Resolver::open_channel(const std::string *server) {
  auto channel = std::make_unique<Channel>();
  channel->resolver = this;
  ares_options options{};
  char lookups_dns[] = "b", lookups_all[] = "fb";
  options.sock_state_cb = on_socket;
  options.sock_state_cb_data = channel.get();
  options.lookups = server ? lookups_dns : lookups_all;
  options.timeout = server ? 30000 : 2000;
  options.tries = server ? 1 : 3;
  int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
  if (server) {
    mask |= ARES_OPT_DOMAINS | ARES_OPT_FLAGS;  // no search list
    options.ndomains = 0;
    options.flags = ARES_FLAG_NOCHECKRESP;
  }
  if (ares_init_options(&channel->ares, &options, mask) != ARES_SUCCESS) return false;
  ares_set_socket_functions(channel->ares, &resolver_sockets, nullptr);
  if (server && ares_set_servers_ports_csv(channel->ares, server->c_str()) != ARES_SUCCESS) {
    ares_destroy(channel->ares);
    return false;
  }
  channels_.push_back(std::move(channel));
  return true;
}

bool Resolver::open() {
  check_system_conf();
  if (!channels_.empty()) return true;
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return false;
  if (conf_.servers.empty()) return open_channel(nullptr);
  for (const std::string &server : conf_.servers) open_channel(&server);
  return !channels_.empty();
}

// --- names -----------------------------------------------------------------------------------------------------------

Resolver::Name *Resolver::name_of(const std::string &host) {
  auto [at, is_new] = names_.try_emplace(host);
  if (is_new) {
    at->second = std::make_unique<Name>();
    at->second->resolver = this;
    at->second->host = &at->first;
    at->second->task.run = tell;
    at->second->again.fire = on_again;
  }
  return at->second.get();
}

/// Forgets names that are no longer valid, and, when those that are left are too many, valid ones too; not those in use.
void Resolver::sweep() {
  auto is_in_use = [](const Name &n) {
    return n.waiting || n.is_asked || n.is_telling || n.queries || n.task.is_queued;
  };
  uint64_t now = loop_->now_ms();
  std::erase_if(names_, [&](const auto &item) { return item.second->valid_until <= now && !is_in_use(*item.second); });
  size_t excess = room_.excess(names_.size());
  if (excess) std::erase_if(names_, [&](const auto &item) { return excess && !is_in_use(*item.second) && excess--; });
  room_.swept(names_.size(), now);
}

void Resolver::wait(Name *n, Lookup *l) {
  l->name = n;
  l->prev = nullptr;
  l->next = n->waiting;
  if (n->waiting) n->waiting->prev = l;
  n->waiting = l;
  if (is_known(n))
    loop_->post(&n->task);
  else if (!n->is_asked)
    ask(*n->host, n);
}

const std::vector<PeerAddress> *Resolver::find(Str host, Lookup *l, uint64_t timeout_ms) {
  std::string key(host);
  for (char &c : key) c = static_cast<char>(str_lower(static_cast<unsigned char>(c)));
  if (room_.is_sweep_due(names_.size(), loop_->now_ms())) sweep();
  Name *n = name_of(key);
  l->hops = 0;
  while (is_known(n) && !n->cname.empty() && l->hops < kMostHops) {
    ++l->hops;
    n = name_of(n->cname);
  }
  if (is_known(n) && !n->error && n->cname.empty()) return &n->addresses;
  l->timer.fire = on_lookup_timeout;
  loop_->arm(&l->timer, timeout_ms);
  wait(n, l);
  return nullptr;
}

void Resolver::unlink(Lookup *l) {
  Name *n = static_cast<Name *>(l->name);
  l->name = nullptr;
  if (l->prev)
    l->prev->next = l->next;
  else
    n->waiting = l->next;
  if (l->next) l->next->prev = l->prev;
}

void Resolver::cancel(Lookup *l) {
  if (!l->name) return;
  unlink(l);
  loop_->disarm(&l->timer);
}

/// What is known of `n` to someone who has waited for it, or on to the name that it stands for.
void Resolver::pass(Name *n, Lookup *l) {
  bool is_led_on = !n->error && !n->cname.empty();
  if (is_led_on && l->hops < kMostHops) {
    unlink(l);
    ++l->hops;
    return wait(name_of(n->cname), l);
  }
  cancel(l);
  const char *error = is_led_on ? kNotFound : n->error;
  l->done(l, error, error ? nullptr : &n->addresses);
}

void Resolver::tell(Task *t) {
  Name *n = reinterpret_cast<Name *>(reinterpret_cast<char *>(t) - offsetof(Name, task));
  n->is_telling = true;
  Lookup told;  // who asks again meanwhile is not told what was found before
  told.next = n->waiting;
  if (told.next) told.next->prev = &told;
  n->waiting = nullptr;
  while (told.next) n->resolver->pass(n, told.next);
  n->is_telling = false;
}

void Resolver::on_lookup_timeout(Timer *t) {
  Lookup *l = reinterpret_cast<Lookup *>(reinterpret_cast<char *>(t) - offsetof(Lookup, timer));
  static_cast<Name *>(l->name)->resolver->cancel(l);
  l->done(l, "(110: Operation timed out)", nullptr);
}

void Resolver::on_again(Timer *t) {
  Name *n = reinterpret_cast<Name *>(reinterpret_cast<char *>(t) - offsetof(Name, again));
  n->resolver->ask_again(n);
}

// --- c-ares ----------------------------------------------------------------------------------------------------------

void Resolver::ask(const std::string &host, Name *n) {
  if (!open()) {
    n->error = "(2: Server failure)";
    n->valid_until = loop_->now_ms() + kFailureValidMs;
    loop_->post(&n->task);
    return;
  }
  if (!conf_.servers.empty()) return ask_servers(host, n);  // for localhost too, as nginx does
  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NOSORT | ARES_AI_ENVHOSTS;
  hints.ai_family = conf_.ipv4 && conf_.ipv6 ? AF_UNSPEC : conf_.ipv4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  n->is_asked = n->is_at_once = true;
  ++asked_;
  if (host.find('\0') != std::string::npos)  // what is in front of it is another name
    on_answer(n, ARES_ENOTFOUND, 0, nullptr);
  else
    ares_getaddrinfo(channels_[0]->ares, host.c_str(), nullptr, &hints, on_answer, n);
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
  bool is_due = false;
  uint64_t soonest = 0;
  for (auto &channel : channels_) {
    timeval room, *next = ares_timeout(channel->ares, nullptr, &room);
    if (!next) continue;
    uint64_t ms = static_cast<uint64_t>(next->tv_sec) * 1000 + static_cast<uint64_t>(next->tv_usec) / 1000 + 1;
    soonest = is_due ? std::min(soonest, ms) : ms;
    is_due = true;
  }
  if (!is_due) return loop_->disarm(&timer_);
  loop_->arm(&timer_, soonest);
}

void Resolver::on_timer(Timer *t) {
  Resolver *r = static_cast<OwnTimer *>(t)->resolver;
  for (auto &channel : r->channels_) ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  r->schedule();
}

/// Something is there to be read yet, or the end of the stream.
static bool has_input(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

void Resolver::on_io(IoHandler *h, uint32_t events) {
  Watch *w = reinterpret_cast<Watch *>(h);
  if (w->is_dead) return;
  Channel *channel = w->channel;
  bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP), out = events & EPOLLOUT;
  ares_process_fd(channel->ares, in ? w->fd : ARES_SOCKET_BAD, out ? w->fd : ARES_SOCKET_BAD);
  // Of a TCP stream c-ares takes a length or a message at a time, and no event tells of the rest.
  for (int i = 0; in && i < kMostReads && !w->is_dead && has_input(w->fd); ++i)
    ares_process_fd(channel->ares, w->fd, ARES_SOCKET_BAD);
  channel->resolver->schedule();
}

void Resolver::on_socket(void *arg, int fd, int readable, int writable) {
  Channel *channel = static_cast<Channel *>(arg);
  Resolver *r = channel->resolver;
  if (r->is_ending_) return;
  auto found = r->watches_.find(fd);
  if (readable || writable) {
    if (found != r->watches_.end()) return;
    Watch *w = new Watch();
    w->io.ready = on_io;
    w->channel = channel;
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
