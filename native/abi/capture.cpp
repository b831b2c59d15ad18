// SPDX-License-Identifier: MIT
// ngx.location.capture and capture_multi: captured subrequests of the running request, started when the light thread has
// yielded, since under an FFI call no Lua can run. The object lies in the parent's arena; the subrequests belong to Lua from
// their end to mw_capture_free(), or else end with the main request.
#include "abi/abi.h"
#include "http/subrequest.h"
#include "script/scheduler.h"

using namespace mw;

static Request *of(mw_req_t *r) { return reinterpret_cast<Request *>(r); }

struct mw_capture {
  Waiter waiter;
  Request *parent = nullptr;
  ArenaVec<Request *> subs;
  uint32_t pending = 0;
  bool is_cancelled = false;
};

static void on_done(Request *sub, void *arg) {
  mw_capture *c = static_cast<mw_capture *>(arg);
  if (c->is_cancelled) return subrequest_free(sub);
  if (--c->pending == 0) sched_wake(&c->waiter, MW_OK);
}

static void cancel(Waiter *w) { reinterpret_cast<mw_capture *>(w)->is_cancelled = true; }

static void run_start(Task *t) {
  Request *sub = reinterpret_cast<Request *>(reinterpret_cast<char *>(t) - offsetof(Request, pump_task));
  mw_capture *c = static_cast<mw_capture *>(sub->sub_done_arg);
  if (c->is_cancelled) return subrequest_free(sub);
  subrequest_start(sub, on_done, c);
}

extern "C" MW_EXPORT
mw_capture_t *mw_capture_new(mw_req_t *r) {
  mw_capture *c = of(r)->arena.make<mw_capture>();
  c->parent = of(r);
  return c;
}

extern "C" MW_EXPORT
int32_t mw_capture_add(mw_capture_t *c, const char *uri, size_t len, const char *args, size_t args_len, uint32_t method,
                       mw_req_t **out) {
  if (method_name(method).empty()) return MW_BAD_ARG;
  Request *sub = subrequest_create(c->parent, {uri, len}, {args, args_len}, Sink::memory);
  if (!sub) return MW_ERROR;
  subrequest_set_method(sub, method);
  sub->sub_done_arg = c;
  *c->subs.push(c->parent->arena) = sub;
  *out = &sub->abi;
  return MW_OK;
}

extern "C" MW_EXPORT
void mw_capture_set_body(mw_req_t *sub, const char *data, size_t len, int32_t forward) {
  if (data)
    subrequest_set_body_data(of(sub), {data, len});
  else
    subrequest_set_body(of(sub), forward ? SubBody::forward : SubBody::none);
}

extern "C" MW_EXPORT
void mw_capture_set_vars(mw_req_t *sub, int32_t is_shared) {
  if (is_shared)
    subrequest_share_vars(of(sub));
  else
    subrequest_copy_vars(of(sub));
}

extern "C" MW_EXPORT
int32_t mw_capture_run(mw_capture_t *c) {
  c->pending = c->subs.size;
  c->waiter.is_subrequest = true;
  sched_park(&c->waiter, cancel);
  for (Request *sub : c->subs) {
    sub->pump_task.run = run_start;
    sched_run_soon(&sub->pump_task);
  }
  return MW_AGAIN;
}

extern "C" MW_EXPORT
int32_t mw_capture_result(mw_req_t *sub, int32_t *status, mw_str *body) {
  Request *r = of(sub);
  Str text = subrequest_output(r);
  *body = {text.data(), text.size()};
  *status = r->abi.status;
  return r->is_truncated;
}

extern "C" MW_EXPORT
void mw_capture_free(mw_req_t *sub) { subrequest_free(of(sub)); }
