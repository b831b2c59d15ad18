// SPDX-License-Identifier: MIT
// The response as Lua writes it: status, headers, output. Where a Lua filter stands in the way the output is queued, the
// writer parks, and the filters run right after it has yielded: under an FFI call no Lua can run.
#include "abi/abi.h"
#include "http/output.h"
#include "http/phase.h"
#include "net/pace.h"
#include "script/scheduler.h"

using namespace mw;

static Request *of(mw_req_t *r) { return reinterpret_cast<Request *>(r); }

// --- parking on the output chain -------------------------------------------------------------------------------------

struct OutputWait {
  OutWaiter out;
  Waiter waiter;
  Request *r = nullptr;
  OutputWait *next_free = nullptr;
};

/// A handler that writes through a filter waits for each piece: the next wait takes the memory of the last.
static void give_back(OutputWait *wait) {
  wait->next_free = static_cast<OutputWait *>(wait->r->out.free_wait);
  wait->r->out.free_wait = wait;
}

static int32_t status_of(const Connection *c, Rc rc) {
  if (rc == kOk) return MW_OK;
  return c->is_timed_out ? MW_TIMEOUT : c->is_closed ? MW_ABORTED : MW_CLOSED;
}

static void on_output(OutWaiter *w, Rc rc) {
  OutputWait *wait = reinterpret_cast<OutputWait *>(w);
  sched_wake(&wait->waiter, status_of(wait->r->conn, rc));
  give_back(wait);
}

static void cancel_output(Waiter *w) {
  OutputWait *wait = reinterpret_cast<OutputWait *>(reinterpret_cast<char *>(w) - offsetof(OutputWait, waiter));
  output_unwait(wait->r, &wait->out);
  give_back(wait);
}

static int32_t park(Request *r, bool until_sent) {
  OutputWait *wait = static_cast<OutputWait *>(r->out.free_wait);
  if (wait)
    r->out.free_wait = wait->next_free;
  else
    wait = r->arena.make<OutputWait>();
  wait->r = r;
  wait->out.done = on_output;
  output_wait(r, &wait->out, until_sent);
  sched_park(&wait->waiter, cancel_output);
  return MW_AGAIN;
}

static void run_pump(Task *t) {
  output_pump(reinterpret_cast<Request *>(reinterpret_cast<char *>(t) - offsetof(Request, pump_task)));
}

/// Lets the filters run as soon as the writer has yielded.
static int32_t pump_and_park(Request *r, bool until_sent) {
  r->pump_task.run = run_pump;
  sched_run_soon(&r->pump_task);
  return park(r, until_sent);
}

// --- output ----------------------------------------------------------------------------------------------------------

/// A HEAD request whose header is out takes no more output.
static bool is_header_only(const Request *r) { return r->abi.header_sent && r->method_id == kMethodHead && !r->parent; }

/// lua-nginx-module's lines about output memory that is taken again: a block of the pool that was in use before, or the
/// response's chain after a flush, which has to get one anew.
static void debug_reuse(const Request *r, size_t len) {
  const Output &o = r->out;
  size_t room = o.body.room();
  if (room >= len) return;
  if (o.body_bytes > 0)
    log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua reuse free buf chain, but reallocate memory because %zu >= %zu",
              len, room);
  else if (r->core->net.blocks.has_free())
    log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua reuse free buf memory %zu >= %zu", BlockPool::kData, len);
}

extern "C" MW_EXPORT
int32_t mw_resp_print(mw_req_t *req, const char *data, size_t len, int32_t newline) {
  Request *r = of(req);
  if (r->out.is_last_queued) return MW_DONE;
  if (r->conn->is_closed) return MW_CLOSED;
  if (is_header_only(r)) {
    r->out.is_length_unknown = true;
    return MW_HEADER_ONLY;
  }
  if (output_is_buffering(r))
    log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua buffering output bufs for the HTTP 1.0 request");
  if (output_is_direct(r)) {
    if (r->core->is_debug) debug_reuse(r, len + (newline ? 1 : 0));
    if (len + 1 <= 4096) {
      char *to = output_reserve(r, len + 1);
      memcpy(to, data, len);
      if (newline) to[len++] = '\n';
      output_advance(r, len);
    } else {
      output_append(r, {data, len});
      if (newline) output_append(r, "\n");
    }
    return r->conn->is_closed ? MW_CLOSED : MW_OK;
  }
  if (newline) {
    char *copy = output_queue_reserve(r, len + 1);
    memcpy(copy, data, len);
    copy[len] = '\n';
  } else {
    output_queue(r, {data, len}, false, false);
  }
  return pump_and_park(r, false);
}

