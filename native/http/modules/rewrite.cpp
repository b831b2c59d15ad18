// SPDX-License-Identifier: MIT
// See rewrite.h.
#include "http/modules/rewrite.h"

#include "http/body.h"
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

Rc rewrite_run(Request *r, const std::vector<RewriteOp> &ops) {
  for (const RewriteOp &op : ops) {
    switch (op.kind) {
      case RewriteOp::set: variable_set(r, op.var, complex_value(r, op.value)); break;
      case RewriteOp::ret: return run_return(r, op);
    }
  }
  return kDeclined;
}

}  // namespace mw
