// SPDX-License-Identifier: MIT
// Pools of idle cosocket connections: the newest goes out first, the oldest makes room; one that times out, or whose peer says
// anything, leaves. A pool with a backlog limits its connections, and connects beyond it wait their turn.
#include "abi/sock.h"

namespace mw {

SockPool *sock_pool_find(const std::string &key) {
  SockWorker &w = sock_worker();
  if (w.last_pool && w.last_pool->key == key) return w.last_pool;
  auto found = w.pools.find(key);
  return found == w.pools.end() ? nullptr : w.last_pool = found->second.get();
}

SockPool *sock_pool_create(const std::string &key, uint32_t size, int32_t backlog) {
  std::unique_ptr<SockPool> &slot = sock_worker().pools[key];
  slot = std::make_unique<SockPool>();
  slot->key = key;
  slot->size = size;
  slot->backlog = backlog;
  return slot.get();
}

static bool is_debug() { return sock_worker().core->is_debug; }

static void unlink(SockPool *p, Outgoing *o) {
  (o->idle_prev ? o->idle_prev->idle_next : p->newest) = o->idle_next;
  (o->idle_next ? o->idle_next->idle_prev : p->oldest) = o->idle_prev;
  o->idle_next = o->idle_prev = nullptr;
  o->pool = nullptr;
  --p->idle;
}

static void drop(SockPool *p, Outgoing *o) {
  unlink(p, o);
  outgoing_close(o);
  sock_pool_release(p);
}

/// Bytes or the end of an idle connection: it is of no more use.
static void on_event(Outgoing *o) {
  if (is_debug())
    log_write(*sock_worker().core->log, kLogDebug, 0, nullptr, "lua tcp socket keepalive close handler: fd:%d", o->fd);
  drop(static_cast<SockPool *>(o->pool), o);
}
static void on_timeout(Outgoing *o) {
  if (is_debug())
    log_write(*sock_worker().core->log, kLogDebug, 0, nullptr, "lua tcp socket keepalive max idle timeout");
  on_event(o);
}
static const OutgoingEvents kIdleEvents = {[](Outgoing *o, int) { on_event(o); }, on_event, on_event, on_timeout,
                                           on_timeout};

Outgoing *sock_pool_take(SockPool *p) {
  Outgoing *o = p->newest;
  if (!o) return nullptr;
  unlink(p, o);
  outgoing_read_timeout(o, 0);
  return o;
}

void sock_pool_put(SockPool *p, Outgoing *o, uint64_t timeout_ms) {
  while (p->idle >= p->size && p->oldest) drop(p, p->oldest);
  o->events = &kIdleEvents;
  o->owner = nullptr;
  o->pool = p;
  o->idle_prev = nullptr;
  o->idle_next = p->newest;
  (p->newest ? p->newest->idle_prev : p->oldest) = o;
  p->newest = o;
  ++p->idle;
  ++o->uses;
  outgoing_write_timeout(o, 0);
  outgoing_read_timeout(o, timeout_ms);
  if (p->first_waiting) {  // one that waits takes it at once
    Sock *s = p->first_waiting;
    sock_pool_dequeue(s);
    sock_connect_done(s, sock_start_connect(s));
  }
}

void sock_pool_release(SockPool *p) {
  --p->connections;
  ++p->free_turns;
  if (p->is_releasing) return;  // a connect below failed at once: the loop on the stack goes on with the next
  p->is_releasing = true;
  while (p->free_turns && p->first_waiting) {
    --p->free_turns;
    Sock *s = p->first_waiting;
    sock_pool_dequeue(s);
    sock_connect_done(s, sock_start_connect(s));
  }
  p->is_releasing = false;
  p->free_turns = 0;
  if (p->connections > 0) return;
  SockWorker &w = sock_worker();
  if (is_debug())
    log_write(*w.core->log, kLogDebug, 0, nullptr, "lua tcp socket keepalive: free connection pool for \"%s\"",
              p->key.c_str());
  if (w.last_pool == p) w.last_pool = nullptr;
  w.pools.erase(std::string(p->key));
}

static void on_queue_timeout(Timer *t) {
  Sock *s = reinterpret_cast<Sock *>(reinterpret_cast<char *>(t) - offsetof(Sock, queue_timer));
  char text[400];
  snprintf(text, sizeof text, "lua tcp socket queued connect timed out, when trying to connect to %.255s:%d",
           s->co.host.c_str(), s->co.port);
  sock_log(s, 0, text);
  sock_pool_dequeue(s);
  s->pool = nullptr;
  sock_connect_done(s, sock_fail(s, "timeout"));
}

void sock_pool_enqueue(SockPool *p, Sock *s) {
  s->is_queued = true;
  s->queue_next = nullptr;
  s->queue_prev = p->last_waiting;
  (p->last_waiting ? p->last_waiting->queue_next : p->first_waiting) = s;
  p->last_waiting = s;
  ++p->waiting;
  s->pool = p;
  s->queue_timer.fire = on_queue_timeout;
  sock_worker().core->loop->arm(&s->queue_timer,
                                s->connect_ms ? s->connect_ms : s->co.conf->lua_socket_connect_timeout);
}

void sock_pool_dequeue(Sock *s) {
  SockPool *p = s->pool;
  s->is_queued = false;
  (s->queue_prev ? s->queue_prev->queue_next : p->first_waiting) = s->queue_next;
  (s->queue_next ? s->queue_next->queue_prev : p->last_waiting) = s->queue_prev;
  s->queue_next = s->queue_prev = nullptr;
  --p->waiting;
  sock_worker().core->loop->disarm(&s->queue_timer);
}

}  // namespace mw