/// nginx's NGX_HTTP_WRITE_BUFFERED: output waits in the write filter.
static constexpr unsigned kWriteBuffered = 0x10;

extern "C" MW_EXPORT
int32_t mw_resp_flush(mw_req_t *req, int32_t wait) {
  Request *r = of(req);
  if (r->out.is_last_queued) return MW_DONE;
  if (r->conn->is_closed) return MW_CLOSED;
  if (is_header_only(r)) return MW_HEADER_ONLY;
  if (output_is_buffering(r)) {
    log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua http 1.0 buffering makes ngx.flush() a no-op");
    return MW_BUSY;
  }
  if (!r->abi.header_sent) return MW_NOT_FOUND;
  if (!output_is_direct(r)) {
    output_queue(r, {}, true, false);
    return pump_and_park(r, wait != 0);
  }
  output_flush_from_handler(r);
  if (r->conn->is_closed) return MW_CLOSED;
  if (!wait || output_is_sent(r)) return MW_OK;
  if (r->core->is_debug)
    log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua flush requires waiting: buffered 0x%x, delayed:%d",
              r->conn->out.is_empty() ? 0 : kWriteBuffered, pace_is_waiting(r->conn) ? 1 : 0);
  return park(r, true);
}

extern "C" MW_EXPORT
int32_t mw_resp_eof(mw_req_t *req) {
  Request *r = of(req);
  if (r->out.is_last_queued) return MW_DONE;
  if (r->conn->is_closed) return MW_CLOSED;
  if (output_is_direct(r)) {
    output_end(r);
    return MW_OK;
  }
  output_queue(r, {}, false, true);
  return pump_and_park(r, false);
}

extern "C" MW_EXPORT
int32_t mw_resp_send_headers(mw_req_t *req) {
  Request *r = of(req);
  if (r->abi.header_sent) return MW_OK;
  if (output_header_is_direct(r)) {
    output_send_header(r);
    return MW_OK;
  }
  return pump_and_park(r, false);
}

// --- status and headers ----------------------------------------------------------------------------------------------

extern "C" MW_EXPORT
int32_t mw_resp_status(mw_req_t *req) {
  Request *r = of(req);
  if (r->err_status || r->abi.status) return r->err_status ? r->err_status : r->abi.status;
  return r->abi.http_major == 0 ? 9 : 0;  // so lua-nginx-module shows HTTP/0.9
}

extern "C" MW_EXPORT
int32_t mw_resp_set_status(mw_req_t *req, int32_t status) {
  Request *r = of(req);
  bool late = r->abi.header_sent && r->out.header_state != kHeaderFiltering;
  if (late) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "attempt to set ngx.status after sending out response headers");
    return MW_HEADER_SENT;
  }
  r->abi.status = status;
  r->err_status = 0;
  r->resp.status_line = {};
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_resp_set_reason(mw_req_t *req, const char *reason, size_t len) {
  Request *r = of(req);
  if (r->abi.header_sent && r->out.header_state != kHeaderFiltering) return MW_HEADER_SENT;
  Str text = header_value_copy(r->arena, {reason, len});
  char *line = static_cast<char *>(r->arena.alloc(text.size() + 16));
  int n = snprintf(line, 16, "%d ", r->abi.status);
  memcpy(line + n, text.data(), text.size());
  r->resp.status_line = {line, static_cast<size_t>(n) + text.size()};
  return MW_OK;
}

extern "C" MW_EXPORT
void mw_resp_bypass_conditions(mw_req_t *req) { of(req)->resp.bypasses_conditions = true; }

