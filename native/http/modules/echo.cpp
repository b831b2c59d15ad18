// SPDX-License-Identifier: MIT
// See echo.h. The state of a run lies in the request's arena, at Request::handler_state; what it waits for (a timer, the body,
// a subrequest, the filters) continues it through a task of the loop, never from inside another request's code.
#include "http/modules/echo.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "http/body.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/subrequest.h"
#include "http/target.h"
#include "http/variable.h"

namespace mw {

struct EchoState {
  Request *r = nullptr;
  uint32_t at = 0;  ///< next command
  uint64_t timer_start = 0;
  Timer timer;
  Task resume;
  OutWaiter waiter;
  // The loop of echo_foreach_split: what is left of the list, and where its body begins.
  Str rest, delimiter, it;
  uint32_t loop_start = 0;
};

static EchoState *state_of(Request *r) { return static_cast<EchoState *>(r->handler_state); }
static Str arg(Request *r, const EchoCommand &c, size_t i) {
  return i < c.args.size() ? complex_value(r, c.args[i]) : Str{};
}

// --- going on --------------------------------------------------------------------------------------------------------

static Rc run_commands(Request *r, EchoState *s);

static void go_on(EchoState *s, Rc rc) {
  Request *r = s->r;
  if (rc == kOk) rc = run_commands(r, s);
  if (rc == kAgain) return;
  if (r->has_exec) return http_exec_pending(r);
  http_finalize(r, rc);
}

static void on_resume(Task *t) {
  go_on(reinterpret_cast<EchoState *>(reinterpret_cast<char *>(t) - offsetof(EchoState, resume)), kOk);
}

static void on_timer(Timer *t) {
  go_on(reinterpret_cast<EchoState *>(reinterpret_cast<char *>(t) - offsetof(EchoState, timer)), kOk);
}

static void on_body(Request *r, Rc rc, void *) { go_on(state_of(r), rc); }

static void on_sub_done(Request *, void *arg) {
  EchoState *s = static_cast<EchoState *>(arg);
  s->r->core->loop->post(&s->resume);
}

static void on_output(OutWaiter *w, Rc) {
  EchoState *s = reinterpret_cast<EchoState *>(reinterpret_cast<char *>(w) - offsetof(EchoState, waiter));
  s->r->core->loop->post(&s->resume);
}

static void forget(void *arg) {
  EchoState *s = static_cast<EchoState *>(arg);
  Loop *loop = s->r->core->loop;
  loop->disarm(&s->timer);
  loop->unpost(&s->resume);
  output_unwait(s->r, &s->waiter);
}

// --- output ----------------------------------------------------------------------------------------------------------

static void write(Request *r, Str text) {
  if (output_is_direct(r))
    output_append(r, text);
  else
    output_queue(r, text, false, false);
}

/// Sends what there is; kAgain while a Lua filter waits.
static Rc flush(Request *r, EchoState *s) {
  if (output_is_direct(r)) {
    output_flush_from_handler(r);
    return kOk;
  }
  output_queue(r, {}, true, false);
  if (output_pump(r) != kAgain) return kOk;
  s->waiter.done = on_output;
  output_wait(r, &s->waiter, false);
  return kAgain;
}

static void echo(Request *r, const EchoCommand &c) {
  if (!output_is_direct(r)) {  // filters see the output of a command as one chunk
    std::string text;
    for (size_t i = 0; i < c.args.size(); ++i) {
      if (i) text += ' ';
      text += arg(r, c, i);
    }
    if (c.has_newline) text += '\n';
    return output_queue(r, text, false, false);
  }
  for (size_t i = 0; i < c.args.size(); ++i) {
    if (i) write(r, " ");
    if (Str text = arg(r, c, i); !text.empty()) write(r, text);
  }
  if (c.has_newline) write(r, "\n");
}

/// A number that may have `_` between its digits.
static bool read_count(Str text, uint64_t &count) {
  std::string digits(text);
  std::erase(digits, '_');
  return str_to_u64(digits, count);
}

static Rc duplicate(Request *r, const EchoCommand &c) {
  uint64_t count;
  Str number = arg(r, c, 0);
  if (!read_count(number, count)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "invalid size specified: \"%.*s\"", static_cast<int>(number.size()),
              number.data());
    return 500;
  }
  Str text = arg(r, c, 1);
  for (uint64_t i = 0; i < count && !text.empty() && !r->conn->is_closed; ++i) write(r, text);
  return kOk;
}

Str echo_body_text(Request *r) {
  Str text;
  if (r->body.state != BodyState::complete || body_in_memory(r, text)) return text;
  if (!r->body.in_file) return {};
  char *to = static_cast<char *>(r->arena.alloc(r->body.total + 1));
  size_t size = 0;
  while (size < r->body.total) {
    ssize_t n = pread(r->body.fd, to + size, r->body.total - size, static_cast<off_t>(size));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size += static_cast<size_t>(n);
  }
  return {to, size};
}

// --- waiting ---------------------------------------------------------------------------------------------------------

