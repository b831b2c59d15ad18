// SPDX-License-Identifier: MIT
// auth_request: a captured subrequest decides by its status. The state lies in the request's arena; the phases go on from a task
// of the loop, as a subrequest's end may not run another request's handlers.
#include "http/modules/access.h"
#include "http/phase.h"
#include "http/subrequest.h"
#include "http/variable.h"

namespace mw {

struct AuthRequest {
  Request *r = nullptr;
  Request *sub = nullptr;
  bool is_done = false;
  Task resume;
};

static void on_resume(Task *t) {
  http_run_phases(reinterpret_cast<AuthRequest *>(reinterpret_cast<char *>(t) - offsetof(AuthRequest, resume))->r);
}

static void on_done(Request *sub, void *arg) {
  AuthRequest *a = static_cast<AuthRequest *>(arg);
  a->sub = sub;
  a->is_done = true;
  a->r->core->loop->post(&a->resume);
}

static void forget(void *arg) {
  AuthRequest *a = static_cast<AuthRequest *>(arg);
  a->r->core->loop->unpost(&a->resume);
}

static Rc start(Request *r) {
  Str uri = r->conf->auth_request;
  size_t mark = uri.find('?');
  Request *sub =
      subrequest_create(r, uri.substr(0, mark), mark == Str::npos ? Str{} : uri.substr(mark + 1), Sink::memory);
  if (!sub) return 500;
  AuthRequest *a = r->arena.make<AuthRequest>();
  a->r = r;
  a->resume.run = on_resume;
  r->handler_state = a;
  request_on_free(r, forget, a);
  subrequest_set_body(sub, SubBody::none);
  subrequest_share_vars(sub);
  subrequest_start(sub, on_done, a);
  return kAgain;
}

/// What the subrequest's status means, with its WWW-Authenticate.
static Rc judge(Request *r, Request *sub) {
  int32_t status = sub->abi.status;
  if (status == 401) {
    Str value;
    for (uint32_t i = 0; response_header_at(sub, "WWW-Authenticate", i, value); ++i)
      response_add_header(r, "WWW-Authenticate", value);
  }
  if (status == 401 || status == 403) return status;
  if (status >= 200 && status < 300) return kOk;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "auth request unexpected status: %d", status);
  return 500;
}

Rc auth_request_check(Request *r) {
  if (r->conf->auth_request.empty()) return kDeclined;
  AuthRequest *a = static_cast<AuthRequest *>(r->handler_state);
  if (!a) return start(r);
  if (!a->is_done) return kAgain;
  for (const VariableSetting &s : r->conf->auth_request_set) {
    Str value = complex_value(a->sub, s.value);
    variable_set(r, s.var, value.data() ? value : Str(""));
  }
  Rc rc = judge(r, a->sub);
  r->handler_state = nullptr;
  subrequest_free(a->sub);
  return rc;
}

}  // namespace mw
