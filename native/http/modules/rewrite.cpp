// SPDX-License-Identifier: MIT
// See rewrite.h. The list is flat: an `if` that does not hold skips the operations inside it.
#include "http/modules/rewrite.h"

#include <sys/stat.h>
#include <unistd.h>

#include "http/body.h"
#include "http/lua_hook.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/router.h"
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

// --- if --------------------------------------------------------------------------------------------------------------

static bool file_test(const RewriteOp &op, Str path) {
  if (path.find('\0') != Str::npos) return false;
  struct stat st;
  std::string name(path);
  if (stat(name.c_str(), &st) < 0) return false;
  switch (op.test) {
    case RewriteOp::file: return S_ISREG(st.st_mode);
    case RewriteOp::dir: return S_ISDIR(st.st_mode);
    case RewriteOp::executable: return access(name.c_str(), X_OK) == 0;
    default: return true;
  }
}

static bool holds(Request *r, const RewriteOp &op) {
  Str value = complex_value(r, op.value);
  bool result = false;
  switch (op.test) {
    case RewriteOp::truth: result = !value.empty() && value != "0"; break;
    case RewriteOp::equal: result = value == complex_value(r, op.other); break;
    case RewriteOp::match: result = router_regex_match(*r->core->router, r, op.regex, value); break;
    default: result = file_test(op, value); break;
  }
  return result != op.is_negated;
}

// --- rewrite ---------------------------------------------------------------------------------------------------------

static Str join_args(Request *r, Str a, Str b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  char *to = static_cast<char *>(r->arena.alloc(a.size() + b.size() + 1));
  return {to, static_cast<size_t>(str_put(str_put(str_put(to, a), "&"), b) - to)};
}

/// rewrite REGEX REPLACEMENT [FLAG]. kOk: it did not match, or the list goes on.
static Rc run_rewrite(Request *r, const RewriteOp &op, bool &stops) {
  if (!router_regex_match(*r->core->router, r, op.regex, r->uri)) return kOk;
  Str to = complex_value(r, op.value);
  size_t mark = to.find('?');
  Str path = to.substr(0, mark);
  bool has_args = mark != Str::npos;
  Str args = has_args ? to.substr(mark + 1) : Str{};
  if (has_args)
    args = op.keeps_args ? join_args(r, args, r->args) : args;
  else if (!op.keeps_args)
    args = {};
  else
    args = r->args;
  if (op.flag == RewriteOp::redirect || op.flag == RewriteOp::permanent) {
    Str url = path;
    if (!args.empty()) {
      char *text = static_cast<char *>(r->arena.alloc(path.size() + args.size() + 1));
      url = {text, static_cast<size_t>(str_put(str_put(str_put(text, path), "?"), args) - text)};
    }
    int32_t status = op.flag == RewriteOp::permanent ? 301 : 302;
    http_redirect(r, url, status);
    http_special_response(r, status);
    return kDone;
  }
  if (path.empty()) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "the rewritten URI has a zero length");
    return 500;
  }
  r->uri = r->arena.dup(path);
  r->args = r->arena.dup(args);
  r->abi.is_internal = 1;
  r->uri_changed = op.flag != RewriteOp::quit;
  stops = op.flag != RewriteOp::none;
  return kOk;
}

// --- set_by_lua ------------------------------------------------------------------------------------------------------

static Rc start_set(Request *r, const RewriteOp &op) {
  if (!lua_hook) return 500;
  size_t n = op.args.size();
  Str *args = r->arena.make_array<Str>(n ? n : 1);
  for (size_t i = 0; i < n; ++i) args[i] = complex_value(r, op.args[i]);
  r->set_args = args;
  r->set_arg_count = static_cast<uint32_t>(n);
  r->set_result = {};
  return lua_hook->run(r, LuaPhase::set, op.script);
}

// --- the list --------------------------------------------------------------------------------------------------------

Rc rewrite_run(Request *r, const std::vector<RewriteOp> &all) {
  if (all.empty() && !r->rewrite_ops) return kDeclined;
  bool is_resumed = r->rewrite_ops != nullptr;
  const std::vector<RewriteOp> &ops = is_resumed ? *r->rewrite_ops : all;
  size_t i = is_resumed ? r->rewrite_at : 0;
  r->rewrite_ops = nullptr;
  for (bool stops = false; i < ops.size() && !stops; ++i) {
    const RewriteOp &op = ops[i];
    Rc rc = kOk;
    switch (op.kind) {
      case RewriteOp::set: variable_set(r, op.var, complex_value(r, op.value)); break;
      case RewriteOp::ret: return run_return(r, op);
      case RewriteOp::break_: r->uri_changed = false; return kDeclined;
      case RewriteOp::if_:
        if (!holds(r, op))
          i += static_cast<size_t>(op.skip);
        else if (op.conf >= 0)
          r->conf = &r->location->conf.ifs[static_cast<size_t>(op.conf)];
        break;
      case RewriteOp::rewrite: rc = run_rewrite(r, op, stops); break;
      case RewriteOp::set_by_lua:
        if (is_resumed) {
          is_resumed = false;
        } else if (rc = start_set(r, op); rc == kAgain) {
          r->rewrite_ops = &ops;
          r->rewrite_at = static_cast<uint32_t>(i);
          return kAgain;
        }
        if (rc != kOk) return 500;
        variable_set(r, op.var, r->set_result.data() ? r->set_result : Str(""));
        break;
    }
    if (rc != kOk) return rc;
  }
  return kDeclined;
}

}  // namespace mw
