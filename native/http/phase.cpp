// SPDX-License-Identifier: MIT
// See phase.h. The way of a request is the table kSteps: each step's handler answers like an nginx phase handler, and its
// `next` says what kOk and kDeclined mean there. Ends (finalize, error pages, redirects) are in finalize.cpp.
#include "http/phase.h"

#include <arpa/inet.h>

#include "base/ticks.h"
#include "base/urlencode.h"
#include "http/body.h"
#include "http/modules/access.h"
#include "http/modules/browser.h"
#include "http/modules/dav.h"
#include "http/modules/echo.h"
#include "http/modules/headers_more.h"
#include "http/modules/limit.h"
#include "http/modules/memc.h"
#include "http/modules/mirror.h"
#include "http/modules/plain.h"
#include "http/modules/proxy.h"
#include "http/modules/realip.h"
#include "http/modules/rewrite.h"
#include "http/modules/static.h"
#include "http/output.h"
#include "http/router.h"

namespace mw {

/// Runs the Lua script of `phase`, if the location (or server) has one.
static Rc run_lua(Request *r, LuaPhase phase) {
  int32_t script = r->conf->scripts[static_cast<size_t>(phase)];
  if (script < 0 || !lua_hook) return kDeclined;
  Rc rc = lua_hook->run(r, phase, script);
  if (rc == kAgain && r->conf->lua_check_client_abort && !r->parent) http_connection_recheck(r->conn);
  return rc;
}

/// As in lua-nginx-module it comes before the server's own rewrite directives, unlike rewrite_by_lua*.
static Rc step_server_rewrite_lua(Request *r) { return run_lua(r, LuaPhase::server_rewrite); }
static Rc step_server_rewrite(Request *r) { return rewrite_run(r, r->server->conf.rewrite); }

/// nginx's redirect from "/dir" to a proxied "/dir/".
static Rc add_slash(Request *r, const Location *l) {
  std::string to(url_escaped_size(l->name, ESCAPE_NGINX_URI), '\0');
  url_escape(l->name, ESCAPE_NGINX_URI, to.data());
  if (!r->args.empty()) to.append("?").append(r->args);
  http_redirect(r, to, 301);
  return 301;
}

/// Does the connection take another request, as far as the location decides it?
static bool keeps_connection(const Request *r) {
  const LocationConf *conf = r->conf;
  const Connection *c = r->conn;
  if (!http_may_keep_alive(r->core, c) || c->requests >= conf->keepalive_requests || conf->keepalive_timeout == 0)
    return false;
  if (r->core->loop->now_ms() - c->start_mono > conf->keepalive_time) return false;
  bool may_matter = conf->keepalive_disable > kNoKeepaliveMsie6 || r->method_id == kMethodPost;
  return !may_matter || !browser_loses_keepalive(r, conf->keepalive_disable);
}

static Rc step_find_config(Request *r) {
  const Location *l = router_find_location(*r->core->router, r);
  r->location = l;
  r->uri_changed = false;
  r->located_uri = r->uri.data();
  r->conf = l ? &l->conf : &r->server->conf;
  if (r->conf->limit_except & r->method_id)
    r->conf = &r->plan->if_confs[static_cast<size_t>(r->conf->limit_except_conf)];
  if (l && l->conf.upstream >= 0 && l->name.size() == r->uri.size() + 1 && l->name.starts_with(r->uri))
    return add_slash(r, l);
  if (l && l->conf.internal && !r->abi.is_internal) return 404;
  uint64_t max = r->conf->client_max_body_size;
  if (max && r->head.has_content_length && r->head.content_length > max && r->body.state == BodyState::unread) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "client intended to send too large body: %llu bytes",
              static_cast<unsigned long long>(r->head.content_length));
    return 413;
  }
  if (r->keepalive && !keeps_connection(r)) r->keepalive = false;
  return kDeclined;
}

static Rc step_rewrite(Request *r) {
  // What limit_except says stands alone: as in nginx the location's instructions are not among it.
  bool has_ops = r->location && !(r->location->conf.limit_except & r->method_id);
  Rc rc = has_ops ? rewrite_run(r, r->location->conf.rewrite) : static_cast<Rc>(kDeclined);
  if (rc == kDeclined && !r->conf->more_input_headers.empty()) headers_more_input(r);
  return rc;
}

static void body_ready(Request *r, Rc rc, void *) {
  if (rc != kOk) return http_finalize(r, rc);
  http_run_phases(r);
}

