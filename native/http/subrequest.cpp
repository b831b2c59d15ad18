// SPDX-License-Identifier: MIT
// See subrequest.h. Order of inline output is nginx's: each request holds a list of what comes behind its subrequests, and one
// request of the tree, root->active, writes; when it has ended the next in the tree does. The root of such a tree is a main
// request or a captured subrequest.
#include "http/subrequest.h"

#include "http/body.h"
#include "http/modules/access_log.h"
#include "http/modules/malloc_trim.h"
#include "http/output.h"
#include "http/phase.h"

namespace mw {

static constexpr uint8_t kMaxDepth = 50;     ///< nginx's NGX_HTTP_MAX_SUBREQUESTS
static constexpr uint32_t kMaxLive = 16384;  ///< of one main request: some 5 kB each

/// Bytes of one request that wait for their turn: more than for a client, since upstreams are to be done with early.
static constexpr uint64_t kHeldMost = 1 << 20;

static Request *active_of(Request *root) { return root->active ? root->active : root; }

bool subrequest_has_turn(const Request *r) { return active_of(r->out_root) == r && !r->postponed; }

bool subrequest_is_backed_up(const Request *r, uint64_t most) {
  const Request *root = r->out_root;
  if (root->out.sink != Sink::connection || r->conn->is_closed) return false;
  if (subrequest_has_turn(r)) return r->conn->is_blocked && r->conn->out.bytes() >= most;
  const Postponed *last = r->postponed_last;
  return last && !last->sub && last->data.bytes() >= kHeldMost;
}

// --- making one ------------------------------------------------------------------------------------------------------

/// What a subrequest takes over from its parent's head: the same bytes, fields of its own.
static void inherit_head(Request *sub, Request *parent) {
  sub->head = parent->head;
  uint32_t capacity = parent->head.headers.size() + 4;
  sub->head.headers.move_to(static_cast<HttpHeader *>(sub->arena.alloc(sizeof(HttpHeader) * capacity)), capacity);
  sub->raw_head = parent->raw_head;
  sub->request_line = parent->request_line;
  sub->unparsed_uri = parent->unparsed_uri;
  sub->host = parent->host;
  sub->method = "GET";
  sub->method_id = kMethodGet;
  sub->listen_index = parent->listen_index;
  sub->start_ms = sub->core->loop->wall_ms();
  sub->start_mono = sub->core->loop->now_ms();
  sub->abi.http_major = parent->abi.http_major;
  sub->abi.http_minor = parent->abi.http_minor;
}

static void append_postponed(Request *r, Postponed *p) {
  if (r->postponed_last)
    r->postponed_last->next = p;
  else
    r->postponed = p;
  r->postponed_last = p;
}

/// Keeps what `r` has written until its turn comes.
static void hold(Request *r) {
  if (r->out.body.is_empty()) return;
  Postponed *p = r->postponed_last;
  if (!p || p->sub) {
    p = r->arena.make<Postponed>();
    append_postponed(r, p);
  }
  p->data.take(r->core->net.blocks, r->out.body);
}

/// What `parent` has written stands before what its new subrequest will write.
static void give_turn(Request *parent, Request *sub, bool is_filtered) {
  Request *root = parent->out_root;
  parent->out.is_diverted = true;
  if (!is_filtered) output_filter(parent, false);
  if (active_of(root) == parent && !parent->postponed) {
    output_take(root, parent->out.body);
    root->active = sub;
    return;
  }
  hold(parent);
  Postponed *p = parent->arena.make<Postponed>();
  p->sub = sub;
  append_postponed(parent, p);
}

Request *subrequest_create(Request *parent, Str uri, Str args, Sink sink, bool is_filtered) {
  Request *main = parent->main;
  if (parent->depth >= kMaxDepth) {
    log_write(parent->log(), kLogError, 0, &parent->log_ctx, "%ssubrequests cycle while processing \"%.*s\"",
              sink == Sink::memory ? "lua " : "", static_cast<int>(uri.size()), uri.data());
    return nullptr;
  }
  if (main->subs_live >= kMaxLive) {
    log_write(parent->log(), kLogError, 0, &parent->log_ctx,
              "request reference counter overflow while processing \"%.*s\"", static_cast<int>(uri.size()), uri.data());
    return nullptr;
  }
  if (parent->core->is_debug && sink == Sink::memory)
    log_write(parent->log(), kLogDebug, 0, &parent->log_ctx, "lua http subrequest \"%.*s?%.*s\"",
              static_cast<int>(uri.size()), uri.data(), static_cast<int>(args.size()), args.data());
  Request *sub = request_create(parent->core, parent->conn);
  --sub->core->requests_total;
  --sub->core->requests_active;
  sub->main = main;
  sub->parent = parent;
  ++parent->children;
  ++main->subs_live;
  sub->depth = static_cast<uint8_t>(parent->depth + 1);
  sub->plan = parent->plan;
  sub->server = parent->server;
  sub->conf = &parent->server->conf;
  sub->log_ctx = parent->log_ctx;
  inherit_head(sub, parent);
  sub->uri = sub->arena.dup(uri);
  sub->args = sub->arena.dup(args);
  sub->abi.is_internal = sub->abi.is_subrequest = 1;
  sub->body.state = BodyState::complete;
  sub->out.sink = sink;
  sub->out.is_diverted = true;
  sub->out_root = sink == Sink::parent ? parent->out_root : sub;
  sub->sub_next = main->subs;
  if (main->subs) main->subs->sub_prev = sub;
  main->subs = sub;
  if (sink == Sink::parent) give_turn(parent, sub, is_filtered);
  return sub;
}

void subrequest_set_method(Request *sub, uint32_t method_id) {
  sub->method_id = method_id;
  sub->method = method_name(method_id);
}

/// Content-Length says what the subrequest has, whatever the client's head said.
static void set_length(Request *sub, uint64_t n) {
  HeaderList &list = sub->head.headers;
  for (uint32_t i = 0; i < list.size();) {
    if (str_iequal(list[i].name, "content-length") || str_iequal(list[i].name, "transfer-encoding"))
      list.erase(i);
    else
      ++i;
  }
  char *text = static_cast<char *>(sub->arena.alloc(20));
  int at = 20;
  uint64_t rest = n;
  do text[--at] = static_cast<char>('0' + rest % 10);
  while (rest /= 10);
  if (list.size() == list.capacity())
    list.move_to(static_cast<HttpHeader *>(sub->arena.alloc(sizeof(HttpHeader) * (list.size() + 4))), list.size() + 4);
  list.push("Content-Length", {text + at, static_cast<size_t>(20 - at)});
  sub->head.has_content_length = true;
  sub->head.chunked = false;
  sub->head.content_length = n;
}

void subrequest_set_body(Request *sub, SubBody body) {
  if (body == SubBody::forward)
    body_borrow(sub, sub->parent);
  else if (body_is_announced(sub->parent))
    set_length(sub, 0);
}

void subrequest_set_body_data(Request *sub, Str data) {
  body_replace(sub, data);
  set_length(sub, data.size());
}

bool subrequest_set_body_file(Request *sub, Str path) {
  if (!body_replace_file(sub, path, false)) return false;
  set_length(sub, sub->body.total);
  return true;
}

static VarSlot *vars_of(Request *r) {
  if (!r->vars) r->vars = r->arena.make_array<VarSlot>(r->plan->variables.size());
  return r->vars;
}

void subrequest_share_vars(Request *sub) {
  sub->vars_owner = sub->parent->vars_owner;
  vars_of(sub->vars_owner);
}

void subrequest_copy_vars(Request *sub) {
  Request *from = sub->parent->vars_owner;
  if (!from->vars) return;
  VarSlot *to = vars_of(sub);
  for (size_t i = 0; i < sub->plan->variables.size(); ++i)
    if (from->vars[i].is_set) to[i] = {sub->arena.dup(from->vars[i].value), true};
}

Request *subrequest_of(Task *t) {
  return reinterpret_cast<Request *>(reinterpret_cast<char *>(t) - offsetof(Request, pump_task));
}

void subrequest_post(Request *sub, void (*done)(Request *, void *), void *arg) {
  sub->sub_done = done;
  sub->sub_done_arg = arg;
  sub->pump_task.run = [](Task *t) { http_start(subrequest_of(t)); };
  sub->core->loop->post(&sub->pump_task);
}

static void on_copy_end(Request *sub, void *) {
  Request *main = sub->main;
  subrequest_free(sub);
  --main->background;
  if (main->background == 0 && main->is_awaiting_background) request_finish(main);
}

void subrequest_post_copy(Request *sub) {
  sub->is_copy = true;
  ++sub->main->background;
  subrequest_post(sub, on_copy_end, nullptr);
}

void subrequest_start(Request *sub, void (*done)(Request *, void *), void *arg) {
  sub->sub_done = done;
  sub->sub_done_arg = arg;
  http_start(sub);
}

// --- its end ---------------------------------------------------------------------------------------------------------

/// Nobody gets its output any more.
static void leave_output(Request *sub) {
  Request *root = sub->out_root;
  if (root->active == sub) root->active = sub->parent == root ? nullptr : sub->parent;
  for (Postponed *p = sub->parent->postponed; p; p = p->next)
    if (p->sub == sub) p->sub = nullptr;
}

/// Is a subrequest that it has made, and that nobody waits for, under way?
static bool has_background(const Request *sub) {
  if (!sub->children) return false;
  for (const Request *child = sub->main->subs; child; child = child->sub_next)
    if (child->parent == sub && (child->background || has_background(child))) return true;
  return false;
}

static void free_now(Request *sub) {
  Request *main = sub->main;
  for (Request *child = main->subs, *next; sub->children && child; child = next) {
    next = child->sub_next;
    if (child->parent != sub) continue;
    free_now(child);  // takes its own children out of the list: begin anew
    next = main->subs;
  }
  leave_output(sub);
  if (sub->sub_prev)
    sub->sub_prev->sub_next = sub->sub_next;
  else
    main->subs = sub->sub_next;
  if (sub->sub_next) sub->sub_next->sub_prev = sub->sub_prev;
  --sub->parent->children;
  --main->subs_live;
  request_free(sub);
}

void subrequest_free(Request *sub) {
  if (!has_background(sub)) return free_now(sub);
  leave_output(sub);  // what it refers to stays until the main request ends
  sub->out.body.clear(sub->core->net.blocks);
  sub->out.ready.clear(sub->core->net.blocks);
}

void subrequest_free_all(Request *main) {
  while (main->subs) free_now(main->subs);
}

Str subrequest_output(Request *sub) {
  Chain &body = sub->out.ready;
  body.take(sub->core->net.blocks, sub->out.body);
  const Block *first = body.first();
  if (!first) return "";
  if (!first->next) return first->view();
  char *text = static_cast<char *>(sub->arena.alloc(body.bytes())), *at = text;
  for (const Block *b = first; b; b = b->next) at = str_put(at, b->view());
  return {text, body.bytes()};
}

/// Writes out what has its turn, until a request that still runs has it.
static void advance(Request *root) {
  for (;;) {
    Request *turn = active_of(root);
    if (Postponed *p = turn->postponed) {
      turn->postponed = p->next;
      if (!p->next) turn->postponed_last = nullptr;
      output_take(root, p->data);
      if (p->sub) root->active = p->sub;
      continue;
    }
    if (turn == root) break;
    if (!turn->is_ended) return output_has_turn(turn);
    Request *parent = turn->parent;
    subrequest_free(turn);
    root->active = parent == root ? nullptr : parent;
  }
  root->out.is_diverted = root->out.sink != Sink::connection;
  output_has_turn(root);
  if (root->out.is_last_diverted) output_end_diverted(root);
}

static void complete(Request *sub) {
  Request *root = sub->out_root;
  bool is_inline = sub->out.sink == Sink::parent;
  sub->is_ended = true;
  if (auto done = sub->sub_done) {
    sub->sub_done = nullptr;
    done(sub, sub->sub_done_arg);
  } else if (!is_inline) {
    return subrequest_free(sub);
  }
  if (is_inline && active_of(root) == sub) advance(root);
}

void subrequest_log_done(Request *sub) {
  malloc_trim_count(sub);
  access_log_write(sub);
  complete(sub);
}

/// As in nginx, where a filter fails in a subrequest its main request is over too: nothing more goes to the client.
static void fail_main(Request *sub) {
  sub->is_aborted = false;
  if (!sub->conn->is_closed) http_connection_failed(sub->conn);
}

void subrequest_finish(Request *sub) {
  if (sub->is_logging) return;
  if (sub->is_aborted) fail_main(sub);
  sub->is_logging = true;
  if (sub->out.is_bodiless) sub->is_truncated = true;  // as lua-nginx-module has it
  if (!sub->conf->log_subrequest) return complete(sub);
  int32_t script = sub->conf->scripts[static_cast<size_t>(LuaPhase::log)];
  if (script >= 0 && lua_hook && lua_hook->run(sub, LuaPhase::log, script) == kAgain) return;
  subrequest_log_done(sub);
}

// --- its output ------------------------------------------------------------------------------------------------------

/// As in nginx, one that puts out too much ends its main request.
static void limit_output(Request *r) {
  uint64_t size = r->out.ready.bytes() + r->out.body.bytes();
  if (r->is_aborted || size <= r->conf->subrequest_output_buffer_size) return;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "too big subrequest response: %llu",
            static_cast<unsigned long long>(size));
  r->out.body.clear(r->core->net.blocks);
  http_filter_failed(r);
}

void subrequest_pass(Request *r, bool last) {
  Output &o = r->out;
  if (o.is_bodiless) o.body.clear(r->core->net.blocks);
  if (r->has_output_limit) limit_output(r);
  if (o.sink == Sink::parent) {
    o.body_bytes += o.body.bytes();
    if (r->postponed || active_of(r->out_root) != r)
      hold(r);
    else
      output_take(r->out_root, o.body);
  } else if (r->postponed || r->active) {
    hold(r);
    o.is_last_diverted |= last;
    return;
  } else if (o.sink == Sink::memory) {
    o.ready.take(r->core->net.blocks, o.body);  // what is past the filters does not meet them again
  }
  o.is_serialized = true;
  o.is_last_framed |= last;
}

}  // namespace mw
