// SPDX-License-Identifier: MIT
// The JavaScript class `Server`: one mw::Server, its calls and its events. All calls come from the JavaScript thread of one
// environment; events come from worker threads and hop through a thread-safe function, the Channel. The handle owns the
// mw::Server until destroy(), the environment's end or the process's exit, whichever is first.
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "addon/addon.h"
#include "config.h"

namespace mw {

namespace {

/// One thing that a worker thread tells JavaScript.
struct Event {
  enum Kind : uint8_t { started, worker_exit, vm_lost, reply } kind = started;
  uint32_t generation = 0, worker = 0, left = 0;
  uint32_t id = 0;    ///< reply: the number that run() was given
  std::string error;  ///< started: why it failed
  VmReply reply_value;
};

/// The way from worker threads to JavaScript. Shared by the handle and the callbacks it gave to the server, so that a late
/// callback finds it closed instead of gone.
class Channel {
 public:
  void open(const Napi::ThreadSafeFunction &fn) { fn_ = fn, open_ = true; }

  void send(std::unique_ptr<Event> event) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!open_ || exit_guard_exiting()) return;
    if (fn_.NonBlockingCall(event.get(), deliver) == napi_ok) static_cast<void>(event.release());
  }

  void close() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!open_) return;
    open_ = false;
    fn_.Release();
  }

  void set_referenced(Napi::Env env, bool on) {
    if (!open_) return;
    if (on)
      fn_.Ref(env);
    else
      fn_.Unref(env);
  }

 private:
  static void deliver(Napi::Env env, Napi::Function on_event, Event *raw);

  std::mutex mutex_;
  bool open_ = false;
  Napi::ThreadSafeFunction fn_;
};

Napi::Buffer<char> buffer_of(Napi::Env env, const std::string &bytes) {
  return Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size());
}

// Bytes that should be text: Lua messages may hold anything, invalid UTF-8 becomes replacement characters.
Napi::String text_of(Napi::Env env, const std::string &bytes) {
  return Napi::String::New(env, bytes.data(), bytes.size());
}

Napi::Object event_object(Napi::Env env, const Event &e) {
  Napi::Object o = Napi::Object::New(env);
  if (e.kind == Event::reply) {
    o.Set("type", "reply");
    o.Set("id", e.id);
    o.Set("ok", e.reply_value.ok);
    o.Set("values", buffer_of(env, e.reply_value.values));
    o.Set("error", text_of(env, e.reply_value.error));
    o.Set("traceback", text_of(env, e.reply_value.traceback));
    return o;
  }
  o.Set("type", e.kind == Event::started ? "started" : e.kind == Event::vm_lost ? "vmLost" : "workerExit");
  o.Set("generation", e.generation);
  if (e.kind == Event::started) {
    o.Set("error", text_of(env, e.error));
  } else {
    o.Set("worker", e.worker);
    o.Set("left", e.left);
  }
  return o;
}

// Plain Node-API calls: the wrappers end the process when the environment is terminated while JavaScript runs in here. What
// the listener throws stays pending, and Node makes it an uncaught exception.
void Channel::deliver(Napi::Env env, Napi::Function on_event, Event *raw) {
  std::unique_ptr<Event> event(raw);
  if (env == nullptr || on_event.IsEmpty()) return;  // the environment is going down
  Napi::HandleScope scope(env);
  napi_value receiver = nullptr, argument = event_object(env, *event), result = nullptr;
  if (argument == nullptr || napi_get_undefined(env, &receiver) != napi_ok) return;
  napi_call_function(env, receiver, on_event, 1, &argument, &result);
}

ServerEvents events_of(const std::shared_ptr<Channel> &channel) {
  ServerEvents events;
  events.started = [channel](uint32_t generation, std::string error) {
    auto e = std::make_unique<Event>();
    e->kind = Event::started;
    e->generation = generation;
    e->error = std::move(error);
    channel->send(std::move(e));
  };
  events.worker_exit = [channel](uint32_t generation, uint32_t worker, uint32_t left) {
    auto e = std::make_unique<Event>();
    e->kind = Event::worker_exit;
    e->generation = generation;
    e->worker = worker;
    e->left = left;
    channel->send(std::move(e));
  };
  events.vm_lost = [channel](uint32_t generation, uint32_t worker) {
    auto e = std::make_unique<Event>();
    e->kind = Event::vm_lost;
    e->generation = generation;
    e->worker = worker;
    channel->send(std::move(e));
  };
  return events;
}