/// lua_need_request_body: the body is read before the first Lua handler of the location.
static Rc step_need_body(Request *r) {
  if (!r->conf->lua_need_request_body || r->uri_changed) return kDeclined;
  if (r->body.state == BodyState::complete) r->abi.body_read = 1;
  if (r->body.state != BodyState::unread) return kDeclined;
  Rc rc = body_read(r, body_ready, nullptr);
  return rc == kOk ? static_cast<Rc>(kDeclined) : rc;
}

/// Where a rewrite directive has sent the request elsewhere, no Lua of this location runs before it goes.
static Rc step_rewrite_lua(Request *r) {
  return r->uri_changed ? static_cast<Rc>(kDeclined) : run_lua(r, LuaPhase::rewrite);
}

static Rc step_post_rewrite(Request *r) {
  if (!r->uri_changed) return kDeclined;
  r->uri_changed = false;
  if (r->has_reload && lua_hook) lua_hook->release(r, LuaRelease::all);  // ngx.req.set_uri(uri, true) empties ngx.ctx
  r->has_reload = false;
  if (--r->uri_changes == 0) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "rewrite or internal redirection cycle while processing \"%.*s\"",
              static_cast<int>(r->uri.size()), r->uri.data());
    return 500;
  }
  r->step = kStepFindConfig - 1;
  return kDeclined;
}

static Rc step_preaccess(Request *r) {
  if (!r->conf->real_ip_from.empty()) realip_run(r);
  return limit_run(r);
}

/// What access_by_lua* has answered. Before the other checks, with `satisfy any`, its consent spares them.
static Rc access_lua_answer(Request *r, Rc rc) {
  rc = access_vote(r, rc);
  if (rc == kOk && r->conf->satisfy_any) r->step = kStepAccess;
  return access_delay(r, rc);
}

/// As in nginx, a subrequest is not checked again: its main request was let in.
static Rc step_access_lua(Request *r) {
  if (r->parent) return kDeclined;
  return access_lua_answer(r, run_lua(r, LuaPhase::access));
}

static Rc step_access(Request *r) {
  if (r->parent) return kDeclined;
  Rc rc = r->conf->has_access_checks ? access_run(r) : static_cast<Rc>(kDeclined);
  if (rc == kDeclined && !r->conf->access_by_lua_no_postpone) return step_access_lua(r);
  return access_delay(r, rc);
}

/// No check has let the request in, and one has refused it (`satisfy any`).
static Rc step_post_access(Request *r) { return r->access_status ? access_refuse(r) : static_cast<Rc>(kDeclined); }

static Rc step_try_files(Request *r) {
  if (!r->conf->mirrors.empty()) {
    Rc rc = mirror_run(r);
    if (rc != kDeclined) return rc;
  }
  return try_files_run(r);
}

static Rc step_precontent_lua(Request *r) { return run_lua(r, LuaPhase::precontent); }

static Rc upstream_content(Request *r) {
  bool is_proxy = r->plan->upstream_confs[static_cast<size_t>(r->conf->upstream)].kind == UpstreamConf::proxy;
  return is_proxy ? proxy_run(r) : memc_run(r);
}

/// ngx.exit(ngx.DECLINED) from content: there is no next handler, and as in lua-nginx-module no answer either.
static Rc lua_content_answer(Rc rc) { return rc == kDeclined ? static_cast<Rc>(kError) : rc; }

/// When the content phase began: with the request, where nothing of the configuration came before it, in this location or in
/// one that has sent the request here.
static void note_content(Request *r) {
  if (r->parent) return;  // a subrequest is part of its main request's time
  constexpr uint32_t early = ((1u << kStepContent) - 1) & ~(1u << kStepFindConfig);
  bool is_first = !r->abi.is_internal && !((r->server->conf.steps | r->conf->steps) & early);
  r->ticks_content = is_first ? r->ticks_began : ticks_now();
}

static Rc step_content(Request *r) {
  note_content(r);
  int32_t script = r->conf->scripts[static_cast<size_t>(LuaPhase::content)];
  if (script >= 0 && lua_hook && (r->location || r->is_stream))
    return lua_content_answer(run_lua(r, LuaPhase::content));
  if (r->conf->upstream >= 0) return upstream_content(r);
  if (!r->conf->echo.empty()) return echo_run(r);
  if (r->conf->handler != PlainHandler::none) return plain_run(r);
  if (r->conf->dav_methods & r->method_id) return dav_run(r);
  return static_run(r);
}

struct StepRow {
  const char *name;
  Rc (*run)(Request *);
  /// Access-like steps go on after kOk; the content step ends with any answer.
  bool ok_goes_on;
};

