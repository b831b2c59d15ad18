// SPDX-License-Identifier: MIT
// The engine that every upstream module shares: reads the client's body, connects (trying the next server as configured),
// sends the request, has the module parse the reply's head, and streams the body through the output filters no faster than the
// client takes it. Works for main requests and subrequests alike. An Upstream lives in its request's arena; the connection it
// uses is closed, or given back to its pool, when it ends or its request is freed. Worker's thread.
#pragma once
#include "http/output.h"
#include "http/request.h"
#include "http/upstream_peers.h"
#include "net/outgoing.h"

namespace mw {

struct Upstream;
struct UpstreamLookup;
struct UpstreamTunnel;
struct UpstreamPace;
struct UpstreamStore;
struct UpstreamStream;
struct Cache;

/// Why an attempt failed; bits of proxy_next_upstream.
enum UpstreamFailure : uint32_t {
  kFailError = 0x2,
  kFailTimeout = 0x4,
  kFailInvalidHeader = 0x8,
  kFailHttp500 = 0x10,
  kFailHttp502 = 0x20,
  kFailHttp503 = 0x40,
  kFailHttp504 = 0x80,
  kFailHttp403 = 0x100,
  kFailHttp404 = 0x200,
  kFailHttp429 = 0x400,
  kFailUpdating = 0x1000,  ///< of proxy_cache_use_stale alone
  kFailNonIdempotent = 0x4000,
  kFailNoLive = 0x40000000
};

/// What differs between protocols.
struct UpstreamModule {
  /// The group or address to go to, and the texts of u->schema and u->uri. kOk or a status.
  Rc (*target)(Upstream *u);
  /// Fills u->request; called again for the next server. kOk or a status.
  Rc (*create_request)(Upstream *u);
  /// Reads the head from u->head_text(). kOk (u->head_used says where the body begins; status and headers of the reply are
  /// in r->resp, or as process_headers puts them there), kAgain, or kError: invalid, logged.
  Rc (*parse_head)(Upstream *u);
  /// The head is good and will be used: puts its headers into the response. kOk, kDone when the request went elsewhere
  /// (`redirect` is set), or a status.
  Rc (*process_head)(Upstream *u);
  /// Body bytes: upstream_emit() what belongs to the client. kOk when more is to come, kDone at the end, kError: invalid, logged.
  Rc (*body)(Upstream *u, Str in);
  /// The stream has ended. kDone when this ends the body truthfully, kError when it is cut.
  Rc (*end_of_stream)(Upstream *u);
  /// The key by which the cache knows the reply, where the configuration gives none. Null: replies are not cached.
  Str (*cache_key)(Upstream *u);
  /// The head can tell of a body whose end is not known yet. Null: it cannot.
  bool (*may_stream)(Upstream *u);
};

/// One attempt, for $upstream_addr and relatives.
struct UpstreamAttempt {
  Str peer;
  int32_t status = 0;
  uint64_t started_ms = 0;
  int64_t connect_ms = -1, header_ms = -1, total_ms = -1;
  uint64_t body_bytes = 0, bytes_in = 0, bytes_out = 0;
  bool is_redirected = false;  ///< the first of another upstream: separated by ':'
};

/// What balancer_by_lua* decides; there only where the group has such a script.
struct UpstreamBalancer {
  PeerAddress address;  ///< of this attempt; len 0: the group's own turn
  Str name;
  uint32_t more_tries = 0, total_tries = 0;
  uint8_t last_state = 0;  ///< of the attempt before: 0 none, 2 next, 4 failed
  bool wants_new_request = false;
};

/// $upstream_cache_status.
enum class CacheStatus : uint8_t { none, miss, bypass, expired, stale, updating, revalidated, hit };

struct Upstream {
  Request *r = nullptr;
  const UpstreamModule *module = nullptr;
  const UpstreamConf *conf = nullptr;
  PeerChoice peer;
  Outgoing *out = nullptr;
  Str schema;                   ///< "http://"
  Str host, port;               ///< $proxy_host, $proxy_port
  Str uri;                      ///< for the log
  Chain request;                ///< bytes still to be sent
  uint64_t request_length = 0;  ///< of the body that is sent
  char *head = nullptr;
  uint32_t head_size = 0, head_capacity = 0, head_used = 0;
  int32_t status = 0;
  Str status_line;
  ArenaVec<HttpHeader> headers;  ///< of the reply, as sent
  ArenaVec<UpstreamAttempt> attempts;
  void *module_state = nullptr;
  UpstreamBalancer *balancer = nullptr;
  uint64_t bytes_in_before = 0, bytes_out_before = 0;  ///< of a kept connection, by requests before
  uint64_t first_ms = 0;                               ///< of the first attempt
  uint64_t connect_timeout = 0, send_timeout = 0, read_timeout = 0;
  OutWaiter waiter;
  Task task;
  Str resolve_host;  ///< a name to be looked up, or empty
  uint16_t resolve_port = 0;
  UpstreamLookup *lookup = nullptr;
  UpstreamTunnel *tunnel = nullptr;  ///< once the protocol has been switched
  UpstreamPace *pace = nullptr;      ///< proxy_limit_rate holds for the reply
  UpstreamStore *store = nullptr;    ///< the reply becomes a file
  UpstreamStream *stream = nullptr;  ///< the client's body is sent as it comes
  PeerAddress local;
  Str redirect_uri, redirect_args;
  bool has_local = false;
  bool is_request_sent = false;  ///< something of it may have reached a server
  bool is_head_done = false;
  bool is_waiting = false;  ///< for the client to take output
  bool is_buffered = true;
  bool is_ended = false;
  bool is_body_done = false;
  bool is_upgraded = false;  ///< the reply is the 101 that the client asked for
  bool may_keep = false;     ///< the connection may serve another request
  Cache *cache = nullptr;
  CacheStatus cache_status = CacheStatus::none;
  bool is_cacheable = false;          ///< the reply may be stored
  bool is_cached = false;             ///< the answer is a stored one
  Upstream *background_of = nullptr;  ///< whose update this one takes over
  bool is_background = false;         ///< nobody waits for the answer: it is fetched to be stored
  bool is_head_as_get = false;        ///< a HEAD that is sent as GET, so that its reply can be stored
  uint64_t body_at = 0;               ///< bytes of the body that came before the next

