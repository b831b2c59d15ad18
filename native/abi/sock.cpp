// SPDX-License-Identifier: MIT
// TCP and unix cosockets: life, connect (name, pool, queue), keepalive, close. Wording and return values are those of
// lua-nginx-module's manual, ngx.socket.tcp.
#include "abi/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <new>

namespace mw {

// --- the worker's part -----------------------------------------------------------------------------------------------

SockWorker::~SockWorker() {
  for (char *buffer : free_buffers) free(buffer);
  for (Sock *s : free_socks) delete s;
}

SockWorker &sock_worker() {
  VmShared &shared = *vm_current->shared;
  if (!shared.sock_worker) {
    SockWorker *w = new SockWorker();
    w->core = vm_current->core;
    shared.sock_worker = w;
    shared.sock_worker_free = [](void *p) { delete static_cast<SockWorker *>(p); };
  }
  return *static_cast<SockWorker *>(shared.sock_worker);
}

Resolver &cosocket_resolver(const ResolverConf &conf) { return sock_worker().core->resolvers->of(conf); }

// --- words -----------------------------------------------------------------------------------------------------------

int32_t sock_fail(Sock *s, const char *err) {
  s->abi.err = err;
  return MW_ERROR;
}

void sock_log(Sock *s, int err, const char *text) {
  cosocket_log(&s->co, kLogError, err, s->o ? &s->o->peer : nullptr, text);
}

// --- closing ---------------------------------------------------------------------------------------------------------

void sock_drop(Sock *s) {
  sock_worker().core->loop->disarm(&s->queue_timer);
  bool was_under_way = sock_is_open(s) || s->lookup.name || s->is_queued;
  if (s->lookup.name) static_cast<void>(cosocket_resolver(s->co.conf->resolver).cancel(&s->lookup));
  if (sock_worker().core->net.is_ending) {  // core_shutdown() closes every connection, whoever has it
    s->out.clear(sock_worker().core->net.blocks);
    if (s->down) s->io->close(s);
    s->o = nullptr;
    s->pool = nullptr;
    s->is_queued = false;
    return;
  }
  if (was_under_way) cosocket_debug(&s->co, "lua finalize socket");
  SockPool *pool = s->pool;
  if (s->is_queued) {
    sock_pool_dequeue(s);
    pool = nullptr;
  }
  s->pool = nullptr;
  if (sched_is_waiting(s->connector)) sched_wake(&s->connector, sock_fail(s, "closed"));
  if (sock_is_open(s)) {
    sock_read_fail(s, "closed");
    sock_write_fail(s, "closed");
    s->io->close(s);
  }
  s->is_read_closed = s->is_write_closed = s->is_end_open = false;
  if (pool) sock_pool_release(pool);
}

/// What a finished request leaves is as a new one for the next that takes it. The strings keep their memory.
static void recycle(Sock *s) {
  sock_free_buffer(s);
  int32_t generation = s->abi.generation == INT32_MAX ? 1 : s->abi.generation + 1;
  s->abi = {"", "", "", 0, 0, generation, 0};
  s->connect_ms = s->send_ms = s->read_ms = 0;
  s->local.len = 0;
  s->is_read_closed = s->is_write_closed = s->is_end_open = false;
  s->op = {};
  sock_worker().free_socks.push_back(s);
}

static void on_owner_end(Cosocket *co) {
  Sock *s = reinterpret_cast<Sock *>(reinterpret_cast<char *>(co) - offsetof(Sock, co));
  sock_drop(s);
  if (!s->abi.generation) return;
  cosocket_leave(co);
  recycle(s);
}

// --- connect ---------------------------------------------------------------------------------------------------------

static int32_t connected(Sock *s) {
  s->o->owner = s;
  s->o->events = &sock_events;
  s->abi.reused = s->o->uses;
  s->is_read_closed = s->is_write_closed = s->is_end_open = false;
  sock_free_buffer(s);
  return MW_OK;
}

static int32_t connect_failed(Sock *s, const char *err) {
  ++sock_worker().core->metrics.socket_failures;
  if (s->o) {
    outgoing_close(s->o);
    s->o = nullptr;
  }
  SockPool *pool = s->pool;
  s->pool = nullptr;
  s->abi.err = err;
  if (pool) sock_pool_release(pool);
  return MW_ERROR;
}

void sock_connect_done(Sock *s, int32_t result) {
  if (result == MW_AGAIN || !sched_is_waiting(s->connector)) return;
  sched_wake(&s->connector, result);
}

static void open_failed(Sock *s, const PeerAddress &to, const char *call, int err) {
  bool is_bind = strcmp(call, "bind") == 0, is_unix = to.sa.sa_family == AF_UNIX;
  char address[kAddressText], text[kAddressText + 32];
  int n = static_cast<int>(address_text(is_bind ? s->local : to, address));
  if (is_bind)  // without the port
    while (n > 1 && address[--n] != ':') {
    }
  if (is_bind)
    snprintf(text, sizeof text, "bind(%.*s) failed", n, address);
  else if (is_unix)
    snprintf(text, sizeof text, "%s() to %.*s failed", call, n, address);
  else
    snprintf(text, sizeof text, "%s() failed", call);
  cosocket_log(&s->co, is_bind || (is_unix && err == ENOENT) ? kLogCrit : kLogError, err, &to, text);
}

static int32_t open_to(Sock *s, const PeerAddress &to) {
  const char *call = "";
  const PeerAddress *local = s->local.len ? &s->local : nullptr;
  ++sock_worker().core->metrics.socket_connects;
  s->o = outgoing_open(&sock_worker().core->net, to, local, &sock_events, s, call);
  if (!s->o) {
    int err = errno;
    open_failed(s, to, call, err);
    return connect_failed(s, cosocket_errno(err));
  }
  if (!s->o->is_connecting) return connected(s);
  outgoing_read_timeout(s->o, s->connect_ms ? s->connect_ms : s->co.conf->lua_socket_connect_timeout);
  return MW_AGAIN;
}

static void on_resolved(Lookup *l, const char *error, const std::vector<PeerAddress> *addresses) {
  Sock *s = reinterpret_cast<Sock *>(reinterpret_cast<char *>(l) - offsetof(Sock, lookup));
  sock_connect_done(s, error ? connect_failed(s, cosocket_not_resolved(&s->co, error))
                             : open_to(s, cosocket_pick(*addresses, s->co.port)));
}

static int32_t not_parsed(Sock *s) {
  const char *why = s->co.port >= 0         ? "no host"
                    : s->co.host == "unix:" ? "no path in the unix domain socket"
                                            : "too long path in the unix domain socket";
  s->co.error_text = "failed to parse host name \"" + s->co.host.substr(0, 255) + "\": " + why;
  return connect_failed(s, s->co.error_text.c_str());
}

int32_t sock_start_connect(Sock *s) {
  if (s->pool) {
    if (Outgoing *o = sock_pool_take(s->pool)) {
      cosocket_debug(&s->co, "lua tcp socket get keepalive peer: using connection %p, fd:%d", static_cast<void *>(o),
                     o->fd);
      s->o = o;
      ++sock_worker().core->metrics.socket_reuses;
      return connected(s);
    }
    ++s->pool->connections;
  }
  PeerAddress to;
  if (s->co.port < 0 ? address_parse(s->co.host, 0, to)
                     : address_parse_ip(s->co.host, static_cast<uint16_t>(s->co.port), to))
    return open_to(s, to);
  if (s->co.port < 0 || s->co.host.empty()) return not_parsed(s);
  const ResolverConf &conf = s->co.conf->resolver;
  if (const char *err = cosocket_no_resolver(&s->co)) return connect_failed(s, err);
  s->lookup.done = on_resolved;
  if (const auto *known = cosocket_resolver(conf).find(s->co.host, &s->lookup, s->co.conf->resolver_timeout))
    return open_to(s, cosocket_pick(*known, s->co.port));
  return MW_AGAIN;
}

static void cancel_connect(Waiter *w) {
  Sock *s = reinterpret_cast<Sock *>(reinterpret_cast<char *>(w) - offsetof(Sock, connector));
  if (s->is_queued)
    cosocket_debug(&s->co, "lua tcp socket abort queueing, conn_op_ctx: %p, u: %p", static_cast<void *>(w),
                   static_cast<void *>(s));
  if (s->lookup.name) cosocket_debug(&s->co, "lua tcp socket abort resolver");
  sock_drop(s);
}

static void choose_pool(Sock *s, int32_t pool_size, int32_t backlog) {
  s->pool = sock_pool_find(s->pool_key);
  if (s->pool || (pool_size < 0 && backlog < 0)) return;
  uint32_t size = pool_size > 0 ? static_cast<uint32_t>(pool_size) : s->co.conf->lua_socket_pool_size;
  cosocket_debug(&s->co, "lua tcp socket keepalive create connection pool for key \"%s\"", s->pool_key.c_str());
  cosocket_debug(&s->co, "lua tcp socket connection pool size: %u, backlog: %d", size, backlog);
  s->pool = sock_pool_create(s->pool_key, size, backlog);
}

// --- events ----------------------------------------------------------------------------------------------------------

static Sock *of(Outgoing *o) { return static_cast<Sock *>(o->owner); }

static void on_connected(Outgoing *o, int err) {
  Sock *s = of(o);
  if (err == 0) return sock_connect_done(s, connected(s));
  sock_log(s, err, "connect() failed");
  sock_connect_done(s, connect_failed(s, cosocket_errno(err)));
}

static void on_read_timeout(Outgoing *o) {
  Sock *s = of(o);
  if (!o->is_connecting) return sock_read_timeout(s);
  sock_log(s, 0, "lua tcp socket connect timed out");
  sock_connect_done(s, connect_failed(s, "timeout"));
}

const OutgoingEvents sock_events = {on_connected, [](Outgoing *o) { sock_readable(of(o)); },
                                    [](Outgoing *o) { sock_writable(of(o)); }, on_read_timeout,
                                    [](Outgoing *o) { sock_write_timeout(of(o)); }};

static bool write_outgoing(Sock *s, const char *data, size_t size) {
  ssize_t n = outgoing_write(s->o, data, size);
  if (n < 0) return false;
  if (static_cast<size_t>(n) < size) s->out.append(s->o->net->blocks, {data + n, size - static_cast<size_t>(n)});
  return true;
}

static void close_outgoing(Sock *s) {
  s->out.clear(s->o->net->blocks);
  outgoing_close(s->o);
  s->o = nullptr;
}

static const SockIo kOutgoing = {[](const Sock *s) { return s->o->may_read; },
                                 [](Sock *s, char *to, size_t n) { return outgoing_recv(s->o, to, n); },
                                 [](const Sock *) -> const char * { return nullptr; },
                                 write_outgoing,
                                 [](Sock *s) { return outgoing_send(s->o, s->out); },
                                 [](Sock *s, uint64_t ms) { outgoing_read_timeout(s->o, ms); },
                                 [](Sock *s, uint64_t ms) { outgoing_write_timeout(s->o, ms); },
                                 close_outgoing,
                                 [](const Sock *s) { return s->o->fd; }};

// --- what the calls share --------------------------------------------------------------------------------------------

/// False for the request's own socket, which a method taken from another socket may be given.
static bool is_own(const Sock *s) { return s->io == &kOutgoing; }
static const char kNotOwn[] = "request socket";

Sock *sock_create(const SockIo *io) {
  Sock *s = new (std::nothrow) Sock();
  if (!s) abort();
  s->io = io;
  s->co.drop = on_owner_end;
  s->abi.err = s->abi.read_err = s->abi.data = "";
  return s;
}

void sock_log_closed(Sock *s, const char *verb) {
  char text[160];
  snprintf(text, sizeof text, "attempt to %s on a closed socket: u:%p, c:%p, ft:%d eof:%d", verb,
           static_cast<void *>(s), static_cast<void *>(s->o), 0, s->is_read_closed ? 1 : 0);
  sock_log(s, 0, text);
}

int32_t sock_check(Sock *s, const char *verb) {
  if (!sock_is_open(s)) {  // one whose host name is being looked up, or that waits for its pool, too
    if (verb[0]) sock_log_closed(s, verb);
    return sock_fail(s, "closed");
  }
  if (sched_is_waiting(s->connector)) return sock_fail(s, "socket busy connecting");
  return cosocket_is_owner(&s->co) ? MW_OK : MW_NO_REQUEST;
}

}  // namespace mw

