// SPDX-License-Identifier: MIT
// UDP and unix datagram cosockets (cosocket.h: their owner). One light thread at a time waits on a socket: for its peer's name,
// or for a datagram. That one stays with the kernel until the light thread runs, so that a wait which is broken off loses
// nothing. Wording and return values are those of lua-nginx-module's manual, ngx.socket.udp.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <new>

#include "abi/cosocket.h"
#include "net/datagram.h"

namespace mw {

struct Udp {
  mw_udp_t abi{};  ///< first: Lua holds a pointer to it
  Cosocket co;
  Datagram *d = nullptr;
  uint64_t read_ms = 0;  ///< 0 = the configuration's
  PeerAddress local;     ///< of bind
  Lookup lookup;
  Waiter waiter;
  // the receive that waits
  Timer timer;
  uint64_t deadline = 0;
  size_t room = 0;  ///< the size that it asked for
};

static Udp *udp_of(mw_udp_t *u) { return reinterpret_cast<Udp *>(u); }
static Udp *udp_of(Waiter *w) { return reinterpret_cast<Udp *>(reinterpret_cast<char *>(w) - offsetof(Udp, waiter)); }

static Loop *loop() { return vm_current->core->loop; }

static int32_t fail(Udp *u, const char *err) {
  u->abi.err = err;
  return MW_ERROR;
}

static void log_failure(Udp *u, LogLevelId level, int err, const char *text) {
  cosocket_log(&u->co, level, err, u->d ? &u->d->peer : nullptr, text);
}

// --- closing ---------------------------------------------------------------------------------------------------------

/// Ends what is under way and closes the socket; wakes nobody.
static void shut(Udp *u) {
  cosocket_debug(&u->co, "lua finalize socket");
  loop()->disarm(&u->timer);
  if (u->lookup.name) cosocket_resolver(u->co.conf->resolver).cancel(&u->lookup);
  if (!u->d) return;
  cosocket_debug(&u->co, "lua close socket connection");
  datagram_close(u->d);
  u->d = nullptr;
}

static void drop(Udp *u) {
  shut(u);
  if (sched_is_waiting(u->waiter)) sched_wake(&u->waiter, fail(u, "closed"));
}
static void drop_owned(Cosocket *co) {
  drop(reinterpret_cast<Udp *>(reinterpret_cast<char *>(co) - offsetof(Udp, co)));
}

// --- the peer --------------------------------------------------------------------------------------------------------

static void on_readable(Datagram *d) {
  Udp *u = static_cast<Udp *>(d->owner);
  if (!sched_is_waiting(u->waiter)) return;
  loop()->disarm(&u->timer);
  sched_wake(&u->waiter, MW_OK);
}

static int32_t open_to(Udp *u, const PeerAddress &to) {
  const char *call = "";
  const PeerAddress *local = u->local.len ? &u->local : nullptr;
  u->d = datagram_open(&vm_current->core->net, to, local, on_readable, u, call);
  if (u->d) return MW_OK;
  int err = errno;
  char text[kAddressText + 32], address[kAddressText];
  if (local && strcmp(call, "bind") == 0 && to.sa.sa_family != AF_UNIX) {
    Str name{address, address_text(*local, address)};
    name = name.substr(0, name.rfind(':'));
    snprintf(text, sizeof text, "bind(%.*s) failed", static_cast<int>(name.size()), name.data());
  } else {
    snprintf(text, sizeof text, "%s() failed", call);
  }
  cosocket_log(&u->co, kLogCrit, err, &to, text);
  return fail(u, cosocket_errno(err));
}

static void on_resolved(Lookup *l, const char *error, const std::vector<PeerAddress> *addresses) {
  Udp *u = reinterpret_cast<Udp *>(reinterpret_cast<char *>(l) - offsetof(Udp, lookup));
  int32_t rc =
      error ? fail(u, cosocket_not_resolved(&u->co, error)) : open_to(u, cosocket_pick(*addresses, u->co.port));
  sched_wake(&u->waiter, rc);
}

static void cancel_lookup(Waiter *w) {
  cosocket_debug(&udp_of(w)->co, "lua udp socket abort resolver");
  shut(udp_of(w));
}

static int32_t set_peer(Udp *u) {
  PeerAddress to;
  Cosocket &co = u->co;
  if (co.port < 0 ? address_parse(co.host, 0, to) : address_parse_ip(co.host, static_cast<uint16_t>(co.port), to))
    return open_to(u, to);
  if (co.port < 0 || co.host.empty()) {
    co.error_text = "failed to parse host name \"" + co.host.substr(0, 255) + "\"";
    return fail(u, co.error_text.c_str());
  }
  if (const char *err = cosocket_no_resolver(&co)) return fail(u, err);
  u->lookup.done = on_resolved;
  if (const auto *known = cosocket_resolver(co.conf->resolver).find(co.host, &u->lookup, co.conf->resolver_timeout))
    return open_to(u, cosocket_pick(*known, co.port));
  sched_park(&u->waiter, cancel_lookup);
  return MW_AGAIN;
}

// --- receiving -------------------------------------------------------------------------------------------------------

/// Where every datagram of a worker's thread arrives; its text goes to Lua at once.
static thread_local std::unique_ptr<char[]> receive_buffer;

static void on_timeout(Timer *t) {
  Udp *u = reinterpret_cast<Udp *>(reinterpret_cast<char *>(t) - offsetof(Udp, timer));
  log_failure(u, kLogError, 0, "lua udp socket read timed out");
  sched_wake(&u->waiter, fail(u, "timeout"));
}

/// The wait is broken off; the socket stays as it is.
static void cancel_receive(Waiter *w) { loop()->disarm(&udp_of(w)->timer); }

static int32_t take(Udp *u) {
  if (!receive_buffer) receive_buffer.reset(new (std::nothrow) char[kDatagramMax]);
  if (!receive_buffer) return fail(u, "no memory");
  ssize_t n = datagram_recv(u->d, receive_buffer.get(), u->room);
  cosocket_debug(&u->co, "lua udp recv returned %zd", n);
  if (n < 0 && errno == EAGAIN) {
    loop()->arm_at(&u->timer, u->deadline);
    sched_park(&u->waiter, cancel_receive);
    return MW_AGAIN;
  }
  if (n < 0) {
    int err = errno;
    log_failure(u, kLogError, err, "recv() failed");
    return fail(u, cosocket_errno(err));
  }
  u->abi.data = receive_buffer.get();
  u->abi.size = static_cast<size_t>(n);
  return MW_OK;
}

/// What send and receive ask first: MW_OK, or MW_ERROR with the reason in err, or MW_NO_REQUEST where the socket is another
/// request's.
static int32_t check(Udp *u, const char *verb) {
  if (!u->d) {
    char text[128];
    snprintf(text, sizeof text, "attempt to %s data on a closed socket: u:%p, c:%p", verb, static_cast<void *>(u),
             nullptr);
    if (verb[0]) log_failure(u, kLogError, 0, text);
    return fail(u, "closed");
  }
  if (!cosocket_is_owner(&u->co)) return MW_NO_REQUEST;
  return sched_is_waiting(u->waiter) ? fail(u, "socket busy") : static_cast<int32_t>(MW_OK);
}

}  // namespace mw

