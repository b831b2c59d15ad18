// SPDX-License-Identifier: MIT
// See rewrite.h. One function per kind of instruction; run_op() is their table.
#include "http/modules/rewrite.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/urlencode.h"
#include "http/body.h"
#include "http/lua_hook.h"
#include "http/modules/set_misc.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/variable.h"

namespace mw {

/// What the instructions of one run share.
struct Machine {
  Request *r;
  /// nginx escapes captures in values before the first rewrite, and in a redirect's URL, when the client's path was escaped.
  bool is_quoting = true;
};

static bool is_redirect(int32_t status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// The client escaped something in its path (nginx's quoted_uri, plus_in_uri).
static bool has_escapes(const Request *r) {
  if (r->parent) return false;
  return url_is_escaped(r->unparsed_uri.substr(0, r->unparsed_uri.find('?')));
}

static Str evaluate(Request *r, const ComplexValue &value, bool is_quoting) {
  if (value.is_constant()) return value.constant();
  return complex_value(r, value, is_quoting && has_escapes(r));
}

static void note(const Request *r, const char *format, Str a, Str b) {
  LogLevelId level = r->conf->rewrite_log ? kLogNotice : kLogDebug;
  if (!log_is_on(r->log(), level)) return;
  log_write(r->log(), level, 0, &r->log_ctx, format, static_cast<int>(a.size()), a.data(), static_cast<int>(b.size()),
            b.data());
}

/// A regex against `subject`, with its log line. Without a match the request has no captures.
static bool match(Request *r, int32_t regex, Str subject) {
  const ConfRegex &re = r->core->vars->regexes[static_cast<size_t>(regex)];
  bool is_match = conf_regex_match(r, re, subject);
  note(r, is_match ? "\"%.*s\" matches \"%.*s\"" : "\"%.*s\" does not match \"%.*s\"",
       r->plan->regexes[static_cast<size_t>(regex)].pattern, subject);
  if (!is_match) r->captures_n = 0;
  return is_match;
}

/// `return CODE TEXT`: the text as the body, type default_type; `return 30x URL`: a redirect.
static Rc run_return(Request *r, const RewriteOp &op) {
  if (!op.has_text && op.status >= 400) return op.status;
  if (r->body.state == BodyState::unread)
    if (Rc rc = body_discard_first(r); rc != kOk) return rc;
  if (r->err_status == 0)
    r->abi.status = op.status;  // within an error page the error's status stands; the text may use it
  Str text = complex_value(r, op.value);
  if (is_redirect(op.status)) {
    http_redirect(r, text, op.status);
    http_special_response(r, op.status);
    return kDone;
  }
  if (!op.has_text && op.status != 200 && r->err_status == 0) return op.status;
  output_queue(r, text, false, true);
  output_finish(r);
  return kDone;
}

/// nginx's NGX_UNESCAPE_REDIRECT: what needs no escape in a URL, up to its arguments.
static Str unescape_redirect(Request *r, Str s) {
  char *to = static_cast<char *>(r->arena.alloc(s.size() + 1)), *at = to;
  auto digit = [](char c) {
    unsigned char low = str_lower(static_cast<unsigned char>(c));
    return low >= '0' && low <= '9' ? low - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '?') return at = str_put(at, s.substr(i)), Str(to, static_cast<size_t>(at - to));
    if (s[i] == '%' && i + 2 < s.size() && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0) {
      int c = digit(s[i + 1]) * 16 + digit(s[i + 2]);
      if (c > '%' && c < 0x7f) {
        *at++ = static_cast<char>(c);
        i += 2;
        continue;
      }
    }
    *at++ = s[i];
  }
  return {to, static_cast<size_t>(at - to)};
}

static Str join(Request *r, Str a, Str separator, Str b) {
  char *to = static_cast<char *>(r->arena.alloc(a.size() + separator.size() + b.size() + 1));
  char *end = str_put(str_put(str_put(to, a), separator), b);
  return {to, static_cast<size_t>(end - to)};
}

static Rc run_redirect(Machine &s, const RewriteOp &op) {
  Request *r = s.r;
  Str url = evaluate(r, op.value, true);
  if (op.has_args) url = join(r, url, "?", evaluate(r, op.args, true));
  url = unescape_redirect(r, url);
  if (op.add_args && !r->args.empty()) url = join(r, url, op.has_args ? "&" : "?", r->args);
  note(r, "rewritten redirect: \"%.*s\"%.*s", url, "");
  http_redirect(r, url, op.status);
  return op.status;
}

static Rc run_rewrite(Machine &s, const RewriteOp &op) {
  Request *r = s.r;
  if (!match(r, op.regex, r->uri)) return kDeclined;
  if (op.status != 0) return run_redirect(s, op);
  r->abi.is_internal = 1;
  r->uri_changed = !op.is_break;
  Str uri = evaluate(r, op.value, false);
  if (op.has_args) {
    Str args = evaluate(r, op.args, true);
    r->args = op.add_args && !r->args.empty() ? join(r, args, "&", r->args) : r->arena.dup(args);
    if (!r->args.data()) r->args = "";
  } else if (!op.add_args && r->args.data()) {
    r->args = "";  // there, but empty: what nginx makes of it
  }
  s.is_quoting = false;
  note(r, "rewritten data: \"%.*s\", args: \"%.*s\"", uri, r->args);
  if (uri.empty()) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "the rewritten URI has a zero length");
    return 500;
  }
  r->uri = r->arena.dup(uri);
  return op.is_last ? static_cast<Rc>(kOk) : static_cast<Rc>(kDeclined);
}

