// SPDX-License-Identifier: MIT
// Host names to addresses, on c-ares inside a worker's loop. Answers are kept for as long as their TTL, but a day at most, or the
// `valid` of the configuration, says; lookups of one name share one query. The name servers of the configuration are asked as
// nginx asks them (resolver_servers.cpp): names take turns among them, a silent one's query goes to the next as well, and a name
// that stands for another (CNAME) is kept as such. Without name servers, /etc/hosts (the file that CARES_HOSTS names, where that
// is set) and /etc/resolv.conf hold, and a change of either is noticed. One for each ResolverConf that is in use; a worker's own.
#pragma once
#include <time.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/str.h"
#include "config.h"
#include "loop/loop.h"
#include "net/address.h"
#include "net/dns_message.h"
#include "net/resolver_room.h"

struct ares_channeldata;
struct ares_addrinfo;

namespace mw {

/// Somebody waiting for a name. Embedded in its owner, which may cancel.
struct Lookup {
  Lookup *next = nullptr, *prev = nullptr;
  /// `error` is null and `addresses` (never empty) hold, or `error` is nginx's "(3: Host not found)" and the like.
  void (*done)(Lookup *, const char *error, const std::vector<PeerAddress> *addresses) = nullptr;
  Timer timer;
  void *name = nullptr;  ///< the resolver's; null when it does not wait
  uint32_t hops = 0;     ///< names it was led through
};

class Resolver {
 public:
  Resolver(Loop *loop, const ResolverConf &conf);
  ~Resolver();
  Resolver(const Resolver &) = delete;
  Resolver &operator=(const Resolver &) = delete;
  /// The addresses when they are known by now (ports are 0), or null: then l->done is called, not before this returns, unless
  /// it is cancelled; at the latest after `timeout_ms`.
  const std::vector<PeerAddress> *find(Str host, Lookup *l, uint64_t timeout_ms);
  /// Harmless when it does not wait.
  void cancel(Lookup *l);

 private:
  struct Name {
    Resolver *resolver = nullptr;
    const std::string *host = nullptr;  ///< its key
    std::vector<PeerAddress> addresses;
    std::string cname;  ///< the name that it stands for; has no addresses of its own then
    const char *error = nullptr;
    uint64_t valid_until = 0;
    Lookup *waiting = nullptr;
    bool is_asked = false;
    bool is_telling = false;
    bool is_at_once = false;  ///< ares_getaddrinfo() has not returned: an answer by now is the hosts file's
    // of the name servers' answers, while it is asked
    uint8_t pending = 0;  ///< types without an answer: 1 A, 2 AAAA
    uint8_t code = 0;     ///< the worst RCODE
    uint32_t server = 0, resends = 0, ttl = 0;
    uint32_t queries = 0;  ///< under way, those of lookups before included
    std::vector<PeerAddress> found;
    std::string next_name;  ///< the CNAME of the latest answer, where it had nothing else
    Task task;              ///< tells those who wait
    Timer again;            ///< no answer has come: asks anew, while anybody waits
    ~Name() { resolver->loop_->disarm(&again); }
  };
  /// One name server; or all of the system's.
  struct Channel {
    Resolver *resolver = nullptr;
    ares_channeldata *ares = nullptr;
  };
  struct Query {
    Name *name = nullptr;
    DnsType type = DnsType::a;
    uint32_t server = 0, tried = 0;
  };
  struct Watch {
    IoHandler io;  ///< first: epoll names it
    Channel *channel = nullptr;
    int fd = -1;
    bool is_dead = false;
    Task free_task;
  };
  struct OwnTimer : Timer {
    Resolver *resolver = nullptr;
  };
  static constexpr uint32_t kMaxTtl = 86400;  ///< whatever a name server says
  Name *name_of(const std::string &host);
  void sweep();
  bool is_known(const Name *n) const { return !n->is_asked && n->valid_until > loop_->now_ms(); }
  void wait(Name *n, Lookup *l);
  static void unlink(Lookup *l);
  void pass(Name *n, Lookup *l);
  bool open();
  bool open_channel(const std::string *server);
  /// Closes the channel when /etc/resolv.conf has changed since it was opened.
  void check_system_conf();
  void ask(const std::string &host, Name *n);
  void schedule();
  static void on_answer(void *arg, int status, int timeouts, ares_addrinfo *result);
  static void on_socket(void *arg, int fd, int readable, int writable);
  static void on_io(IoHandler *h, uint32_t events);
  static void on_timer(Timer *t);
  static void on_lookup_timeout(Timer *t);
  static void on_again(Timer *t);
  static void tell(Task *t);
  // resolver_servers.cpp
  void ask_servers(const std::string &host, Name *n);
  void send_pending(Name *n);
  void send(Name *n, DnsType type, uint32_t server, uint32_t tried);
  void take(Name *n, const Query &q, DnsAnswer &answer);
  void conclude(Name *n);
  void ask_again(Name *n);
  static void on_reply(void *arg, int status, int timeouts, unsigned char *reply, int size);

  Loop *loop_;
  ResolverConf conf_;
  std::vector<std::unique_ptr<Channel>> channels_;
  bool is_ending_ = false;
  uint32_t asked_ = 0;  ///< names under way at the system's servers
  uint32_t turn_ = 0;   ///< the server that the next name begins with
  timespec system_conf_time_{};
  OwnTimer timer_;
  std::unordered_map<std::string, std::unique_ptr<Name>> names_;
  ResolverRoom room_;
  std::unordered_map<int, Watch *> watches_;
};

/// A worker's resolvers: one for each configuration that is in use. Made with the loop, ends before it.
class Resolvers {
 public:
  explicit Resolvers(Loop *loop) : loop_(loop) {}
  Resolver &of(const ResolverConf &conf);

 private:
  Loop *loop_;
  std::unordered_map<std::string, std::unique_ptr<Resolver>> by_conf_;
};

}  // namespace mw
