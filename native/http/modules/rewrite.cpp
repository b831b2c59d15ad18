// SPDX-License-Identifier: MIT
// See rewrite.h.
#include "http/modules/rewrite.h"

#include "http/body.h"
#include "http/lua_hook.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/variable.h"

namespace mw {

static bool is_redirect(int32_t status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// `return CODE TEXT`: the text as the body, type default_type; `return 30x URL`: a redirect.
static Rc run_return(Request *r, const RewriteOp &op) {
  if (!op.has_text && op.status != 200) return op.status;
  Str text = complex_value(r, op.value);
  if (is_redirect(op.status)) {
    http_redirect(r, text, op.status);
    http_special_response(r, op.status);
    return kDone;
  }
  if (r->err_status == 0) r->abi.status = op.status;  // within an error page the error's status stands
  output_queue(r, text, false, true);
  output_finish(r);
  return kDone;
}

/// Starts the handler; its value is taken by take_result(), at once or when it has waited.
static Rc run_lua(Request *r, const RewriteOp &op) {
  if (!lua_hook) return kOk;
  r->set_arg_count = static_cast<uint32_t>(op.args.size());
  r->set_args = op.args.empty() ? nullptr : r->arena.make_array<Str>(op.args.size());
  for (size_t i = 0; i < op.args.size(); ++i) r->set_args[i] = complex_value(r, op.args[i]);
  r->set_result = {};
  return lua_hook->run(r, LuaPhase::set, op.script);
}

static const std::vector<RewriteOp> &ops_of(const Request *r) {
  return r->step == kStepServerRewrite ? r->server->conf.rewrite : r->conf->rewrite;
}

Rc rewrite_lua_done(Request *r, Rc rc) {
  if (rc != kOk) return 500;
  variable_set(r, ops_of(r)[r->rewrite_at].var, r->set_result);
  ++r->rewrite_at;
  return kOk;
}

Rc rewrite_run(Request *r, const std::vector<RewriteOp> &ops) {
  while (r->rewrite_at < ops.size()) {
    const RewriteOp &op = ops[r->rewrite_at];
    Rc rc = kOk;
    switch (op.kind) {
      case RewriteOp::set:
        variable_set(r, op.var, complex_value(r, op.value));
        ++r->rewrite_at;
        continue;
      case RewriteOp::ret: rc = run_return(r, op); break;
      case RewriteOp::lua:
        rc = run_lua(r, op);
        if (rc == kAgain) return rc;
        rc = rewrite_lua_done(r, rc);
        if (rc == kOk) continue;
        break;
    }
    r->rewrite_at = 0;
    return rc;
  }
  r->rewrite_at = 0;
  return kDeclined;
}

}  // namespace mw