using namespace mw;

extern "C" MW_EXPORT
mw_udp_t *mw_udp_new(void) {
  Udp *u = new (std::nothrow) Udp();
  if (!u) abort();
  u->abi.err = u->abi.data = "";
  u->co.drop = drop_owned;
  u->timer.fire = on_timeout;
  return &u->abi;
}

extern "C" MW_EXPORT
void mw_udp_free(mw_udp_t *udp) {
  Udp *u = udp_of(udp);
  drop(u);
  cosocket_leave(&u->co);
  delete u;
}

extern "C" MW_EXPORT
void mw_udp_set_timeout(mw_udp_t *udp, int64_t ms) {
  udp_of(udp)->read_ms = static_cast<uint64_t>(std::max<int64_t>(ms, 0));
}

extern "C" MW_EXPORT
int32_t mw_udp_set_peer(mw_udp_t *udp, const char *host, size_t len, int32_t port) {
  Udp *u = udp_of(udp);
  if (u->co.owner && !cosocket_is_owner(&u->co)) return MW_NO_REQUEST;
  if (sched_is_waiting(u->waiter)) return fail(u, "socket busy");
  if (u->d) {
    cosocket_debug(&u->co, "lua udp socket reconnect without shutting down");
    shut(u);
  }
  if (u->co.owner) cosocket_debug(&u->co, "lua reuse socket upstream ctx");
  cosocket_join(&u->co);
  u->co.host.assign(host, len);
  u->co.port = port;
  return set_peer(u);
}

extern "C" MW_EXPORT
int32_t mw_udp_bind(mw_udp_t *udp, const char *address, size_t len) {
  Udp *u = udp_of(udp);
  PeerAddress local;
  if (!address_parse_ip({address, len}, 0, local)) return fail(u, "bad address");
  u->local = local;
  cosocket_debug(&u->co, "lua udp socket bind ip: %.*s", static_cast<int>(len), address);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_udp_send(mw_udp_t *udp, const char *data, size_t len) {
  Udp *u = udp_of(udp);
  if (int32_t rc = check(u, "send")) return rc;
  ssize_t n = datagram_send(u->d, data, len);
  cosocket_debug(&u->co, "send: fd:%d %zd of %zu", u->d->fd, n, len);
  if (n < 0) {
    int err = errno;
    if (err != EAGAIN) log_failure(u, kLogError, err, "send() failed");
    return fail(u, cosocket_errno(err));
  }
  return static_cast<size_t>(n) == len ? static_cast<int32_t>(MW_OK) : fail(u, "partial write");
}

extern "C" MW_EXPORT
int32_t mw_udp_receive(mw_udp_t *udp, size_t size) {
  Udp *u = udp_of(udp);
  if (int32_t rc = check(u, "receive")) return rc;
  uint64_t ms = u->read_ms ? u->read_ms : u->co.conf->lua_socket_read_timeout;
  u->room = std::min(size, kDatagramMax);
  cosocket_debug(&u->co, "lua udp socket read timeout: %llu", static_cast<unsigned long long>(ms));
  cosocket_debug(&u->co, "lua udp socket receive buffer size: %zu", u->room);
  u->deadline = loop()->now_ms() + ms;
  return take(u);
}

extern "C" MW_EXPORT
int32_t mw_udp_receive_woken(mw_udp_t *udp) {
  Udp *u = udp_of(udp);
  if (int32_t rc = check(u, "")) return rc;  // another light thread may have closed it, or waits by now
  return take(u);
}

extern "C" MW_EXPORT
int32_t mw_udp_close(mw_udp_t *udp) {
  Udp *u = udp_of(udp);
  if (int32_t rc = check(u, "")) return rc;
  shut(u);
  return MW_OK;
}

extern "C" MW_EXPORT
void mw_udp_share(mw_udp_t *udp) { udp_of(udp)->co.is_shared = true; }

extern "C" MW_EXPORT
void mw_udp_abort(mw_udp_t *udp) { drop(udp_of(udp)); }