/// The name with '-' for '_', unless lua_transform_underscores_in_response_headers is off.
static Str field_name(Request *r, Str name) {
  if (!r->conf->lua_transform_underscores || name.find('_') == Str::npos) return name;
  char *to = static_cast<char *>(r->arena.alloc(name.size()));
  for (size_t i = 0; i < name.size(); ++i) to[i] = name[i] == '_' ? '-' : name[i];
  return {to, name.size()};
}

static bool is_late(const Request *r) { return r->abi.header_sent && r->out.header_state != kHeaderFiltering; }

extern "C" MW_EXPORT
int32_t mw_resp_set_header(mw_req_t *req, const char *name, size_t name_len, const char *value, size_t value_len,
                           int32_t append) {
  Request *r = of(req);
  if (is_late(r)) return MW_HEADER_SENT;
  Str field = field_name(r, {name, name_len});
  uint64_t length;
  if (str_iequal(field, "content-length") && !str_to_u64({value, value_len}, length)) return MW_BAD_ARG;
  if (append)
    response_add_header(r, field, {value, value_len});
  else
    response_set_header(r, field, {value, value_len});
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_resp_clear_header(mw_req_t *req, const char *name, size_t name_len) {
  Request *r = of(req);
  if (is_late(r)) return MW_HEADER_SENT;
  response_clear_header(r, field_name(r, {name, name_len}));
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_resp_header(mw_req_t *req, const char *name, size_t name_len, int32_t i, mw_str *out) {
  Request *r = of(req);
  Str value;
  if (!response_header_at(r, field_name(r, {name, name_len}), static_cast<uint32_t>(i), value)) return MW_NOT_FOUND;
  *out = {value.data(), value.size()};
  return MW_OK;
}

static Str lower(Request *r, Str s) {
  char *to = static_cast<char *>(r->arena.alloc(s.size()));
  for (size_t i = 0; i < s.size(); ++i) to[i] = static_cast<char>(str_lower(static_cast<unsigned char>(s[i])));
  return {to, s.size()};
}

extern "C" MW_EXPORT
int32_t mw_resp_headers(mw_req_t *req, mw_str *pairs, int32_t max, int32_t raw) {
  Request *r = of(req);
  int32_t n = 0;
  auto put = [&](Str name, Str value) {
    if (n < max) {
      Str shown = raw ? name : lower(r, name);
      pairs[2 * n] = {shown.data(), shown.size()};
      pairs[2 * n + 1] = {value.data(), value.size()};
    }
    ++n;
  };
  Str value;
  for (const char *name : {"Content-Type", "Content-Length", "Last-Modified", "Location"})
    if (response_header_at(r, name, 0, value)) put(name, value);
  if (r->out.is_chunked) put("Transfer-Encoding", "chunked");
  if (!r->resp.has_connection && !r->parent) put("Connection", r->keepalive ? Str("keep-alive") : Str("close"));
  for (const RespHeader &h : r->resp.headers) put(h.name, h.value);
  return n;
}

extern "C" MW_EXPORT
void mw_resp_redirect(mw_req_t *req, const char *uri, size_t len, int32_t status) {
  http_redirect(of(req), {uri, len}, status);
  of(req)->resp.is_location_verbatim = true;
}

// --- ngx.arg ---------------------------------------------------------------------------------------------------------

extern "C" MW_EXPORT
void mw_resp_chunk(mw_req_t *req, mw_str *out) {
  Str data = of(req)->out.filter_data;
  *out = {data.data(), data.size()};
}

extern "C" MW_EXPORT
int32_t mw_resp_chunk_eof(mw_req_t *req) { return of(req)->out.filter_last; }

extern "C" MW_EXPORT
void mw_resp_set_chunk(mw_req_t *req, const char *data, size_t len) { output_replace_chunk(of(req), {data, len}); }

extern "C" MW_EXPORT
void mw_resp_set_chunk_eof(mw_req_t *req, int32_t eof) { of(req)->out.filter_last = eof != 0; }

extern "C" MW_EXPORT
int32_t mw_resp_set_arg(mw_req_t *req, int32_t i, mw_str *out) {
  Request *r = of(req);
  if (i < 1 || static_cast<uint32_t>(i) > r->set_arg_count) return MW_NOT_FOUND;
  const Str &arg = r->set_args[i - 1];
  out->data = arg.data();
  out->size = arg.size();
  return MW_OK;
}