using namespace mw;

extern "C" MW_EXPORT
mw_sock_t *mw_sock_new(void) {
  std::vector<Sock *> &spare = sock_worker().free_socks;
  bool is_owned = cosocket_may_own();
  Sock *s;
  if (is_owned && !spare.empty()) {
    s = spare.back();
    spare.pop_back();
  } else {
    s = sock_create(&kOutgoing);
    s->abi.generation = is_owned ? 1 : 0;
  }
  if (is_owned) cosocket_join(&s->co);
  return &s->abi;
}

extern "C" MW_EXPORT
void mw_sock_free(mw_sock_t *sock) {
  Sock *s = sock_of(sock);
  sock_drop(s);
  cosocket_leave(&s->co);
  sock_free_buffer(s);
  delete s;
}

extern "C" MW_EXPORT
void mw_sock_set_timeouts(mw_sock_t *sock, int64_t connect, int64_t send, int64_t read) {
  Sock *s = sock_of(sock);
  if (connect >= 0) s->connect_ms = static_cast<uint64_t>(connect);
  if (send >= 0) s->send_ms = static_cast<uint64_t>(send);
  if (read >= 0) s->read_ms = static_cast<uint64_t>(read);
}

extern "C" MW_EXPORT
int32_t mw_sock_connect(mw_sock_t *sock, const char *host, size_t host_len, int32_t port, const char *pool,
                        size_t pool_len, int32_t pool_size, int32_t backlog) {
  Sock *s = sock_of(sock);
  if (!is_own(s)) return sock_fail(s, kNotOwn);
  if (sched_is_waiting(s->connector)) return sock_fail(s, "socket busy connecting");
  if (sock_is_reading(s)) return sock_fail(s, "socket busy reading");
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  if (s->o && !cosocket_is_owner(&s->co)) return MW_NO_REQUEST;
  if (s->o) {
    cosocket_debug(&s->co, "lua reuse socket upstream ctx");
    cosocket_debug(&s->co, "lua tcp socket reconnect without shutting down");
    sock_drop(s);
  }
  cosocket_join(&s->co);
  s->co.host.assign(host, host_len);
  s->co.port = port;
  s->pool_key.assign(pool, pool_len);
  choose_pool(s, pool_size, backlog);
  if (s->co.conf->tcp_nodelay && port >= 0) cosocket_debug(&s->co, "lua socket tcp_nodelay");
  cosocket_debug(
      &s->co, "lua tcp socket connect timeout: %llu",
      static_cast<unsigned long long>(s->connect_ms ? s->connect_ms : s->co.conf->lua_socket_connect_timeout));
  SockPool *p = s->pool;
  if (p && p->backlog >= 0 && !p->idle && p->connections >= p->size) {
    if (p->waiting >= p->backlog) return s->pool = nullptr, sock_fail(s, "too many waiting connect operations");
    cosocket_debug(&s->co, "lua tcp socket queue connect operation for connection pool \"%s\"", p->key.c_str());
    sock_pool_enqueue(p, s);
    sched_park(&s->connector, cancel_connect);
    return MW_AGAIN;
  }
  int32_t rc = sock_start_connect(s);
  if (rc == MW_AGAIN) sched_park(&s->connector, cancel_connect);
  return rc;
}