  UpstreamAttempt &attempt() { return attempts.data[attempts.size - 1]; }
  Str head_text() const { return {head, head_size}; }
};

/// The content handler of a location with `conf`: kAgain, always; the request is finalized from here.
Rc upstream_run(Request *r, const UpstreamModule *module, const UpstreamConf *conf);
/// The same for a subrequest that renews what the cache has for `of`, whose update it takes over.
void upstream_run_background(Request *r, Upstream *of);
/// Sets where to go: the conf's constant group, a group by name, a literal address ("1.2.3.4[:port]", "unix:/path"), or
/// resolve_host, a name that is still to be looked up. kOk or a status, logged.
Rc upstream_find_target(Upstream *u, Str authority, uint16_t default_port);
/// Prepares the choice among the servers of u->peer.group.
void upstream_enter_group(Upstream *u);
/// Looks up u->resolve_host. kOk when its addresses are known by now; kAgain: `found` is called with kOk, or with a status.
Rc upstream_resolve(Upstream *u, void (*found)(Upstream *u, Rc rc));
void upstream_resolve_cancel(Upstream *u);
/// proxy_bind. kOk.
Rc upstream_set_local(Upstream *u);
// Of body.cpp, where the client's body is streamed: some of it has come; that was all for now; no more may come for now.
void upstream_body_take(Request *r, Str data);
void upstream_body_progress(Request *r);
bool upstream_body_is_full(const Request *r);
/// Notes since when nothing is read because of that.
void upstream_body_pause(const Request *r);
/// How long nothing was read, in ms; that is over.
uint64_t upstream_body_resume(const Request *r);
/// Of a streamed body that is not chunked: its length as announced, by the client or by Lua.
uint64_t upstream_body_length(const Upstream *u);
/// Body bytes for the client.
void upstream_emit(Upstream *u, Str data);
/// The client's end of stream was seen, or its connection failed. True when the request goes on all the same.
bool upstream_client_gone(Request *r);
/// The parked balancer_by_lua* of `r` ended.
void upstream_balanced(Request *r, Rc rc);
/// ", upstream: "..."" for the log, or nothing.
void upstream_log_tail(const Request *r, std::string &out);
/// Resolves $upstream_* and $proxy_*.
struct VarDef;
bool upstream_variable_resolve(Str name, VarDef &def);

}  // namespace mw
