// SPDX-License-Identifier: MIT
// A worker's Lua side without sockets, for tests of script/: a loop, an HttpCore and a VM over a hand-made plan, the error log
// caught line by line, requests that have no connection. One at a time per thread.
#pragma once
#include <cstdlib>
#include <string>
#include <vector>

#include "abi/abi.h"
#include "base/value.h"
#include "check.h"
#include "http/core.h"
#include "http/lua_hook.h"
#include "http/request.h"
#include "script/vm_inner.h"

namespace script_test {

using namespace mw;

inline thread_local std::vector<std::string> *caught = nullptr;

inline void catch_line(LogLevelId, Str text) {
  if (caught) caught->emplace_back(text);
}

struct Bench {
  std::shared_ptr<Plan> plan = std::make_shared<Plan>();
  Loop loop;
  Log log;
  mw_worker_t abi{};
  std::vector<char> scratch;
  HttpCore core;
  ServerConf server;
  Vm *vm = nullptr;
  std::vector<std::string> lines;

  Bench() { server.conf.scripts.fill(-1); }
  Bench(const Bench &) = delete;

  void boot() {
    CHECK(loop.open());
    log.level = kLogDebug;  // no sinks: log_tap alone sees the lines
    scratch.resize(4096);
    abi.buf = scratch.data();
    abi.buf_size = scratch.size();
    abi.worker_count = 1;
    core.loop = &loop;
    core.net.loop = &loop;
    core.plan = plan;
    core.p = plan.get();
    core.abi = &abi;
    core.log = &log;
    core.net.log = &log;
    abi_worker = &abi;
    core_tick(&core);
    caught = &lines;
    log_tap = catch_line;
    VmHost host;
    host.core = &core;
    std::string error;
    vm = vm_create(host, error);
    CHECK_EQ(error, "");
  }

  ~Bench() {
    if (vm) vm_destroy(vm);
    vm = nullptr;
    while (core.requests) request_free(core.requests);
    while (Request *r = core.free_requests) {
      core.free_requests = r->next_free;
      free(r);
    }
    log_tap = nullptr;
    caught = nullptr;
    abi_worker = nullptr;
  }

  int32_t script(const std::string &source, const char *chunkname = "=test") {
    Script s;
    s.chunkname = chunkname;
    s.source = source;
    plan->scripts.push_back(s);
    if (vm) vm->script_refs.push_back(LUA_NOREF);
    return static_cast<int32_t>(plan->scripts.size()) - 1;
  }

  /// A request of the server, without a connection.
  Request *request() {
    Request *r = request_create(&core, nullptr);
    r->server = &server;
    r->conf = &server.conf;
    return r;
  }

  /// Turns the loop until `done` or `ms` have passed; false when they have.
  bool turn_until(const bool &done, uint64_t ms = 5000) {
    if (done) return true;
    struct Poll {
      Timer timer;
      Loop *loop;
      const bool *done;
      uint64_t deadline;
    } poll{{}, &loop, &done, loop.now_ms() + ms};
    poll.timer.fire = [](Timer *t) {
      Poll *p = reinterpret_cast<Poll *>(t);
      if (*p->done || p->loop->now_ms() > p->deadline) return p->loop->stop();
      p->loop->arm(t, 1);
    };
    loop.arm(&poll.timer, 1);
    loop.run();
    loop.disarm(&poll.timer);
    return done;
  }

  void turn_for(uint64_t ms) {
    bool never = false;
    turn_until(never, ms);
  }

  /// Runs code as LuaVm does; its results, or "ERROR text", joined by a blank.
  std::string run(const std::string &code) {
    bool done = false;
    std::string out;
    std::string none;
    Value empty;
    empty.tag = Value::array;
    value_encode(none, empty);
    vm_call(vm, true, code, "=run", none, [&](VmResult r) {
      done = true;
      if (!r.ok) {
        out = "ERROR " + r.error;
        return;
      }
      Value values;
      CHECK(value_decode(values, r.values));
      for (const Value &v : values.items) {
        if (!out.empty()) out += ' ';
        if (v.tag == Value::string)
          out += v.str;
        else if (v.tag == Value::number)
          out += std::to_string(static_cast<long>(v.num));
        else
          out += v.tag == Value::true_ ? "true" : v.tag == Value::false_ ? "false" : v.tag == Value::nil ? "nil" : "?";
      }
    });
    if (!turn_until(done)) return "HANGS";
    return out;
  }

  bool logged(const std::string &part) const {
    for (const std::string &line : lines)
      if (line.find(part) != std::string::npos) return true;
    return false;
  }
};

}  // namespace script_test