static constexpr StepRow kSteps[kStepCount] = {
    /* kStepServerRewriteLua   */ {"server_rewrite lua", step_server_rewrite_lua, true},
    /* kStepServerRewrite      */ {"server_rewrite", step_server_rewrite, true},
    /* kStepFindConfig         */ {"find_config", step_find_config, true},
    /* kStepRewrite            */ {"rewrite", step_rewrite, true},
    /* kStepNeedBody           */ {"request body", step_need_body, true},
    /* kStepRewriteLua         */ {"rewrite lua", step_rewrite_lua, true},
    /* kStepRewriteLate        */ {"rewrite", step_rewrite, true},
    /* kStepPostRewrite        */ {"post_rewrite", step_post_rewrite, true},
    /* kStepPreaccess          */ {"preaccess", step_preaccess, true},
    /* kStepAccessLua          */ {"access lua", step_access_lua, true},
    /* kStepAccess             */ {"access", step_access, true},
    /* kStepPostAccess         */ {"post_access", step_post_access, true},
    /* kStepPrecontentLuaEarly */ {"precontent lua", step_precontent_lua, true},
    /* kStepTryFiles           */ {"try_files", step_try_files, true},
    /* kStepPrecontentLua      */ {"precontent lua", step_precontent_lua, true},
    /* kStepContent            */ {"content", step_content, false},
};

/// What the answer of the step at r->step means: true to go on with the next one.
static bool settle(Request *r, Rc rc) {
  if (rc == kAgain) return false;
  if (r->has_exec) {
    http_exec_pending(r);
    return false;
  }
  if (rc == kDone) return false;
  const StepRow &row = kSteps[r->step];
  if (rc == kDeclined || (rc == kOk && row.ok_goes_on)) {
    if (!row.ok_goes_on) {  // content declined: nothing serves this
      http_finalize(r, 404);
      return false;
    }
    if (r->abi.header_sent) {  // an early handler has answered: later phases could only answer again
      http_finalize(r, kOk);
      return false;
    }
    ++r->step;
    return true;
  }
  http_finalize(r, rc);
  return false;
}

/// The first step from r->step on that may have something to do.
static uint8_t next_due(const Request *r) {
  uint32_t due = r->conf->steps;
  if (r->uri_changed) due |= 1u << kStepPostRewrite;
  if (r->access_status) due |= 1u << kStepPostAccess;
  if (r->rewrite_at) due |= 1u << r->step;  // a set_by_lua has waited, perhaps in an `if`
  return static_cast<uint8_t>(r->step + __builtin_ctz(due >> r->step));
}

void http_run_phases(Request *r) {
  for (;;) {
    r->step = next_due(r);
    const StepRow &row = kSteps[r->step];
    Rc rc = row.run(r);
    // Most steps have nothing to do: what settle() would say of them, without the call.
    bool is_plain = rc == kDeclined && row.ok_goes_on && !r->has_exec && !r->abi.header_sent;
    if (is_plain)
      ++r->step;
    else if (!settle(r, rc))
      return;
  }
}

void http_start(Request *r) {
  r->step = r->is_stream ? kStepContent : kStepServerRewriteLua;
  r->action = r->main->action = nullptr;
  r->conf = &r->server->conf;
  if (!r->conf->real_ip_from.empty()) realip_run(r);
  http_run_phases(r);
}

static uint8_t step_of(const LocationConf &conf, LuaPhase phase) {
  switch (phase) {
    case LuaPhase::server_rewrite: return kStepServerRewriteLua;
    case LuaPhase::rewrite: return kStepRewriteLua;
    case LuaPhase::access: return conf.access_by_lua_no_postpone ? kStepAccessLua : kStepAccess;
    case LuaPhase::precontent: return conf.precontent_by_lua_no_postpone ? kStepPrecontentLuaEarly : kStepPrecontentLua;
    default: return kStepContent;
  }
}

void http_lua_done(Request *r, LuaPhase phase, Rc rc) {
  if (phase == LuaPhase::header_filter || phase == LuaPhase::body_filter) return output_filter_done(r, phase, rc);
  if (phase == LuaPhase::log) return http_log_done(r);
  if (phase == LuaPhase::balancer) return upstream_balanced(r, rc);
  if (phase == LuaPhase::set) {
    rc = rewrite_lua_done(r, rc);
    if (rc == kOk || settle(r, rc)) http_run_phases(r);
    return;
  }
  r->step = step_of(*r->conf, phase);
  if (phase == LuaPhase::access) rc = access_lua_answer(r, rc);
  if (phase == LuaPhase::content) rc = lua_content_answer(rc);
  if (settle(r, rc)) http_run_phases(r);
}

}  // namespace mw