/// Seconds with up to three decimals, in ms; -1 when it is none.
static int64_t duration(Request *r, Str text) {
  char buf[32];
  char *end = buf;
  if (!text.empty() && text.size() < sizeof buf) {
    str_put(buf, text);
    buf[text.size()] = 0;
    double seconds = strtod(buf, &end);
    if (end == buf + text.size() && seconds >= 0 && seconds < 1e9) return llround(seconds * 1000);
  }
  log_write(r->log(), kLogError, 0, &r->log_ctx, "invalid sleep duration \"%.*s\"", static_cast<int>(text.size()),
            text.data());
  return -1;
}

static Rc sleep(Request *r, EchoState *s, const EchoCommand &c) {
  int64_t ms = duration(r, arg(r, c, 0));
  if (ms < 0) return 500;
  s->timer.fire = on_timer;
  r->core->loop->arm(&s->timer, static_cast<uint64_t>(ms));
  return kAgain;
}

static Rc blocking_sleep(Request *r, const EchoCommand &c) {
  int64_t ms = duration(r, arg(r, c, 0));
  if (ms < 0) return 500;
  timespec left{ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) < 0 && errno == EINTR) {
  }
  r->core->loop->update_time();
  return kOk;
}

// --- subrequests -----------------------------------------------------------------------------------------------------

/// Queues a subrequest to start when the handler has returned to the loop. Null when it is refused, which is logged.
static Request *queue_sub(Request *r, EchoState *s, const char *what, Str uri, Str args, bool waits) {
  TargetParts parts;
  if (!target_parse_unsafe(uri, static_cast<char *>(r->arena.alloc(uri.size())), parts)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "%s%s sees unsafe uri: \"%.*s\"", what, waits ? "" : "_async",
              static_cast<int>(parts.path.size()), parts.path.data());
    return nullptr;
  }
  output_send_header(r);
  Request *sub = subrequest_create(r, parts.path, args.empty() ? parts.args : args, Sink::parent);
  if (!sub) return nullptr;
  subrequest_post(sub, waits ? on_sub_done : nullptr, s);
  return sub;
}

/// Lets the Lua filters work off what was written, so that it stands before a subrequest's output. kAgain: the command is to
/// be run again.
static Rc settle(Request *r, EchoState *s) {
  if (output_is_direct(r) || output_pump(r) != kAgain) return kOk;
  --s->at;
  s->waiter.done = on_output;
  output_wait(r, &s->waiter, false);
  return kAgain;
}

static Rc location(Request *r, EchoState *s, const EchoCommand &c, bool waits) {
  if (settle(r, s) == kAgain) return kAgain;
  Request *sub = queue_sub(r, s, "echo_location", arg(r, c, 0), arg(r, c, 1), waits);
  if (!sub) return 500;
  subrequest_set_body(sub, SubBody::none);
  return waits ? kAgain : kOk;
}

static uint32_t method_of(Str name) {
  for (uint32_t id = kMethodGet; id <= kMethodTrace; id <<= 1)
    if (method_name(id) == name) return id;
  return 0;
}

static void file_failed(Request *r, Str path) {
  log_write(r->log(), kLogError, errno, &r->log_ctx, "open() \"%.*s\" failed", static_cast<int>(path.size()),
            path.data());
}

/// The whole path of a body's file. False when it cannot be read, which is logged: then there is to be no subrequest.
static bool find_file(Request *r, Str &file) {
  Str prefix = file.empty() || file[0] != '/' ? Str(r->plan->prefix) : Str{};
  char *path = static_cast<char *>(r->arena.alloc(prefix.size() + file.size() + 1));
  char *end = str_put(str_put(path, prefix), file);
  *end = 0;
  file = {path, static_cast<size_t>(end - path)};
  if (access(path, R_OK) == 0) return true;
  file_failed(r, file);
  return false;
}

/// echo_subrequest METHOD URI [-q ARGS] [-b BODY] [-f FILE]
static Rc subrequest(Request *r, EchoState *s, const EchoCommand &c, bool waits) {
  if (settle(r, s) == kAgain) return kAgain;
  uint32_t method = method_of(arg(r, c, 0));
  Str query, body, file;
  for (size_t i = 2; i + 1 < c.args.size(); i += 2) {
    Str flag = arg(r, c, i), value = arg(r, c, i + 1);
    (flag == "-q" ? query : flag == "-b" ? body : file) = value.data() ? value : Str("");
  }
  if (file.data() && !find_file(r, file)) return 500;
  Request *sub = method ? queue_sub(r, s, "echo_subrequest", arg(r, c, 1), query, waits) : nullptr;
  if (!sub) return 500;
  subrequest_set_method(sub, method);
  if (file.data()) {
    if (!subrequest_set_body_file(sub, file)) return file_failed(r, file), 500;
  } else if (body.data()) {
    subrequest_set_body_data(sub, body);
  } else {
    subrequest_set_body(sub, SubBody::none);
  }
  return waits ? kAgain : kOk;
}

// --- loops -----------------------------------------------------------------------------------------------------------

