// SPDX-License-Identifier: MIT
// See memc.h. Commands stand in one table; replies are one line, a value with its length, or lines up to END.
#include "http/modules/memc.h"

#include <stdio.h>

#include "base/urlencode.h"
#include "http/body.h"
#include "http/variable.h"

namespace mw {

enum class CommandKind : uint8_t { get, store, remove, count, plain, lines };

struct Command {
  Str name;
  CommandKind kind;
};
static constexpr Command kCommands[] = {
    {"get", CommandKind::get},         {"set", CommandKind::store},     {"add", CommandKind::store},
    {"replace", CommandKind::store},   {"append", CommandKind::store},  {"prepend", CommandKind::store},
    {"delete", CommandKind::remove},   {"incr", CommandKind::count},    {"decr", CommandKind::count},
    {"flush_all", CommandKind::plain}, {"version", CommandKind::plain}, {"verbosity", CommandKind::plain},
    {"stats", CommandKind::lines},
};

/// What the module keeps of one request.
struct MemcState {
  const Command *command = nullptr;
  Str key;            ///< escaped
  uint64_t left = 0;  ///< of the body
  uint8_t tail_seen = 0;
  bool is_until_end = false;  ///< lines up to END
  bool is_gzip = false;       ///< the value, by its flags and memcached_gzip_flag
  int8_t end_seen = 0;        ///< bytes of that line that have come; -1 within another
};

static constexpr Str kTail = "\r\nEND\r\n";  ///< behind a value
static constexpr Str kEnd = "END\r\n";       ///< behind lines

/// memcached's own bounds. Of a `set` whose line it refuses it reads the value, which is the client's, as commands.
static constexpr size_t kKeyMost = 250;
static constexpr uint64_t kFlagsMost = UINT32_MAX, kExptimeMost = INT32_MAX, kValueMost = INT32_MAX - 2;

static MemcState *state_of(Upstream *u) { return static_cast<MemcState *>(u->module_state); }

/// The indexes of conf.memc_vars.
enum MemcVar : uint8_t { kCmd, kKey, kValue, kExptime, kFlags };

static Str value_of(const Upstream *u, MemcVar which) {
  return variable_value(u->r, u->conf->memc_vars[static_cast<size_t>(which)]);
}

static Rc refuse(Upstream *u, Rc status, const char *format, Str what) {
  Request *r = u->r;
  log_write(r->log(), kLogError, 0, &r->log_ctx, format, static_cast<int>(what.size()), what.data());
  return status;
}

// --- the command -----------------------------------------------------------------------------------------------------

static Str command_of_method(const Request *r) {
  switch (r->method_id) {
    case kMethodGet:
    case kMethodHead: return "get";
    case kMethodPost: return "add";
    case kMethodPut: return "set";
    case kMethodDelete: return "delete";
    default: return {};
  }
}

static bool is_allowed(const UpstreamConf &conf, Str name) {
  if (conf.cmds_allowed.empty()) return true;
  for (const std::string &s : conf.cmds_allowed)
    if (s == name) return true;
  return false;
}

static bool is_plain_memcached(const Upstream *u) { return u->conf->kind == UpstreamConf::memcached; }

static Rc choose_command(Upstream *u) {
  MemcState *s = state_of(u);
  if (is_plain_memcached(u)) {
    s->command = &kCommands[0];
    return u->r->method_id == kMethodGet || u->r->method_id == kMethodHead ? static_cast<Rc>(kOk) : 405;
  }
  Str name = value_of(u, kCmd);
  if (name.empty()) name = command_of_method(u->r);
  if (name.empty())
    return refuse(u, 400, "$memc_cmd variable requires explicit assignment for the method \"%.*s\"", u->r->method);
  for (const Command &c : kCommands)
    if (c.name == name) s->command = &c;
  if (!s->command) return refuse(u, 400, "unrecognized $memc_cmd in memc_pass: \"%.*s\"", name);
  if (!is_allowed(*u->conf, name)) return refuse(u, 403, "memcached command \"%.*s\" not allowed", name);
  return kOk;
}

static Rc choose_key(Upstream *u) {
  MemcState *s = state_of(u);
  CommandKind kind = s->command->kind;
  if (kind == CommandKind::plain || kind == CommandKind::lines) return kOk;
  Str key = value_of(u, kKey);
  if (key.empty() && is_plain_memcached(u)) return refuse(u, 500, "the \"$memcached_key\" variable is not set%.*s", "");
  if (key.empty()) return refuse(u, 400, "the \"$memc_key\" variable is not set%.*s", "");
  size_t size = url_escaped_size(key, ESCAPE_MEMCACHED);
  char *to = static_cast<char *>(u->r->arena.alloc(size));
  url_escape(key, ESCAPE_MEMCACHED, to);
  s->key = {to, size};
  if (kind == CommandKind::store && size > kKeyMost)
    return refuse(u, 400, "the \"$memc_key\" variable is too long: \"%.*s\"", s->key);
  return kOk;
}

static Rc target(Upstream *u) {
  u->module_state = u->r->arena.make<MemcState>();
  u->schema = "memcached://";
  Rc rc = choose_command(u);
  if (rc == kOk) rc = choose_key(u);
  if (rc != kOk) return rc;
  return upstream_find_target(u, complex_value(u->r, u->conf->pass), 11211);
}

// --- the request -----------------------------------------------------------------------------------------------------

static bool is_number(Str s) {
  for (char c : s)
    if (c < '0' || c > '9') return false;
  return !s.empty();
}

struct CommandWriter {
  Upstream *u;
  void put(Str s) const { u->request.append(u->r->core->net.blocks, s); }
};

static Rc put_number(Upstream *u, const CommandWriter &w, MemcVar which, const char *name) {
  Str v = value_of(u, which);
  if (v.empty()) v = "0";
  w.put(" ");
  w.put(v);
  uint64_t n = 0;
  if (str_to_u64(v, n) && n <= (which == kFlags ? kFlagsMost : kExptimeMost)) return kOk;
  log_write(u->r->log(), kLogError, 0, &u->r->log_ctx, "variable \"$%s\" takes invalid value: %.*s", name,
            static_cast<int>(v.size()), v.data());
  return 400;
}

/// KEY FLAGS EXPTIME BYTES, then the value: $memc_value, or the request's body.
static Rc put_store(Upstream *u, const CommandWriter &w) {
  Request *r = u->r;
  Str value = value_of(u, kValue);
  bool from_body = value.empty() && r->body.state == BodyState::complete;
  bool in_file = from_body && r->body.in_file;
  if (from_body && !in_file) body_in_memory(r, value);
  uint64_t size = in_file ? r->body.total : value.size();
  if (size > kValueMost) return 413;
  Rc rc = put_number(u, w, kFlags, "memc_flags");
  if (rc == kOk) rc = put_number(u, w, kExptime, "memc_exptime");
  if (rc != kOk) return rc;
  char text[32];
  w.put({text, static_cast<size_t>(snprintf(text, sizeof text, " %llu\r\n", static_cast<unsigned long long>(size)))});
  if (in_file && size)
    u->request.append_file(r->core->net.blocks, r->body.fd, false, 0, size);
  else
    w.put(value);
  w.put("\r\n");
  return kOk;
}

static Rc create_request(Upstream *u) {
  MemcState *s = state_of(u);
  CommandWriter w{u};
  w.put(s->command->name);
  if (!s->key.empty()) {
    w.put(" ");
    w.put(s->key);
  }
  Rc rc = kOk;
  switch (s->command->kind) {
    case CommandKind::store: return put_store(u, w);
    case CommandKind::count: {
      Str by = value_of(u, kValue);
      if (!is_number(by)) return refuse(u, 400, "variable \"$memc_value\" takes invalid value: %.*s", by);
      w.put(" ");
      w.put(by);
      break;
    }
    case CommandKind::remove:  // memcached takes no other time any more
      if (Str time = value_of(u, kExptime); !time.empty() && time != "0")
        rc = put_number(u, w, kExptime, "memc_exptime");
      break;
    case CommandKind::plain:
      if (!value_of(u, kExptime).empty() && s->command->name == "flush_all")
        rc = put_number(u, w, kExptime, "memc_exptime");
      break;
    default: break;
  }
  w.put("\r\n");
  return rc;
}

// --- the reply -------------------------------------------------------------------------------------------------------

/// "VALUE KEY FLAGS BYTES".
static Rc read_value_line(Upstream *u, Str line) {
  MemcState *s = state_of(u);
  Str rest = line.substr(6);
  bool is_good = rest.starts_with(s->key) && rest.size() > s->key.size() && rest[s->key.size()] == ' ';
  if (is_good) rest.remove_prefix(s->key.size() + 1);
  size_t space = rest.find(' ');
  uint64_t flags = 0;
  is_good = is_good && space != Str::npos && str_to_u64(rest.substr(0, space), flags) &&
            str_to_u64(rest.substr(space + 1), s->left) && s->left <= INT64_MAX;
  if (!is_good) return refuse(u, kError, "memcached sent invalid response: \"%.*s\"", line);
  s->is_gzip = (flags & u->conf->gzip_flag) != 0;
  u->status = 200;
  return kOk;
}

static int32_t status_of(const MemcState *s, Str line) {
  if (line.starts_with("STORED")) return 201;
  if (line.starts_with("NOT_STORED")) return 200;
  if (line.starts_with("DELETED") || line.starts_with("OK") || line.starts_with("VERSION")) return 200;
  if (line.starts_with("NOT_FOUND")) return 404;
  if (line == "ERROR" || line.starts_with("CLIENT_ERROR") || line.starts_with("SERVER_ERROR")) return 502;
  if (s->command->kind == CommandKind::count && !line.empty() && line[0] >= '0' && line[0] <= '9') return 200;
  return 0;
}

static Rc parse_head(Upstream *u) {
  MemcState *s = state_of(u);
  Str all = u->head_text();
  size_t lf = all.find('\n');
  if (lf == Str::npos) return kAgain;
  Str line = all.substr(0, lf);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  u->may_keep = true;
  if (s->command->kind == CommandKind::lines && (line.starts_with("STAT ") || line == "END" || line == "RESET")) {
    s->is_until_end = line != "RESET";
    s->left = lf + 1;
    u->status = 200;
    return kOk;  // the first line is body too
  }
  if (s->command->kind == CommandKind::get && line.starts_with("VALUE ")) {
    u->head_used = static_cast<uint32_t>(lf + 1);
    return read_value_line(u, line);
  }
  if (s->command->kind == CommandKind::get && line == "END") {
    log_write(u->r->log(), kLogInfo, 0, &u->r->log_ctx, "key: \"%.*s\" was not found by memcached",
              static_cast<int>(s->key.size()), s->key.data());
    u->status = 404;
    u->is_body_done = true;
    u->head_used = static_cast<uint32_t>(lf + 1);
    return kOk;
  }
  u->status = status_of(s, line);
  if (!u->status) return refuse(u, kError, "memcached sent invalid response: \"%.*s\"", line);
  if (u->status == 502) u->may_keep = false;  // more may come: of a value that was taken for commands
  s->left = lf + 1;
  s->tail_seen = kTail.size();  // nothing behind the line
  return kOk;
}

static Rc process_head(Upstream *u) {
  MemcState *s = state_of(u);
  if (u->status == 404) return 404;  // its page, as of anything that is not there
  u->r->abi.status = u->status;
  u->r->resp.content_length = s->is_until_end ? -1 : static_cast<int64_t>(s->left);
  if (s->command->kind != CommandKind::get) s->tail_seen = kTail.size();
  if (s->is_gzip) response_set_header(u->r, "Content-Encoding", "gzip");
  if (u->conf->force_ranges) u->r->resp.allow_ranges = u->r->resp.allows_one_range = true;
  return kOk;
}

/// Lines up to "END", wherever reads part them.
static Rc lines_body(Upstream *u, MemcState *s, Str in) {
  for (size_t i = 0; i < in.size(); ++i) {
    bool is_end = s->end_seen >= 0 && in[i] == kEnd[static_cast<size_t>(s->end_seen)];
    s->end_seen = static_cast<int8_t>(is_end ? s->end_seen + 1 : in[i] == '\n' ? 0 : -1);
    if (s->end_seen < static_cast<int8_t>(kEnd.size())) continue;
    upstream_emit(u, in.substr(0, i + 1));
    if (i + 1 < in.size()) u->may_keep = false;
    return kDone;
  }
  upstream_emit(u, in);
  return kOk;
}

static Rc body(Upstream *u, Str in) {
  MemcState *s = state_of(u);
  if (s->is_until_end) return lines_body(u, s, in);
  size_t n = in.size() < s->left ? in.size() : static_cast<size_t>(s->left);
  upstream_emit(u, in.substr(0, n));
  s->left -= n;
  in.remove_prefix(n);
  if (s->left) return kOk;
  while (!in.empty() && s->tail_seen < kTail.size()) {
    if (in[0] != kTail[s->tail_seen++]) return refuse(u, kError, "memcached sent invalid trailer%.*s", "");
    in.remove_prefix(1);
  }
  if (!in.empty()) u->may_keep = false;
  return s->tail_seen == kTail.size() ? kDone : kOk;
}

static Rc end_of_stream(Upstream *) { return kError; }

static const UpstreamModule kModule = {target, create_request, parse_head, process_head,
                                       body,   end_of_stream,  nullptr,    nullptr};

Rc memc_run(Request *r) {
  return upstream_run(r, &kModule, &r->plan->upstream_confs[static_cast<size_t>(r->conf->upstream)]);
}

}  // namespace mw
