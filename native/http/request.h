// SPDX-License-Identifier: MIT
// A request, main or sub: its head, where the router sent it, its response and its output. Lives from the parsed head to
// the end of the log phase, in a pool of the worker; all that hangs on it lives in its arena.
#pragma once
#include "abi/abi.h"
#include "base/arena.h"
#include "base/chain.h"
#include "config.h"
#include "http/core.h"
#include "http/parser.h"
#include "http/rc.h"

namespace mw {

/// A growing array in an arena. Never shrinks; elements are trivially copyable.
template <class T>
struct ArenaVec {
  T *data = nullptr;
  uint32_t size = 0, capacity = 0;
  T *push(Arena &arena) {
    if (size == capacity) {
      uint32_t more = capacity ? capacity * 2 : 8;
      T *grown = static_cast<T *>(arena.alloc(sizeof(T) * more));
      if (size) memcpy(static_cast<void *>(grown), static_cast<const void *>(data), sizeof(T) * size);
      data = grown;
      capacity = more;
    }
    return new (&data[size++]) T();
  }
  void erase(uint32_t i) {
    memmove(static_cast<void *>(&data[i]), static_cast<const void *>(&data[i + 1]), sizeof(T) * (size - i - 1));
    --size;
  }
  T *begin() { return data; }
  T *end() { return data + size; }
  const T *begin() const { return data; }
  const T *end() const { return data + size; }
};

/// A response header that has no field of its own.
struct RespHeader {
  Str name;
  Str value;
};

struct Response {
  ArenaVec<RespHeader> headers;
  Str content_type;               ///< empty: default_type (see response_content_type)
  bool has_content_type = false;  ///< set or cleared by a handler: no default
  int64_t content_length = -1;
  int64_t last_modified = -1;  ///< seconds, -1 = none
  Str location;
  bool is_location_verbatim = false;  ///< set by Lua: a leading '/' gets no scheme and host
  Str status_line;                    ///< "404 Custom", from ngx.status of a proxied reply; empty = by number
  bool has_server = false;            ///< a header named Server / Date / Connection is in `headers`
  bool has_date = false;
  bool has_connection = false;
  bool allow_ranges = false;         ///< the handler can hand out parts of its content (Output::ranges)
  bool allows_one_range = false;     ///< but only one: its content is a stream
  bool bypasses_conditions = false;  ///< If-* request headers do not count (ngx.resp.bypass_if_checks)
};

/// A piece of output on its way through the body filters.
struct OutChunk {
  OutChunk *next = nullptr;
  Str data;  ///< behind this
  bool is_last = false;
  bool is_flush = false;
  bool is_owned = false;  ///< in memory of its own, not the arena's
};

/// Where the output of a request goes.
enum class Sink : uint8_t {
  connection,  ///< a main request
  memory,      ///< a captured subrequest: stays in Output::ready
  parent       ///< an inline subrequest: into the main response, see subrequest.h
};

/// Called when a request is freed: lets go of what waits for it (a timer, a connection).
struct Cleanup {
  Cleanup *next = nullptr;
  void (*run)(void *arg) = nullptr;
  void *arg = nullptr;
};

/// Somebody waiting until the output has gone through the filters, or to the socket.
struct OutWaiter {
  OutWaiter *next = nullptr;
  void (*done)(OutWaiter *, Rc rc) = nullptr;
  bool until_sent = false;
};

struct RangeParts;

struct Output {
  Chain body;   ///< past the filters, not framed yet
  Chain ready;  ///< of a root that inline subrequests write for: what goes before `body`; of a captured one: its output
  OutChunk *first = nullptr, *last = nullptr;
  OutWaiter *waiters = nullptr;
  OutWaiter *holder = nullptr;  ///< the filter that `is_held` speaks of, while it waits for the client
  Str filter_data;              ///< ngx.arg[1] of the running body filter
  char *replacement = nullptr;  ///< what the filter has put there, past the response's beginning
  size_t replacement_size = 0;
  void *free_wait = nullptr;     ///< of abi/resp.cpp: one that Lua code has waited with before
  uint32_t queued_in_arena = 0;  ///< see output_queue.cpp
  bool has_own_memory = false;
  bool filter_last = false;    ///< ngx.arg[2]
  uint8_t header_state = 0;    ///< see output.cpp: 0 untouched, 1 in the Lua header filter, 2 through all filters
  bool is_filtering = false;   ///< the Lua body filter is running or parked
  bool is_serialized = false;  ///< the header's bytes are in the connection's chain
  bool is_chunked = false;
  bool has_trailers = false;
  bool is_last_queued = false;  ///< no more output may come
  bool is_last_framed = false;
  bool has_echo_before = false;   ///< echo_before_body is still to be put out
  bool is_diverted = false;       ///< does not go to the connection directly: see subrequest_pass()
  bool is_last_diverted = false;  ///< a main request's end, behind its subrequests
  bool is_held = false;           ///< a filter keeps input until the client has taken more: see output_go_on()
  bool is_last_held = false;      ///< the end, behind that
  uint32_t filters = 0;           ///< FilterBit: body filters that this response goes through
  void *gzip = nullptr, *gunzip = nullptr, *sub = nullptr, *ssi = nullptr;  ///< of these filters: their streams
  const RangeParts *ranges = nullptr;  ///< of a 206: what the handler sends of its content
  Sink sink = Sink::connection;
  int32_t refused = 0;       ///< the header filter's status that an error_page answers, once the handler has ended
  bool is_cut = false;       ///< see output_cut()
  bool is_finished = false;  ///< the request's end was started
  bool is_bodiless = false;  ///< HEAD, 204, 304, 1xx
  bool is_length_unknown = false;  ///< part of the body was refused: its length is not that of a GET
  uint64_t body_bytes = 0;         ///< body bytes framed so far
  uint64_t sent_mark = 0;          ///< connection bytes (sent + queued) when this response began
};

/// Reading of the request body; see body.h.
struct BodyState {
  enum State : uint8_t {
    unread,
    reading,
    streaming,  ///< a handler reads it itself, see downstream.h
    complete,
    failed,
    discarding
  } state = unread;
  bool is_chunked = false;
  bool in_file = false;
  bool is_file_kept = false;  ///< the file is not ours to remove
  bool is_borrowed = false;   ///< buffer and file belong to the parent request
  bool is_replaced = false;   ///< by Lua: not what the client sent
  bool sent_continue = false;
  bool is_streamed = false;  ///< what comes goes to the upstream at once, see upstream_body.cpp
  Str data;                  ///< when complete and in memory
  char *buf = nullptr;       ///< malloc'ed when it is not in the arena
  size_t size = 0, capacity = 0;
  uint64_t remaining = 0;  ///< content-length framing: still to come
  uint64_t total = 0;
  int fd = -1;
  Str path;
  uint64_t started_ms = 0;
  void *decoder = nullptr;  ///< ChunkedDecoder in the arena
  void (*done)(Request *, Rc, void *) = nullptr;
  void *done_arg = nullptr;
};

struct Downstream;
struct Postponed;
struct Upstream;

struct VarSlot {
  Str value;
  bool is_set = false;
};

/// Made by request_create() alone. No constructor of its own, and nearly all of it zero at the beginning: so the compiler
/// clears it with one memset instead of a hundred stores.
struct Request {
  mw_req_t abi{};        ///< first: Lua holds a pointer to it
  void *lua = nullptr;   ///< script's: parked handlers, null when there are none
  void *vm = nullptr;    ///< script's: the VM that its handlers run in, once one has
  uint32_t running = 0;  ///< how many of its handlers, Lua's and ours, are on the stack now
  HttpCore *core = nullptr;
  Connection *conn = nullptr;
  const Plan *plan = nullptr;
  const ServerConf *server = nullptr;
  const LocationConf *conf = nullptr;
  const Location *location = nullptr;
  Request *main = nullptr;  ///< itself unless a subrequest
  Request *parent = nullptr;
  Request *vars_owner = nullptr;  ///< whose user variables these are: itself unless shared
  Request *subs = nullptr;        ///< of a main request: its live subrequests
  Request *out_root = nullptr;    ///< whose output its own is part of: itself but for inline subrequests
  Request *active = nullptr;      ///< of a root: the inline subrequest whose output goes out now; null = its own
  Request *sub_next = nullptr, *sub_prev = nullptr;  ///< in main->subs
  Postponed *postponed = nullptr, *postponed_last = nullptr;
  void *handler_state = nullptr;  ///< of the content handler that runs
  void (*sub_done)(Request *sub, void *arg) = nullptr;
  void *sub_done_arg = nullptr;
  uint32_t children = 0;          ///< live subrequests whose parent this is
  uint32_t subs_live = 0;         ///< of a main request: all its live subrequests
  uint32_t echo_incr = 0;         ///< $echo_incr of a main request
  uint8_t depth = 0;              ///< of nesting; 0 = main
  bool is_ended = false;          ///< a subrequest whose output and log phase are over
  bool is_truncated = false;      ///< its output ended before its time
  bool has_stub = false;          ///< see ssi_put_stub()
  bool has_output_limit = false;  ///< subrequest_output_buffer_size: it fails when it puts out more
  Cleanup *cleanups = nullptr;
  void *sockets = nullptr;   ///< cosockets that end with it, see abi/cosocket.h
  bool has_sockets = false;  ///< it had some: their end is among the cleanups
  Request *next_free = nullptr;
  Request *list_next = nullptr, *list_prev = nullptr;
  RequestHead head;  ///< its Strs lie in the arena
  Str raw_head;      ///< the bytes of the head, final empty line included
  Str request_line;
  Str method;
  Str unparsed_uri;  ///< $request_uri
  Str uri;           ///< decoded and normalised, $uri
  Str args;
  Str host;                ///< lower case, no port; empty when the client named none
  uint32_t method_id = 0;  ///< lua-nginx-module's numbers
  int32_t listen_index = 0;
  int64_t start_ms = 0;  ///< wall clock
  uint64_t start_mono = 0;
  uint8_t step = 0;  ///< phase engine: next step
  uint8_t uri_changes = 11;
  bool uri_changed = false;
  bool is_uri_plain =
      false;  ///< uri is text that a handler gave, not the client's: it is escaped where it is passed on
  bool keepalive = false;
  bool is_stream = false;      ///< a connection of a stream server: no head came, none is answered, no page either
  bool is_error_page = false;  ///< an error_page redirect is being served: no other follows, see recursive_error_pages
  uint32_t rewrite_at = 0;     ///< the rewrite operation to go on with, when one has parked
  Str *set_args = nullptr;     ///< set_by_lua: ngx.arg
  int32_t set_target = -1;     ///< set_by_lua: its variable
  uint32_t set_arg_count = 0;
  Str set_result;                ///< set_by_lua: what the handler returned
  bool has_fresh_vm = false;     ///< lua_code_cache off: what earlier requests left is forgotten
  bool has_lost_client = false;  ///< lua_check_client_abort has seen the client go
  bool is_detached = false;      ///< holds a reference to its connection, which it outlives
  bool is_logging = false;
  bool is_aborted = false;  ///< the client is gone
  bool expects_continue = false;
  const char *action = nullptr;  ///< what it was about, for the error log: "reading client request line"
  int32_t err_status = 0;        ///< status of the error that an error page answers
  int32_t try_files_done = 0;
  int32_t access_status = 0;  ///< satisfy any: what a check has refused with
  uint8_t access_at = 0;      ///< the access check to go on with
  const ClientAddress *client =
      nullptr;  ///< of a main request: its connection's peer, or whom modules/realip.cpp has found
  uint64_t limit_rate = 0, limit_rate_after = 0;  ///< of a main request, see modules/limit_rate.cpp
  /// Of a main request: subrequests that nobody reads, see modules/mirror.cpp. Of a subrequest 1: it is a cache's own update, and
  /// may outlive its parent.
  uint32_t background = 0;
  bool is_copy = false;                 ///< a subrequest of mirror or post_action: how it ends is nobody's matter
  bool is_mirrored = false;             ///< since the last internal redirect
  bool has_post_action = false;         ///< it has begun
  bool is_awaiting_background = false;  ///< answered; the end waits for them
  bool has_limit_rate = false;          ///< evaluated, or set
  uint8_t limit_req_status = 0, limit_conn_status = 0;  ///< of a main request, see modules/limit.cpp
  Str exec_uri, exec_args;                              ///< ngx.exec asked for this
  bool has_exec = false;
  bool has_reload = false;           ///< ngx.req.set_uri(uri, true)
  VarSlot *vars = nullptr;           ///< plan.variables.size() slots once something was set
  const size_t *captures = nullptr;  ///< $n of the last regex: offsets into capture_subject
  uint32_t captures_n = 0;
  Str capture_subject;
  Response resp;
  Output out;
  BodyState body;
  Upstream *upstream = nullptr;                        ///< the latest, see upstream.h
  Downstream *downstream = nullptr;                    ///< the latest, see downstream.h
  const char *raw_uri = nullptr, *raw_args = nullptr;  ///< where uri and args lie while they are the client's own
  const char *located_uri = nullptr;                   ///< where uri lay when the location was found
  uint64_t ticks_began = 0, ticks_content = 0, ticks_answered = 0;  ///< see metrics.h
  Task pump_task;
  LogContext log_ctx;
  Arena arena;  ///< of the worker's pool