static bool next_item(EchoState *s) {
  while (!s->rest.empty()) {
    size_t cut = s->delimiter.empty() ? Str::npos : s->rest.find(s->delimiter);
    s->it = s->rest.substr(0, cut);
    s->rest = cut == Str::npos ? Str{} : s->rest.substr(cut + s->delimiter.size());
    if (!s->it.empty()) return true;
  }
  return false;
}

static void foreach_split(Request *r, EchoState *s, const EchoCommand &c) {
  s->delimiter = arg(r, c, 0);
  s->rest = arg(r, c, 1);
  s->loop_start = s->at;
  if (next_item(s)) return;
  const auto &list = r->conf->echo;
  while (s->at < list.size() && list[s->at].op != EchoCommand::end) ++s->at;
  ++s->at;
}

// --- the handler -----------------------------------------------------------------------------------------------------

static Rc exec(Request *r, const EchoCommand &c) {
  Str uri = arg(r, c, 0), args = arg(r, c, 1);
  if (uri.empty()) return 500;
  if (uri[0] != '@') {
    TargetParts parts;
    if (!target_parse_unsafe(uri, static_cast<char *>(r->arena.alloc(uri.size())), parts)) {
      log_write(r->log(), kLogError, 0, &r->log_ctx, "echo_exec sees unsafe uri: \"%.*s\"",
                static_cast<int>(parts.path.size()), parts.path.data());
      return kError;
    }
    uri = parts.path;
    if (args.empty()) args = parts.args;
  } else if (size_t query = uri.find('?'); query != Str::npos || !args.empty()) {
    Str ignored = query == Str::npos ? args : uri.substr(query + 1);
    uri = uri.substr(0, query);
    args = {};
    log_write(r->log(), kLogWarn, 0, &r->log_ctx, "querystring %.*s ignored when exec'ing named location %.*s",
              static_cast<int>(ignored.size()), ignored.data(), static_cast<int>(uri.size()), uri.data());
  }
  r->exec_uri = uri;
  r->exec_args = args.data() ? args : Str("");
  r->has_exec = true;
  return kDone;
}

static Rc run_command(Request *r, EchoState *s, const EchoCommand &c) {
  switch (c.op) {
    case EchoCommand::echo: echo(r, c); return kOk;
    case EchoCommand::duplicate: return duplicate(r, c);
    case EchoCommand::flush: return flush(r, s);
    case EchoCommand::sleep: return sleep(r, s, c);
    case EchoCommand::blocking_sleep: return blocking_sleep(r, c);
    case EchoCommand::reset_timer:
      r->core->loop->update_time();
      s->timer_start = r->core->loop->now_ms();
      return kOk;
    case EchoCommand::read_request_body: return body_read(r, on_body, nullptr);
    case EchoCommand::request_body: write(r, echo_body_text(r)); return kOk;
    case EchoCommand::location: return location(r, s, c, true);
    case EchoCommand::location_async: return location(r, s, c, false);
    case EchoCommand::subrequest: return subrequest(r, s, c, true);
    case EchoCommand::subrequest_async: return subrequest(r, s, c, false);
    case EchoCommand::foreach_split: foreach_split(r, s, c); return kOk;
    case EchoCommand::end:
      if (next_item(s)) s->at = s->loop_start;
      return kOk;
    case EchoCommand::exec: return exec(r, c);
    case EchoCommand::abort_parent: return kOk;
  }
  return kOk;
}

static Rc run_commands(Request *r, EchoState *s) {
  Request *main = r->main;
  const auto &list = r->conf->echo;
  Rc rc = kOk;
  ++main->running;  // a connection that breaks while we write ends the request after us
  while (rc == kOk && s->at < list.size() && !r->conn->is_closed) rc = run_command(r, s, list[s->at++]);
  --main->running;
  if (rc == kOk && r->conn->is_closed) return kError;
  if (rc == kOk) r->out.is_length_unknown = true;  // as nginx's module, which sends chunks
  return rc;
}

Rc echo_run(Request *r) {
  EchoState *s = r->arena.make<EchoState>();
  s->r = r;
  s->resume.run = on_resume;
  r->handler_state = s;
  request_on_free(r, forget, s);
  if (r->abi.status == 0 && r->err_status == 0) r->abi.status = r->conf->echo_status;
  return run_commands(r, s);
}

// --- variables -------------------------------------------------------------------------------------------------------

bool echo_var_it(Request *r, const VarDef &, Str &out) {
  if (r->conf->echo.empty() || !r->handler_state || state_of(r)->it.empty()) return false;
  out = state_of(r)->it;
  return true;
}

bool echo_var_timer_elapsed(Request *r, const VarDef &, Str &out) {
  r->core->loop->update_time();
  bool has_own = !r->conf->echo.empty() && r->handler_state && state_of(r)->timer_start;
  uint64_t ms = r->core->loop->now_ms() - (has_own ? state_of(r)->timer_start : r->start_mono);
  char text[32];
  int n = snprintf(text, sizeof text, "%llu.%03llu", static_cast<unsigned long long>(ms / 1000),
                   static_cast<unsigned long long>(ms % 1000));
  out = r->arena.dup({text, static_cast<size_t>(n)});
  return true;
}

}  // namespace mw
