// SPDX-License-Identifier: MIT
// What all requests of one worker share: the plan and its router, the loop, pools, clocks as text, counters.
// One per worker thread; made before the first connection, destroyed after the last.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "abi/abi.h"
#include "base/arena.h"
#include "base/log.h"
#include "config.h"
#include "http/parser.h"
#include "loop/loop.h"
#include "net/connection.h"

namespace mw {

struct Request;
struct Router;
struct VarTable;
class Resolvers;
struct LogFiles;
struct LogBuffers;
struct PeerTable;
struct PeerState;
struct ShmDict;
struct StatusReplies;

struct HttpCore {
  Loop *loop = nullptr;
  NetCore net;
  PlanRef plan;
  const Plan *p = nullptr;  ///< plan.get()
  std::shared_ptr<const Router> router;
  std::shared_ptr<const VarTable> vars;
  std::shared_ptr<const LogFiles> files;
  std::shared_ptr<LogBuffers> log_buffers;  ///< made with the first access log that has a buffer
  std::shared_ptr<const PeerTable> peers;
  std::shared_ptr<PeerState> peer_state;
  std::shared_ptr<Resolvers> resolvers;  ///< outlive the VM, whose cosockets wait for names; end before the loop
  std::vector<ShmDict *> cache_zones;    ///< by index of Plan::cache_paths; the server owns them
  std::vector<ShmDict *> limit_zones;    ///< by index of Plan::limit_zones; the server owns them
  mw_worker_t *abi = nullptr;
  Log *log = nullptr;     ///< main level
  bool is_debug = false;  ///< some error log of the plan takes debug lines
  ArenaPool arenas;
  HttpHeader head_room[kMaxHeaders];  ///< where a head's fields stand until its request exists
  Request *free_requests = nullptr;
  Request *requests = nullptr;  ///< all live main requests, for the end of the worker
  uint64_t requests_total = 0;
  uint64_t requests_active = 0;
  uint64_t ticks_ended = 0;  ///< when the latest request ended, by ticks_now(); http_connection.cpp sets it back
  alignas(64) mw_metrics_t metrics{};  ///< this worker's own cache lines
  alignas(64) int32_t generation = 0;
  /// Asks every worker of the server; null in tests without one.
  void (*ask_workers)(void *arg, const std::shared_ptr<StatusReplies> &replies) = nullptr;
  void *ask_workers_arg = nullptr;
  std::atomic<bool> *wants_privileged_agent = nullptr;  ///< the generation's; null in tests without one
  uint64_t range_boundary = 0;                          ///< the latest boundary of a multipart/byteranges body
  bool is_draining = false;  ///< no keep-alive any more, but where another worker takes the connection over
  bool is_quitting = false;
  // Text of the current second, refreshed by core_tick().
  int64_t second = -1;
  char date[32];               ///< "Mon, 23 Nov 2026 10:00:00 GMT", 29 bytes
  char server_date[96];        ///< "Server: moonwire/x\r\nDate: ...\r\n"
  char server_date_short[96];  ///< the same with server_tokens off
  uint32_t server_date_size = 0, server_date_short_size = 0;
  char log_time[32];      ///< $time_local
  char log_time_iso[32];  ///< $time_iso8601
  /// Called when the last connection of a draining worker is gone (may be null).
  void (*on_drained)(HttpCore *, void *) = nullptr;
  void *on_drained_arg = nullptr;
  /// Finds a worker of the newest generation for an idle connection of this draining one (may be null). False when there is
  /// none that listens there; the connection is untouched then.
  bool (*pass_on)(HttpCore *, Connection *, void *) = nullptr;
  void *pass_on_arg = nullptr;
  ~HttpCore();
};

/// Refreshes the clock texts when the second changed, and the clocks that Lua sees.
void core_tick(HttpCore *core);

/// May the client send another request after this one? Not where a draining worker has nobody to give the connection to.
bool http_may_keep_alive(const HttpCore *core, const Connection *c);

/// The worker ends now: closes every connection and frees every request. Before the VM goes.
void core_shutdown(HttpCore *core);

/// The product token of the Server header and error pages: "moonwire/1.2.3", or the name alone.
Str core_product(const HttpCore *core, bool has_version);

}  // namespace mw
