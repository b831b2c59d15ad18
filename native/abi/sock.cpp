// SPDX-License-Identifier: MIT
// TCP and unix cosockets: life, connect (name, pool, queue), send, keepalive, close. Wording and return values are those of
// lua-nginx-module's manual, ngx.socket.tcp.
#include "abi/sock.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <new>

namespace mw {

// --- the worker's part -----------------------------------------------------------------------------------------------

SockWorker::~SockWorker() {
  for (char *buffer : free_buffers) free(buffer);
}

SockWorker &sock_worker() {
  Vm *vm = vm_current;
  if (!vm->sock_worker) {
    SockWorker *w = new SockWorker();
    w->core = vm->core;
    vm->sock_worker = w;
    vm->sock_worker_free = [](void *p) { delete static_cast<SockWorker *>(p); };
  }
  return *static_cast<SockWorker *>(vm->sock_worker);
}

static Resolver &resolver_of(const ResolverConf &conf) {
  std::string key;
  for (const std::string &server : conf.servers) key.append(server).append(" ");
  key.append(std::to_string(conf.valid)).append(conf.ipv4 ? "4" : "").append(conf.ipv6 ? "6" : "");
  SockWorker &w = sock_worker();
  std::unique_ptr<Resolver> &slot = w.resolvers[key];
  if (!slot) slot = std::make_unique<Resolver>(w.core->loop, conf);
  return *slot;
}

// --- words -----------------------------------------------------------------------------------------------------------

int32_t sock_fail(Sock *s, const char *err) {
  s->abi.err = err;
  return MW_ERROR;
}

const char *sock_errno(Sock *s, int err) {
  if (err == ETIMEDOUT) return "timeout";
  char text[128];
  const char *words = strerror_r(err, text, sizeof text);
  size_t i = 0;
  for (; words[i] && i < sizeof s->error_room - 1; ++i)
    s->error_room[i] = static_cast<char>(tolower(static_cast<unsigned char>(words[i])));
  s->error_room[i] = '\0';
  return s->error_room;
}

static const Log &log_of(const Sock *s, const LogContext **ctx) {
  if (s->run) return run_log(s->run, ctx);
  if (!s->r) return *ctx = nullptr, *sock_worker().core->log;
  *ctx = &s->r->log_ctx;
  return s->r->log();
}

void sock_log(Sock *s, int err, const char *text) {
  if (s->conf && !s->conf->lua_socket_log_errors) return;
  const LogContext *ctx;
  const Log &log = log_of(s, &ctx);
  char peer[kAddressText] = "";
  size_t n = err == 0 && s->o && s->port >= 0 ? address_text(s->o->peer, peer) : 0;
  while (n > 0 && peer[n - 1] != ':') --n;  // the port is there already
  if (n > 0) --n;
  if (n)
    log_write(log, kLogError, err, ctx, "%s, upstream: %s:%d(%.*s)", text, s->host.c_str(), s->port,
              static_cast<int>(n), peer);
  else
    log_write(log, kLogError, err, ctx, "%s", text);
}

void sock_debug(const Sock *s, const char *format, ...) {
  if (!sock_worker().core->is_debug) return;
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const LogContext *ctx;
  const Log &log = log_of(s, &ctx);
  log_write(log, kLogDebug, 0, ctx, "%s", text);
}

// --- ownership -------------------------------------------------------------------------------------------------------

static void leave_owner(Sock *s) {
  if (!s->owner) return;
  (s->prev ? s->prev->next : *s->owner) = s->next;
  if (s->next) s->next->prev = s->prev;
  s->next = s->prev = nullptr;
  s->owner = nullptr;
  s->r = nullptr;
  s->run = nullptr;
}

static void close_all(Sock **list) {
  while (Sock *s = *list) {
    sock_drop(s);
    leave_owner(s);
  }
}
static void on_run_end(Run *run) { close_all(reinterpret_cast<Sock **>(&run->sockets)); }
static void on_request_end(void *r) { close_all(reinterpret_cast<Sock **>(&static_cast<Request *>(r)->sockets)); }

/// What holds for code without a request: what the configuration's first server says, the defaults in a bare VM.
static const LocationConf &requestless_conf() {
  static const LocationConf defaults{};
  const std::vector<ServerConf> &servers = vm_current->core->p->servers;
  return servers.empty() ? defaults : servers.front().conf;
}

/// The request of the running code, or its run, becomes the owner.
static void join_owner(Sock *s) {
  leave_owner(s);
  Run *run = vm_current->current->run;
  s->r = run->r;
  s->run = run->r ? nullptr : run;
  s->conf = run->r ? run->r->conf : &requestless_conf();
  s->owner = reinterpret_cast<Sock **>(run->r ? &run->r->sockets : &run->sockets);
  if (!*s->owner) {
    if (run->r)
      request_on_free(run->r, on_request_end, run->r);
    else
      run->on_end = on_run_end;
  }
  s->next = *s->owner;
  if (s->next) s->next->prev = s;
  *s->owner = s;
}

bool sock_is_owner(const Sock *s) {
  const LightThread *t = vm_current->current;
  return t && (t->run->r ? t->run->r == s->r : t->run == s->run);
}

// --- closing ---------------------------------------------------------------------------------------------------------

static void end_send(Sock *s, int32_t rc) {
  if (s->o) outgoing_write_timeout(s->o, 0);
  sched_wake(&s->writer, rc);
}

void sock_drop(Sock *s) {
  if (sock_worker().core->net.is_ending) {  // core_shutdown() closes every connection, whoever has it
    s->o = nullptr;
    s->pool = nullptr;
    s->is_queued = false;
    return;
  }
  sock_worker().core->loop->disarm(&s->queue_timer);
  if (s->lookup.name) static_cast<void>(resolver_of(s->conf->resolver).cancel(&s->lookup));
  SockPool *pool = s->pool;
  if (s->is_queued) {
    sock_pool_dequeue(s);
    pool = nullptr;
  }
  s->pool = nullptr;
  if (sched_is_waiting(s->connector)) sched_wake(&s->connector, sock_fail(s, "closed"));
  if (s->o) {
    sock_read_fail(s, "closed");
    if (sched_is_waiting(s->writer)) end_send(s, sock_fail(s, "closed"));
    s->out.clear(s->o->net->blocks);
    outgoing_close(s->o);
    s->o = nullptr;
  }
  s->is_read_closed = false;
  if (pool) sock_pool_release(pool);
}

// --- connect ---------------------------------------------------------------------------------------------------------

static int32_t connected(Sock *s) {
  s->o->owner = s;
  s->o->events = &sock_events;
  s->abi.reused = s->o->uses;
  s->is_read_closed = false;
  sock_free_buffer(s);
  return MW_OK;
}

static int32_t connect_failed(Sock *s, const char *err) {
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
  if (!s->conf->lua_socket_log_errors) return;
  bool is_bind = strcmp(call, "bind") == 0, is_unix = to.sa.sa_family == AF_UNIX;
  char address[kAddressText];
  size_t n = address_text(is_bind ? s->local : to, address);
  if (is_bind)
    while (n > 1 && address[--n] != ':') {
    }
  const LogContext *ctx;
  const Log &log = log_of(s, &ctx);
  LogLevelId level = is_bind || (is_unix && err == ENOENT) ? kLogCrit : kLogError;
  if (is_bind)
    log_write(log, level, err, ctx, "bind(%.*s) failed", static_cast<int>(n), address);
  else if (is_unix)
    log_write(log, level, err, ctx, "%s() to %.*s failed", call, static_cast<int>(n), address);
  else
    log_write(log, level, err, ctx, "%s() failed", call);
}

static int32_t open_to(Sock *s, const PeerAddress &to) {
  const char *call = "";
  const PeerAddress *local = s->local.len ? &s->local : nullptr;
  s->o = outgoing_open(&sock_worker().core->net, to, local, &sock_events, s, call);
  if (!s->o) {
    int err = errno;
    open_failed(s, to, call, err);
    return connect_failed(s, sock_errno(s, err));
  }
  if (!s->o->is_connecting) return connected(s);
  outgoing_read_timeout(s->o, s->connect_ms ? s->connect_ms : s->conf->lua_socket_connect_timeout);
  return MW_AGAIN;
}

static PeerAddress with_port(PeerAddress a, int32_t port) {
  uint16_t n = htons(static_cast<uint16_t>(port));
  if (a.sa.sa_family == AF_INET)
    a.in.sin_port = n;
  else if (a.sa.sa_family == AF_INET6)
    a.in6.sin6_port = n;
  return a;
}

static int32_t not_resolved(Sock *s, const char *error) {
  snprintf(s->error_room, sizeof s->error_room, "%.255s could not be resolved %s", s->host.c_str(), error);
  return connect_failed(s, s->error_room);
}

static void on_resolved(Lookup *l, const char *error, const std::vector<PeerAddress> *addresses) {
  Sock *s = reinterpret_cast<Sock *>(reinterpret_cast<char *>(l) - offsetof(Sock, lookup));
  sock_connect_done(s, error ? not_resolved(s, error) : open_to(s, with_port(addresses->front(), s->port)));
}

int32_t sock_start_connect(Sock *s) {
  if (s->pool) {
    if (Outgoing *o = sock_pool_take(s->pool)) {
      sock_debug(s, "lua tcp socket get keepalive peer: using connection %p, fd:%d", static_cast<void *>(o), o->fd);
      s->o = o;
      return connected(s);
    }
    ++s->pool->connections;
  }
  PeerAddress to;
  if (s->port < 0 ? address_parse(s->host, 0, to) : address_parse_ip(s->host, static_cast<uint16_t>(s->port), to))
    return open_to(s, to);
  if (s->port < 0) return connect_failed(s, "failed to parse host name");
  const ResolverConf &conf = s->conf->resolver;
  if (conf.servers.empty() && vm_current->abi->is_strict_phases) {
    snprintf(s->error_room, sizeof s->error_room, "no resolver defined to resolve \"%.255s\"", s->host.c_str());
    return connect_failed(s, s->error_room);
  }
  s->lookup.done = on_resolved;
  if (const auto *known = resolver_of(conf).find(s->host, &s->lookup, s->conf->resolver_timeout))
    return open_to(s, with_port(known->front(), s->port));
  return MW_AGAIN;
}

static void cancel_connect(Waiter *w) {
  Sock *s = reinterpret_cast<Sock *>(reinterpret_cast<char *>(w) - offsetof(Sock, connector));
  if (s->is_queued)
    sock_debug(s, "lua tcp socket abort queueing, conn_op_ctx: %p, u: %p", static_cast<void *>(w),
               static_cast<void *>(s));
  if (s->lookup.name) sock_debug(s, "lua tcp socket abort resolver");
  sock_drop(s);
}

static void choose_pool(Sock *s, int32_t pool_size, int32_t backlog) {
  s->pool = sock_pool_find(s->pool_key);
  if (s->pool || (pool_size < 0 && backlog < 0)) return;
  uint32_t size = pool_size > 0 ? static_cast<uint32_t>(pool_size) : s->conf->lua_socket_pool_size;
  sock_debug(s, "lua tcp socket keepalive create connection pool for key \"%s\"", s->pool_key.c_str());
  sock_debug(s, "lua tcp socket connection pool size: %u, backlog: %d", size, backlog);
  s->pool = sock_pool_create(s->pool_key, size, backlog);
}

// --- events ----------------------------------------------------------------------------------------------------------

static Sock *of(Outgoing *o) { return static_cast<Sock *>(o->owner); }

static void on_connected(Outgoing *o, int err) {
  Sock *s = of(o);
  if (err == 0) return sock_connect_done(s, connected(s));
  sock_log(s, err, "connect() failed");
  sock_connect_done(s, connect_failed(s, sock_errno(s, err)));
}

static void write_failed(Sock *s, const char *err) {
  s->out.clear(s->o->net->blocks);
  end_send(s, sock_fail(s, err));
}

static void on_writable(Outgoing *o) {
  Sock *s = of(o);
  if (!sched_is_waiting(s->writer)) return;
  if (!outgoing_send(o, s->out)) {
    int err = errno;
    sock_log(s, err, "send() failed");
    return write_failed(s, sock_errno(s, err));
  }
  if (s->out.is_empty()) return end_send(s, MW_OK);
  outgoing_write_timeout(o, s->send_ms ? s->send_ms : s->conf->lua_socket_send_timeout);
}

static void on_read_timeout(Outgoing *o) {
  Sock *s = of(o);
  if (!o->is_connecting) return sock_read_timeout(s);
  sock_log(s, 0, "lua tcp socket connect timed out");
  sock_connect_done(s, connect_failed(s, "timeout"));
}

static void on_write_timeout(Outgoing *o) {
  Sock *s = of(o);
  if (!sched_is_waiting(s->writer)) return;
  sock_log(s, 0, "lua tcp socket write timed out");
  write_failed(s, "timeout");
}

const OutgoingEvents sock_events = {on_connected, [](Outgoing *o) { sock_readable(of(o)); }, on_writable,
                                    on_read_timeout, on_write_timeout};

// --- sending ---------------------------------------------------------------------------------------------------------

static void cancel_send(Waiter *w) {
  sock_drop(reinterpret_cast<Sock *>(reinterpret_cast<char *>(w) - offsetof(Sock, writer)));
}

/// What every call but connect asks first: MW_OK, or MW_ERROR with the reason in err, or MW_NO_REQUEST where the connection
/// is another request's.
static int32_t check(Sock *s, const char *verb) {
  if (sched_is_waiting(s->connector)) return sock_fail(s, "socket busy connecting");
  if (!s->o) {
    char text[160];
    snprintf(text, sizeof text, "attempt to %s on a closed socket: u:%p, c:%p, ft:%d eof:%d", verb,
             static_cast<void *>(s), nullptr, 0, 0);
    if (verb[0]) sock_log(s, 0, text);
    return sock_fail(s, "closed");
  }
  return sock_is_owner(s) ? MW_OK : MW_NO_REQUEST;
}

}  // namespace mw

