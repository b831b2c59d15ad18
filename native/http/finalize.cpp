// SPDX-License-Identifier: MIT
// The ends of a request: what a handler's answer leads to (finalize), error pages, internal redirects, the log phase.
#include <stdio.h>

#include "http/body.h"
#include "http/metrics.h"
#include "http/modules/access_log.h"
#include "http/modules/browser.h"
#include "http/modules/malloc_trim.h"
#include "http/modules/post_action.h"
#include "http/modules/ssi.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/router.h"
#include "http/subrequest.h"
#include "http/target.h"
#include "http/variable.h"

namespace mw {

// --- redirects inside ------------------------------------------------------------------------------------------------

/// What a request must forget before it goes through the phases again.
static void rewind(Request *r) {
  if (lua_hook) lua_hook->release(r, LuaRelease::all);
  r->abi.is_internal = 1;
  r->has_exec = false;
  r->handler_state = nullptr;
  r->rewrite_at = 0;
  r->uri_changed = false;
  r->try_files_done = 0;
  r->access_status = 0;
  r->access_at = 0;
  r->is_mirrored = false;
}

static bool spend_change(Request *r) {
  if (--r->uri_changes > 0) return true;
  log_write(r->log(), kLogError, 0, &r->log_ctx,
            "rewrite or internal redirection cycle while internally redirecting to \"%.*s\"",
            static_cast<int>(r->uri.size()), r->uri.data());
  http_finalize(r, 500);
  return false;
}

void http_internal_redirect(Request *r, Str uri, Str args) {
  Str to = r->arena.dup(uri), query = r->arena.dup(args);
  if (!spend_change(r)) return;
  rewind(r);
  r->uri = to;
  r->args = query;
  r->conf = &r->server->conf;
  r->step = kStepServerRewriteLua;
  http_run_phases(r);
}

void http_named_location(Request *r, Str name) {
  Str to = r->arena.dup(name);
  if (!spend_change(r)) return;
  const Location *l = router_find_named(*r->core->router, r->server, to);
  if (!l) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "could not find named location \"%.*s\"",
              static_cast<int>(to.size()), to.data());
    return http_finalize(r, 500);
  }
  rewind(r);
  r->location = l;
  r->conf = &l->conf;
  r->step = kStepRewrite;
  http_run_phases(r);
}

void http_exec_pending(Request *r) {
  r->has_exec = false;
  Str uri = r->exec_uri, args = r->exec_args;
  if (!uri.empty() && uri[0] == '@') return http_named_location(r, uri.substr(0, uri.find('?')));
  http_internal_redirect(r, uri, args);
}

void http_redirect(Request *r, Str location, int32_t status) {
  r->resp.location = location.empty() ? Str("") : header_value_copy(r->arena, location);
  r->resp.is_location_verbatim = false;
  r->abi.status = status;
}

// --- special responses -----------------------------------------------------------------------------------------------

/// Does this request get an error_page, or does it show one of a location that has them once?
static bool may_have_error_page(const Request *r) { return !r->is_error_page && r->uri_changes != 0; }

static const ErrorPage *find_error_page(const Request *r, int32_t status) {
  for (const ErrorPage &page : r->conf->error_pages)
    for (int32_t code : page.codes)
      if (code == status) return &page;
  return nullptr;
}

bool http_has_error_page(const Request *r, int32_t status) {
  return may_have_error_page(r) && find_error_page(r, status) != nullptr;
}

/// Sends the request to its error_page. False when the page is an external URL's redirect, already set up as a response.
static void serve_error_page(Request *r, const ErrorPage &page, int32_t status) {
  r->is_error_page = !r->conf->recursive_error_pages;
  r->err_status = page.response > 0 ? page.response : status;
  if (page.response == 0) r->err_status = 0;  // "=": the page's own status, or the one that Lua has set by now
  Str uri = complex_value(r, page.uri);
  if (!uri.empty() && uri[0] == '@') return http_named_location(r, uri);
  if (!uri.empty() && uri[0] == '/') {
    if (r->method_id != kMethodHead) {
      r->method_id = kMethodGet;
      r->method = "GET";
    }
    size_t mark = uri.find('?');
    return http_internal_redirect(r, uri.substr(0, mark), mark == Str::npos ? Str{} : uri.substr(mark + 1));
  }
  bool is_redirect = page.response == 301 || page.response == 302 || page.response == 303 || page.response == 307 ||
                     page.response == 308;
  r->err_status = 0;
  r->is_error_page = true;  // the redirect is the page: none of its own
  http_redirect(r, uri, is_redirect ? page.response : 302);
  http_special_response(r, r->abi.status);
}