  const Log &log() const;
};

/// Where lines of code that runs with `conf` go: its error_log, or that of the main level. `conf` may be null.
const Log &core_log(const HttpCore *core, const LocationConf *conf);

/// A request for a connection, from the worker's pool.
Request *request_create(HttpCore *core, Connection *conn);
/// Calls run(arg) when `r` is freed.
void request_on_free(Request *r, void (*run)(void *), void *arg);
/// What request_on_free() was given together with `run`, last; null without: so a module that few requests meet needs no
/// member of Request.
void *request_kept(const Request *r, void (*run)(void *));
/// Ends one: its subrequests, Lua state, body file, arena; back to the pool.
void request_free(Request *r);
/// Value of a request header by name, without case; null data when absent.
Str request_header(const Request *r, Str name);

/// Sets a request header (in the place of all of that name), or adds one. Both texts are copied.
void request_set_header(Request *r, Str name, Str value, bool append);

/// A copy of a header value in which no byte ends the line: control bytes are percent-encoded, as lua-nginx-module does.
Str header_value_copy(Arena &arena, Str value);
/// The same without a copy where no byte needs it.
Str header_value_safe(Arena &arena, Str value);
/// A copy of a header value of the configuration: other control bytes than CR, LF and NUL stay, as in nginx.
Str header_value_plain(Arena &arena, Str value);
/// The target of a request line, or its method, in which no byte ends it: blanks and control bytes are percent-encoded.
Str request_target_safe(Arena &arena, Str target);

/// Response headers. Names as given go out; comparison is without case. `value` is copied.
void response_set_header(Request *r, Str name, Str value);
void response_add_header(Request *r, Str name, Str value);
/// The same for a value of the configuration, which goes out as it is; only what would end the line is encoded.
void response_add_header_plain(Request *r, Str name, Str value);
void response_clear_header(Request *r, Str name);
/// The first value, or null data.
Str response_header(Request *r, Str name);
/// The i-th value of a header; false past the last.
bool response_header_at(Request *r, Str name, uint32_t i, Str &value);
/// Sets Content-Type to default_type (by extension of the uri when types match) unless a handler chose one.
void response_default_type(Request *r);

}  // namespace mw