using namespace mw;

extern "C" MW_EXPORT
mw_sock_t *mw_sock_new(void) {
  Sock *s = new (std::nothrow) Sock();
  if (!s) abort();
  s->abi.err = s->abi.read_err = s->abi.data = "";
  return &s->abi;
}

extern "C" MW_EXPORT
void mw_sock_free(mw_sock_t *sock) {
  Sock *s = sock_of(sock);
  sock_drop(s);
  leave_owner(s);
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
  if (sched_is_waiting(s->connector)) return sock_fail(s, "socket busy connecting");
  if (s->op.kind) return sock_fail(s, "socket busy reading");
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  if (s->o && !sock_is_owner(s)) return MW_NO_REQUEST;
  if (s->o) {
    sock_debug(s, "lua reuse socket upstream ctx");
    sock_debug(s, "lua tcp socket reconnect without shutting down");
    sock_drop(s);
  }
  join_owner(s);
  s->host.assign(host, host_len);
  s->port = port;
  s->pool_key.assign(pool, pool_len);
  choose_pool(s, pool_size, backlog);
  if (s->conf->tcp_nodelay && port >= 0) sock_debug(s, "lua socket tcp_nodelay");
  sock_debug(s, "lua tcp socket connect timeout: %llu",
             static_cast<unsigned long long>(s->connect_ms ? s->connect_ms : s->conf->lua_socket_connect_timeout));
  SockPool *p = s->pool;
  if (p && p->backlog >= 0 && !p->idle && p->connections >= p->size) {
    if (p->waiting >= p->backlog) return s->pool = nullptr, sock_fail(s, "too many waiting connect operations");
    sock_debug(s, "lua tcp socket queue connect operation for connection pool \"%s\"", p->key.c_str());
    sock_pool_enqueue(p, s);
    sched_park(&s->connector, cancel_connect);
    return MW_AGAIN;
  }
  int32_t rc = sock_start_connect(s);
  if (rc == MW_AGAIN) sched_park(&s->connector, cancel_connect);
  return rc;
}

