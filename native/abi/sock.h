// SPDX-License-Identifier: MIT
// What the files of the sock family share: a TCP or unix cosocket (cosocket.h: its owner), its pools, what all of a worker
// use. At most one light thread reads, one writes and one connects at a time. Worker's thread.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "abi/cosocket.h"
#include "net/listener.h"
#include "net/outgoing.h"

namespace mw {

struct Downstream;
struct Sock;
struct SockPool;

/// The connection that a cosocket reads and writes: one of its own, or its request's client.
struct SockIo {
  bool (*may_read)(const Sock *);               ///< false: recv would say EAGAIN
  ssize_t (*recv)(Sock *, char *, size_t);      ///< >0 bytes read, 0 the end, -1 with errno
  const char *(*end)(const Sock *);             ///< after an end: null = all is read, else what went wrong
  bool (*write)(Sock *, const char *, size_t);  ///< what cannot be sent now stays in Sock::out; false with errno
  bool (*flush)(Sock *);                        ///< sends what it can of Sock::out; false with errno
  void (*read_timeout)(Sock *, uint64_t ms);    ///< arms (moves) a timer; 0 disarms it
  void (*write_timeout)(Sock *, uint64_t ms);
  void (*close)(Sock *);
  int (*fd)(const Sock *);
};

struct ReadOp {
  int32_t kind = 0;  ///< enum mw_sock_read; 0 = none
  uint64_t n = 0;
  const char *pattern = nullptr;
  size_t pattern_size = 0;
  bool is_inclusive = false;
  int32_t *found = nullptr;
  size_t scanned = 0;  ///< bytes from the buffer's start that hold no end
};

struct Sock {
  mw_sock_t abi{};             ///< first: Lua holds a pointer to it
  const SockIo *io = nullptr;  ///< by its kind, for life
  Outgoing *o = nullptr;       ///< its own connection, or
  Downstream *down = nullptr;  ///< that of its request's client; both null: closed
  Cosocket co;
  SockPool *pool = nullptr;  ///< counts its connection, when there is one
  std::string pool_key;
  uint64_t connect_ms = 0, send_ms = 0, read_ms = 0;  ///< 0 = the configuration's
  PeerAddress local;                                  ///< of bind
  // waiting
  Waiter connector, reader, writer;
  Lookup lookup;
  Sock *queue_next = nullptr, *queue_prev = nullptr;  ///< in its pool's queue of connects
  Timer queue_timer;
  bool is_queued = false;
  bool is_read_closed = false;   ///< the peer's end of stream, or an error, was met
  bool is_end_open = false;      ///< a "*a" took all up to the end: the next read is told of it, not refused
  bool is_write_closed = false;  ///< a send failed: where the peer's stream stands is not known
  // input
  ReadOp op;
  char *buf = nullptr;
  size_t buf_capacity = 0, buf_pos = 0, buf_end = 0;
  const LightThread *last_reader = nullptr;  ///< who waited for a read last; structs live as long as the VM
  int64_t last_reader_ticket = 0;            ///< and may be another's by now
  Sock *drained_next = nullptr, *drained_prev = nullptr;
  bool is_drained = false;  ///< listed in SockWorker::drained
  // output that could not be sent at once
  Chain out;
};

/// Idle connections under one name, and the connects that wait where their number is limited.
struct SockPool {
  std::string key;
  uint32_t size = 0;         ///< idle ones it keeps
  int32_t backlog = -1;      ///< -1: the number of connections is not limited
  uint32_t connections = 0;  ///< open: idle, in use, being made
  uint32_t idle = 0;
  Outgoing *newest = nullptr, *oldest = nullptr;
  Sock *first_waiting = nullptr, *last_waiting = nullptr;
  int32_t waiting = 0;
  uint32_t free_turns = 0;  ///< of connections that ended: for so many that wait
  bool is_releasing = false;
};

struct SockWorker {
  HttpCore *core = nullptr;
  std::unordered_map<std::string, std::unique_ptr<SockPool>> pools;
  std::vector<char *> free_buffers;  ///< of kSockBuffer bytes
  Sock *drained = nullptr;           ///< those whose buffer may go, when Lua has copied what it read last
  Task drain_task;
  std::vector<Sock *> free_socks;  ///< of requests that ended; they stay, since Lua may ask for their generation
  SockPool *last_pool = nullptr;   ///< the one found last
  ~SockWorker();
};
constexpr size_t kSockBuffer = 4096;

inline Sock *sock_of(mw_sock_t *s) { return reinterpret_cast<Sock *>(s); }
inline bool sock_is_open(const Sock *s) { return s->o || s->down; }
SockWorker &sock_worker();
/// Writes an error line of the socket's where lua_socket_log_errors is on.
void sock_log(Sock *s, int err, const char *text);
int32_t sock_fail(Sock *s, const char *err);
/// What every call but connect asks first: MW_OK, or MW_ERROR with the reason in err, or MW_NO_REQUEST where the connection
/// is another request's.
int32_t sock_check(Sock *s, const char *verb);
/// The error line of a call on a socket that is closed: "attempt to VERB on a closed socket".
void sock_log_closed(Sock *s, const char *verb);
/// A new one that is not connected.
Sock *sock_create(const SockIo *io);
/// Ends the connection. What waits on it is woken with "closed".
void sock_drop(Sock *s);
/// The connection is here: gives it events and tells whoever waits for it.
extern const OutgoingEvents sock_events;
/// Starts to connect to s's address (its turn has come). Returns as mw_sock_connect does; wakes nobody.
int32_t sock_start_connect(Sock *s);
void sock_connect_done(Sock *s, int32_t result);

// reading, sock_read.cpp
/// A read waits; or has ended, but its light thread has yet to run and copy what it got.
bool sock_is_reading(const Sock *s);
/// Bytes or an end may be had. False: nobody waits for them.
bool sock_readable(Sock *s);
void sock_read_timeout(Sock *s);
/// Ends a read that waits.
void sock_read_fail(Sock *s, const char *err);
void sock_free_buffer(Sock *s);

// writing, sock_write.cpp
/// What is left of a send may go. False: nobody waits.
bool sock_writable(Sock *s);
void sock_write_timeout(Sock *s);
/// Ends a send that waits.
void sock_write_fail(Sock *s, const char *err);

// pools, sock_pool.cpp
/// The pool of that name, or null.
SockPool *sock_pool_find(const std::string &key);
SockPool *sock_pool_create(const std::string &key, uint32_t size, int32_t backlog);
/// An idle connection, no longer in the pool, or null.
Outgoing *sock_pool_take(SockPool *p);
/// Keeps `o` idle for `timeout_ms`, 0 for good.
void sock_pool_put(SockPool *p, Outgoing *o, uint64_t timeout_ms);
/// A connection counted by the pool is gone: the next connect that waits has its turn.
void sock_pool_release(SockPool *p);
void sock_pool_enqueue(SockPool *p, Sock *s);
void sock_pool_dequeue(Sock *s);

}  // namespace mw