static void built_in_page(Request *r, int32_t status) {
  Str reason = status_reason(status);
  if (status == 302) reason = "Found";  // nginx's page and status line differ here
  if (status == 401) reason = "Authorization Required";
  char title[96];
  int n = status == 494
              ? snprintf(title, sizeof title, "400 Request Header Or Cookie Too Large")
              : snprintf(title, sizeof title, "%d %.*s", status, static_cast<int>(reason.size()), reason.data());
  Str token = core_product(r->core, r->conf->server_tokens);
  char page[640];
  n = snprintf(page, sizeof page,
               "<html>\r\n<head><title>%.*s</title></head>\r\n<body>\r\n<center><h1>%.*s</h1></center>\r\n"
               "<hr><center>%.*s</center>\r\n</body>\r\n</html>\r\n",
               n, title, n, title, static_cast<int>(token.size()), token.data());
  r->resp.content_type = "text/html";
  r->resp.has_content_type = true;
  Str padding = status >= 400 && r->conf->msie_padding ? browser_padding(r) : Str{};
  output_queue(r, {page, static_cast<size_t>(n)}, false, padding.empty());
  if (!padding.empty()) output_queue(r, padding, false, true);
}

/// msie_refresh: a page that sends the browser on, in place of the redirect. False for others.
static bool refresh_page(Request *r) {
  Str page = browser_refresh_page(r);
  if (!page.data()) return false;
  r->abi.status = 200;
  r->resp.location = {};
  r->resp.content_type = "text/html";
  r->resp.has_content_type = true;
  output_queue(r, page, false, true);
  return true;
}

static bool has_built_in_page(int32_t status) {
  return status >= 300 && status != 304 && (status < 304 || status >= 307) && !(status > 308 && status < 400) &&
         !status_reason(status == 494 ? 400 : status).empty();
}

void http_replace_response(Request *r, int32_t status) {
  r->resp = Response();
  r->err_status = 0;
  r->abi.status = status;
  if (has_built_in_page(status))
    built_in_page(r, status);
  else
    output_queue(r, {}, false, true);
}

/// A capture ends without its page or the rest of its output. `r` may be gone afterwards.
static void cut_subrequest(Request *r, Rc rc) {
  r->is_truncated = true;
  if (!r->abi.header_sent) r->abi.status = rc >= 100 ? rc : 500;
  r->out.is_finished = r->out.is_last_framed = true;
  subrequest_finish(r);
}

/// As in nginx a capture is told the status of a special response, and what the header filters make of it; it gets no page.
static void special_capture(Request *r, int32_t status) {
  r->is_truncated = true;
  r->err_status = 0;
  r->abi.status = status;
  r->out.is_bodiless = true;
  output_finish(r);
}

void http_special_response(Request *r, int32_t status) {
  if (r->out.sink == Sink::memory) return special_capture(r, status);
  if (r->is_stream) {
    r->abi.status = status;
    return output_finish(r);
  }
  r->resp.content_length = -1;
  r->resp.last_modified = -1;
  if (may_have_error_page(r) || status != r->err_status) {
    const ErrorPage *page = may_have_error_page(r) ? find_error_page(r, status) : nullptr;
    if (page) return serve_error_page(r, *page, status);
  }
  switch (status) {  // after these the rest of the input cannot be trusted or is not wanted
    case 400:
    case 413:
    case 414:
    case 494:
    case 500:
    case 501:
    case 505:
    case 408: r->keepalive = false; break;
    default: break;
  }
  r->err_status = 0;
  r->abi.status = status == 494 ? 400 : status;
  bool is_refreshed = r->conf->msie_refresh && (status == 301 || status == 302) && refresh_page(r);
  if (is_refreshed) return output_finish(r);
  if (has_built_in_page(status))
    built_in_page(r, status);
  else
    r->resp.has_content_type = true;  // there is nothing that default_type could be of
  output_finish(r);
}

// --- finalize --------------------------------------------------------------------------------------------------------

static bool has_status_page(Rc rc) { return rc >= 300 || rc == 201 || rc == 204; }