extern "C" MW_EXPORT
int32_t mw_sock_bind(mw_sock_t *sock, const char *address, size_t len, int32_t port) {
  Sock *s = sock_of(sock);
  PeerAddress local;
  if (!address_parse_ip({address, len}, static_cast<uint16_t>(port), local)) return sock_fail(s, "bad address");
  s->local = local;
  cosocket_debug(&s->co, "lua tcp socket bind ip: %.*s", static_cast<int>(len), address);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_sock_keepalive(mw_sock_t *sock, int64_t timeout, int32_t size) {
  Sock *s = sock_of(sock);
  if (!is_own(s)) return sock_fail(s, kNotOwn);
  if (int32_t rc = sock_check(s, "")) return rc;
  if (sock_is_reading(s)) return sock_fail(s, "socket busy reading");
  if (sched_is_waiting(s->writer) || !s->out.is_empty()) return sock_fail(s, "socket busy writing");
  if (s->is_read_closed || s->is_write_closed) return sock_fail(s, "closed");
  if (s->buf_pos != s->buf_end) return sock_fail(s, "unread data in buffer");
  if (s->o->may_read) {  // whatever the peer has said, no later user of the connection would understand it
    char byte;
    ssize_t n = recv(s->o->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0) return sock_fail(s, "closed");
    if (n > 0 || errno != EAGAIN) return sock_fail(s, "connection in dubious state");
  }
  if (vm_current->abi->exiting) {
    cosocket_debug(&s->co, "lua tcp socket set keepalive while process exiting, closing connection %p",
                   static_cast<void *>(s->o));
    sock_drop(s);
    return MW_OK;
  }
  if (!s->pool)
    s->pool = sock_pool_find(s->pool_key);
  else
    --s->pool->connections;  // counted again below
  if (!s->pool) {
    uint32_t n = size > 0 ? static_cast<uint32_t>(size) : s->co.conf->lua_socket_pool_size;
    cosocket_debug(&s->co, "lua tcp socket keepalive create connection pool for key \"%s\"", s->pool_key.c_str());
    cosocket_debug(&s->co, "lua tcp socket connection pool size: %u", n);
    s->pool = sock_pool_create(s->pool_key, n, -1);
  }
  ++s->pool->connections;
  uint64_t ms = timeout >= 0 ? static_cast<uint64_t>(timeout) : s->co.conf->lua_socket_keepalive_timeout;
  if (ms)
    cosocket_debug(&s->co, "lua tcp socket keepalive timeout: %llu ms", static_cast<unsigned long long>(ms));
  else
    cosocket_debug(&s->co, "lua tcp socket keepalive timeout: unlimited");
  SockPool *p = s->pool;
  Outgoing *o = s->o;
  s->o = nullptr;
  s->pool = nullptr;
  sock_free_buffer(s);
  sock_pool_put(p, o, ms);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_sock_close(mw_sock_t *sock) {
  Sock *s = sock_of(sock);
  if (int32_t rc = sock_check(s, "")) return rc;
  if (sock_is_reading(s)) return sock_fail(s, "socket busy reading");
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  cosocket_debug(&s->co, "lua close socket connection");
  sock_drop(s);
  sock_free_buffer(s);
  return MW_OK;
}

extern "C" MW_EXPORT
void mw_sock_share(mw_sock_t *sock) { sock_of(sock)->co.is_shared = true; }

extern "C" MW_EXPORT
void mw_sock_abort(mw_sock_t *sock) { sock_drop(sock_of(sock)); }

extern "C" MW_EXPORT
int32_t mw_sock_shutdown(mw_sock_t *sock) {
  Sock *s = sock_of(sock);
  if (int32_t rc = sock_check(s, "")) return rc;
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  if (shutdown(s->io->fd(s), SHUT_WR) < 0) return sock_fail(s, cosocket_errno(errno));
  return MW_OK;
}

static constexpr int kOptions[][2] = {{SOL_SOCKET, SO_KEEPALIVE},
                                      {SOL_SOCKET, SO_REUSEADDR},
                                      {IPPROTO_TCP, TCP_NODELAY},
                                      {SOL_SOCKET, SO_SNDBUF},
                                      {SOL_SOCKET, SO_RCVBUF}};

extern "C" MW_EXPORT
int32_t mw_sock_set_option(mw_sock_t *sock, int32_t option, int32_t value) {
  Sock *s = sock_of(sock);
  if (int32_t rc = sock_check(s, "")) return rc;
  const int *o = kOptions[option];
  return setsockopt(s->io->fd(s), o[0], o[1], &value, sizeof value) < 0 ? sock_fail(s, cosocket_errno(errno))
                                                                        : static_cast<int32_t>(MW_OK);
}

extern "C" MW_EXPORT
int32_t mw_sock_get_option(mw_sock_t *sock, int32_t option, int32_t *value) {
  Sock *s = sock_of(sock);
  if (int32_t rc = sock_check(s, "")) return rc;
  const int *o = kOptions[option];
  socklen_t len = sizeof *value;
  return getsockopt(s->io->fd(s), o[0], o[1], value, &len) < 0 ? sock_fail(s, cosocket_errno(errno))
                                                               : static_cast<int32_t>(MW_OK);
}

extern "C" MW_EXPORT
int32_t mw_sock_fd(mw_sock_t *sock) {
  const Sock *s = sock_of(sock);
  return sock_is_open(s) ? s->io->fd(s) : -1;
}