class ServerHandle : public Napi::ObjectWrap<ServerHandle> {
 public:
  explicit ServerHandle(const Napi::CallbackInfo &info) : Napi::ObjectWrap<ServerHandle>(info), env_(info.Env()) {
    channel_ = std::make_shared<Channel>();
    channel_->open(Napi::ThreadSafeFunction::New(env_, info[0].As<Napi::Function>(), "moonwire.Server", 0, 1));
    // After the thread-safe function's own hook, so it runs before it: events still have somewhere to go.
    napi_add_env_cleanup_hook(env_, on_env_end, this);
    server_ = new Server(events_of(channel_));
    exit_guard_add(server_);
    Ref();  // lives until destroy(): workers may outlast the last JavaScript reference
  }
  ~ServerHandle() override { end(); }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Server",
                       {
                           InstanceMethod("start", &ServerHandle::start),
                           InstanceMethod("addresses", &ServerHandle::addresses),
                           InstanceMethod("stats", &ServerHandle::stats),
                           InstanceMethod("close", &ServerHandle::close),
                           InstanceMethod("settle", &ServerHandle::settle),
                           InstanceMethod("reap", &ServerHandle::reap),
                           InstanceMethod("reopenLogs", &ServerHandle::reopen_logs),
                           InstanceMethod("run", &ServerHandle::run),
                           InstanceMethod("setReferenced", &ServerHandle::set_referenced),
                           InstanceMethod("destroy", &ServerHandle::destroy),
                       });
  }

 private:
  /// start(plan: Buffer, share?: a supervisor's): the problems that keep it from starting, none when it starts.
  Napi::Value start(const Napi::CallbackInfo &info) {
    Problems problems;
    start_plan(info, problems);
    return problems_array(env_, problems);
  }

  void start_plan(const Napi::CallbackInfo &info, Problems &problems) {
    if (server_ == nullptr) return problems.add("the server is closed");
    auto bytes = info[0].As<Napi::Buffer<char>>();
    std::string error;
    PlanRef plan = plan_decode(bytes.Data(), bytes.Length(), error);
    if (plan == nullptr) return problems.add(error);
    if (!info[1].IsObject()) return static_cast<void>(server_->start(plan, problems));
    Inheritance share;
    inheritance_read(info[1].As<Napi::Object>(), share);
    auto own = std::make_shared<Plan>(*plan);
    own->worker_processes = share.workers;
    server_->start(own, problems, &share);
  }

  Napi::Value addresses(const Napi::CallbackInfo &) {
    Napi::Array out = Napi::Array::New(env_);
    if (server_ == nullptr) return out;
    uint32_t i = 0;
    for (const std::string &a : server_->addresses()) out.Set(i++, text_of(env_, a));
    return out;
  }

  Napi::Value stats(const Napi::CallbackInfo &) {
    Napi::Array out = Napi::Array::New(env_);
    if (server_ == nullptr) return out;
    uint32_t i = 0;
    auto number = [this](uint64_t v) { return Napi::Number::New(env_, static_cast<double>(v)); };
    for (const WorkerStats &s : server_->stats()) {
      Napi::Object o = Napi::Object::New(env_);
      o.Set("generation", number(s.generation));
      o.Set("worker", number(s.worker));
      o.Set("connectionsActive", number(s.connections_active));
      o.Set("connectionsAccepted", number(s.connections_accepted));
      o.Set("connectionsIdle", number(s.connections_idle));
      o.Set("requests", number(s.requests));
      o.Set("timersPending", number(s.timers_pending));
      o.Set("timersRunning", number(s.timers_running));
      o.Set("luaMemoryBytes", number(s.lua_memory_bytes));
      out.Set(i++, o);
    }
    return out;
  }

  /// close(drainMs: number)
  Napi::Value close(const Napi::CallbackInfo &info) {
    if (server_ != nullptr) server_->close(static_cast<uint64_t>(info[0].As<Napi::Number>().DoubleValue()));
    return env_.Undefined();
  }

  /// settle(generation: number, serves: boolean)
  Napi::Value settle(const Napi::CallbackInfo &info) {
    if (server_ != nullptr) server_->settle(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Boolean>());
    return env_.Undefined();
  }

  /// reap(): frees the generations that have ended.
  Napi::Value reap(const Napi::CallbackInfo &) {
    if (server_ != nullptr) server_->reap();
    return env_.Undefined();
  }

  Napi::Value reopen_logs(const Napi::CallbackInfo &) {
    if (server_ != nullptr) server_->reopen_logs();
    return env_.Undefined();
  }

  /// run(id: number, worker: number, isCode: boolean, text: string, chunkname: string, args: Buffer): a `reply` event follows.
  Napi::Value run(const Napi::CallbackInfo &info) {
    if (server_ == nullptr) return env_.Undefined();
    auto bytes = info[5].As<Napi::Buffer<char>>();
    auto done = [channel = channel_, id = info[0].As<Napi::Number>().Uint32Value()](VmReply reply) {
      auto e = std::make_unique<Event>();
      e->kind = Event::reply;
      e->id = id;
      e->reply_value = std::move(reply);
      channel->send(std::move(e));
    };
    server_->run(info[1].As<Napi::Number>().Uint32Value(), info[2].As<Napi::Boolean>(), info[3].As<Napi::String>(),
                 info[4].As<Napi::String>(), std::string(bytes.Data(), bytes.Length()), std::move(done));
    return env_.Undefined();
  }

  /// setReferenced(on: boolean): whether this server keeps the process alive.
  Napi::Value set_referenced(const Napi::CallbackInfo &info) {
    channel_->set_referenced(env_, info[0].As<Napi::Boolean>());
    return env_.Undefined();
  }

  /// destroy(): stops what still runs and lets the process end. The handle is of no use afterwards.
  Napi::Value destroy(const Napi::CallbackInfo &) {
    if (server_ == nullptr) return env_.Undefined();
    napi_remove_env_cleanup_hook(env_, on_env_end, this);
    end();
    Unref();
    return env_.Undefined();
  }

  static void on_env_end(void *self) { static_cast<ServerHandle *>(self)->end(); }

  // Channel first: a worker that reports while it is being joined must not wait for this thread, nor be waited for in vain.
  void end() {
    if (server_ == nullptr) return;
    channel_->close();
    Server *server = std::exchange(server_, nullptr);
    if (exit_guard_remove(server)) delete server;
  }

  Napi::Env env_;
  Server *server_ = nullptr;
  std::shared_ptr<Channel> channel_;
};

}  // namespace

Napi::Function server_handle_define(Napi::Env env) { return ServerHandle::define(env); }

}  // namespace mw