/// The end of a subrequest's handler.
static void finalize_subrequest(Request *r, Rc rc) {
  Connection *c = r->conn;
  bool is_abort = rc == kError || rc == 408 || rc == 444 || rc == 499 || c->is_closed;
  if (lua_hook && r->lua) lua_hook->release(r, is_abort ? LuaRelease::runs : LuaRelease::handlers);
  r->has_exec = false;
  if (r->has_stub && !is_abort && ssi_put_stub(r, rc)) rc = kOk;
  bool has_page = has_status_page(rc);
  if (has_page && r->abi.header_sent) r->is_truncated = true;
  if (is_abort) {
    bool is_copy = r->is_copy;  // its main request is answered all the same, and may end with it
    if (rc == 444) r->main->keepalive = false;
    if (rc == 444 && !is_copy && r->main->abi.status == 0) r->main->abi.status = rc;
    if (rc == 444 && !is_copy && !c->is_closed && !c->is_blocked) connection_send(c);  // what was put out so far
    cut_subrequest(r, rc);
    if (rc == 444 && !is_copy) http_connection_failed(c);
    return;
  }
  if (has_page && !r->abi.header_sent) return http_special_response(r, rc);
  if (rc >= 200 && rc < 300 && !r->abi.header_sent && r->abi.status == 0) r->abi.status = rc;
  output_finish(r);
}

void http_finalize(Request *r, Rc rc) {
  if (rc == kDone || rc == kAgain || r->out.is_finished) return;
  if (r->parent) return finalize_subrequest(r, rc);
  bool is_silent = (rc == 444 || rc == 408) && !r->abi.header_sent;
  bool is_abort = is_silent || rc == kError || rc == 444 || rc == 499 || r->conn->is_closed;
  if (lua_hook && r->lua) lua_hook->release(r, is_abort ? LuaRelease::runs : LuaRelease::handlers);
  r->has_exec = false;
  if (is_silent) r->abi.status = rc;
  if (is_abort) {
    if (r->subs) subrequest_free_all(r);
    if (!r->conn->is_closed && !r->conn->is_blocked) connection_send(r->conn);  // answers to requests before this one
    if (rc == 444 && r->conf->reset_timedout_connection) connection_drop_output(r->conn);
    return http_connection_failed(r->conn);
  }
  bool has_status = has_status_page(rc);
  if (has_status && !r->abi.header_sent) return http_special_response(r, rc);
  if (rc >= 200 && rc < 300 && !r->abi.header_sent && r->abi.status == 0) r->abi.status = rc;
  if (has_status && rc >= 500) r->keepalive = false;
  output_finish(r);
}

void http_filter_failed(Request *r) {
  // What was promised to the client cannot be delivered: it must see a broken message, not a wrong one.
  r->is_aborted = true;
  output_cut(r);
}

// --- the end ---------------------------------------------------------------------------------------------------------

static void end_request(Request *r) {
  Connection *c = r->conn;
  malloc_trim_count(r);
  access_log_write(r);
  bool detached = r->is_detached;
  request_free(r);
  if (detached) connection_unref(c);
}

void http_log_done(Request *r) {
  if (r->parent) return subrequest_log_done(r);
  metrics_logged(r);
  end_request(r);
}

void request_finish(Request *r) {
  if (r->parent) return subrequest_finish(r);
  if (r->is_logging) return;
  Connection *c = r->conn;
  if (!r->conf->post_action.empty() && !c->is_closed) post_action_start(r);
  r->is_awaiting_background = r->background > 0 && !c->is_closed;
  if (r->is_awaiting_background) return http_connection_send(c);
  if (r->subs) subrequest_free_all(r);  // nobody waits for them any more
  bool aborted = r->is_aborted;
  bool clean = !c->is_closed && body_discard(r);
  if (!clean && r->keepalive && !aborted && !c->is_closed) return http_connection_await_discard(c);
  r->is_logging = true;
  r->action = "logging request";
  metrics_answered(r);
  bool keepalive = r->keepalive && clean && !aborted;
  bool linger = !clean || c->in_size() > 0 || body_is_unread(r);
  uint64_t idle = r->conf->keepalive_timeout;
  int32_t script = r->conf->scripts[static_cast<size_t>(LuaPhase::log)];
  bool has_script = script >= 0 && lua_hook;
  if (has_script && lua_hook->run(r, LuaPhase::log, script) == kAgain) {
    if (!r->is_detached) connection_ref(c);
    r->is_detached = true;
  } else {
    if (has_script) metrics_logged(r);
    end_request(r);
  }
  c->user = nullptr;
  if (c->is_closed) return;
  if (aborted) return connection_reset(c);
  http_connection_next(c, keepalive, linger, idle);
}

}  // namespace mw