extern "C" MW_EXPORT
int32_t mw_sock_bind(mw_sock_t *sock, const char *address, size_t len) {
  Sock *s = sock_of(sock);
  PeerAddress local;
  if (!address_parse_ip({address, len}, 0, local)) return sock_fail(s, "bad address");
  s->local = local;
  sock_debug(s, "lua tcp socket bind ip: %.*s", static_cast<int>(len), address);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_sock_send(mw_sock_t *sock, const char *data, size_t len) {
  Sock *s = sock_of(sock);
  if (int32_t rc = check(s, "send data")) return rc;
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  uint64_t ms = s->send_ms ? s->send_ms : s->conf->lua_socket_send_timeout;
  sock_debug(s, "lua tcp socket send timeout: %llu", static_cast<unsigned long long>(ms));
  ssize_t n = outgoing_write(s->o, data, len);
  if (n < 0) {
    int err = errno;
    sock_log(s, err, "send() failed");
    return sock_fail(s, sock_errno(s, err));
  }
  if (static_cast<size_t>(n) == len) return MW_OK;
  s->out.append(s->o->net->blocks, {data + n, len - static_cast<size_t>(n)});
  outgoing_write_timeout(s->o, ms);
  sched_park(&s->writer, cancel_send);
  return MW_AGAIN;
}

extern "C" MW_EXPORT
int32_t mw_sock_keepalive(mw_sock_t *sock, int64_t timeout, int32_t size) {
  Sock *s = sock_of(sock);
  if (int32_t rc = check(s, "keep alive")) return rc;
  if (s->op.kind) return sock_fail(s, "socket busy reading");
  if (sched_is_waiting(s->writer) || !s->out.is_empty()) return sock_fail(s, "socket busy writing");
  if (s->is_read_closed) return sock_fail(s, "closed");
  if (s->buf_pos != s->buf_end) return sock_fail(s, "unread data in buffer");
  if (s->o->may_read) {  // whatever the peer has said, no later user of the connection would understand it
    char byte;
    ssize_t n = recv(s->o->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0) return sock_fail(s, "closed");
    if (n > 0 || errno != EAGAIN) return sock_fail(s, "connection in dubious state");
  }
  if (vm_current->abi->exiting) {
    sock_debug(s, "lua tcp socket set keepalive while process exiting, closing connection %p",
               static_cast<void *>(s->o));
    sock_drop(s);
    return MW_OK;
  }
  if (!s->pool)
    s->pool = sock_pool_find(s->pool_key);
  else
    --s->pool->connections;  // counted again below
  if (!s->pool) {
    uint32_t n = size > 0 ? static_cast<uint32_t>(size) : s->conf->lua_socket_pool_size;
    sock_debug(s, "lua tcp socket keepalive create connection pool for key \"%s\"", s->pool_key.c_str());
    sock_debug(s, "lua tcp socket connection pool size: %u", n);
    s->pool = sock_pool_create(s->pool_key, n, -1);
  }
  ++s->pool->connections;
  uint64_t ms = timeout >= 0 ? static_cast<uint64_t>(timeout) : s->conf->lua_socket_keepalive_timeout;
  if (ms)
    sock_debug(s, "lua tcp socket keepalive timeout: %llu ms", static_cast<unsigned long long>(ms));
  else
    sock_debug(s, "lua tcp socket keepalive timeout: unlimited");
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
  if (int32_t rc = check(s, "")) return rc;
  if (s->op.kind) return sock_fail(s, "socket busy reading");
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  sock_debug(s, "lua close socket connection");
  sock_drop(s);
  sock_free_buffer(s);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_sock_shutdown(mw_sock_t *sock) {
  Sock *s = sock_of(sock);
  if (int32_t rc = check(s, "")) return rc;
  if (sched_is_waiting(s->writer)) return sock_fail(s, "socket busy writing");
  if (shutdown(s->o->fd, SHUT_WR) < 0) return sock_fail(s, sock_errno(s, errno));
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
  if (int32_t rc = check(s, "")) return rc;
  const int *o = kOptions[option];
  return setsockopt(s->o->fd, o[0], o[1], &value, sizeof value) < 0 ? sock_fail(s, sock_errno(s, errno))
                                                                    : static_cast<int32_t>(MW_OK);
}

extern "C" MW_EXPORT
int32_t mw_sock_get_option(mw_sock_t *sock, int32_t option, int32_t *value) {
  Sock *s = sock_of(sock);
  if (int32_t rc = check(s, "")) return rc;
  const int *o = kOptions[option];
  socklen_t len = sizeof *value;
  return getsockopt(s->o->fd, o[0], o[1], value, &len) < 0 ? sock_fail(s, sock_errno(s, errno))
                                                           : static_cast<int32_t>(MW_OK);
}

extern "C" MW_EXPORT
int32_t mw_sock_fd(mw_sock_t *sock) { return sock_of(sock)->o ? sock_of(sock)->o->fd : -1; }