/// -f and relatives. A file that is not there is nothing; another error is logged.
static bool test_file(Request *r, const RewriteOp &op) {
  Str path = complex_value(r, op.value);
  char *name = static_cast<char *>(r->arena.alloc(path.size() + 1));
  *str_put(name, path) = 0;
  struct stat st;
  if (stat(name, &st) < 0) {
    if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
      log_write(r->log(), kLogCrit, errno, &r->log_ctx, "stat() \"%s\" failed", name);
    return false;
  }
  switch (op.test) {
    case RewriteOp::file: return S_ISREG(st.st_mode);
    case RewriteOp::directory: return S_ISDIR(st.st_mode);
    case RewriteOp::executable: return (st.st_mode & S_IXUSR) != 0;
    default: return true;
  }
}

static bool run_test(Machine &s, const RewriteOp &op) {
  Request *r = s.r;
  bool is_true;
  if (op.test == RewriteOp::truth) {
    Str value = variable_value(r, op.var);
    is_true = !value.empty() && value != "0";
  } else if (op.test == RewriteOp::equal) {
    Str value = variable_value(r, op.var);
    is_true = value == evaluate(r, op.value, s.is_quoting);
  } else if (op.test == RewriteOp::regex_match) {
    is_true = match(r, op.regex, variable_value(r, op.var));
  } else {
    is_true = test_file(r, op);
  }
  is_true = is_true != op.is_negated;
  if (is_true && op.conf >= 0) r->conf = &r->plan->if_confs[static_cast<size_t>(op.conf)];
  return is_true;
}

static Str *evaluate_inputs(Machine &s, const RewriteOp &op) {
  Str *inputs = s.r->arena.make_array<Str>(op.inputs.size() + 1);
  for (size_t i = 0; i < op.inputs.size(); ++i) inputs[i] = evaluate(s.r, op.inputs[i], s.is_quoting);
  return inputs;
}

static Rc run_lua(Machine &s, const RewriteOp &op) {
  Request *r = s.r;
  if (!lua_hook) return kDeclined;
  r->set_args = evaluate_inputs(s, op);
  r->set_arg_count = static_cast<uint32_t>(op.inputs.size());
  r->set_result = {};
  r->set_target = op.var;
  Rc rc = lua_hook->run(r, LuaPhase::set, op.script);
  if (rc == kAgain) return rc;
  rc = rewrite_lua_done(r, rc);
  return rc == kOk ? static_cast<Rc>(kDeclined) : rc;
}

Rc rewrite_lua_done(Request *r, Rc rc) {
  if (rc != kOk) {
    r->rewrite_at = 0;
    return 500;
  }
  variable_set(r, r->set_target, r->set_result.data() ? r->set_result : Str(""));
  return kOk;
}

/// kDeclined: on to `next`. Anything else ends the list; kOk with nothing more to say.
static Rc run_op(Machine &s, const RewriteOp &op, uint32_t &next) {
  switch (op.kind) {
    case RewriteOp::set: variable_set(s.r, op.var, evaluate(s.r, op.value, s.is_quoting)); return kDeclined;
    case RewriteOp::ret: return run_return(s.r, op);
    case RewriteOp::rewrite: return run_rewrite(s, op);
    case RewriteOp::brk: s.r->uri_changed = false; return kOk;
    case RewriteOp::condition:
      if (!run_test(s, op)) next = static_cast<uint32_t>(op.jump);
      return kDeclined;
    case RewriteOp::lua: return run_lua(s, op);
    case RewriteOp::set_misc: {
      Str value;
      if (!set_misc_value(s.r, op.call, {evaluate_inputs(s, op), op.inputs.size()}, value)) return 500;
      variable_set(s.r, op.var, value);
      return kDeclined;
    }
  }
  return kDeclined;
}

Rc rewrite_run_list(Request *r, const std::vector<RewriteOp> &ops) {
  Machine s{r};
  uint32_t next = r->rewrite_at;
  while (next < ops.size()) {
    const RewriteOp &op = ops[next++];
    r->rewrite_at = next;
    Rc rc = run_op(s, op, next);
    if (rc == kAgain) return rc;
    if (rc == kDeclined) continue;
    r->rewrite_at = 0;
    return rc == kOk ? static_cast<Rc>(kDeclined) : rc;
  }
  r->rewrite_at = 0;
  return kDeclined;
}

}  // namespace mw
