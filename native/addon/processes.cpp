// SPDX-License-Identifier: MIT
// The object `processes`: what `--processes` needs on both sides. `Estate` is the supervisor's class; channel(), send() and
// receive() carry descriptors, which Node's own channel cannot. JavaScript thread; lib/process-host.ts and
// lib/process-worker.ts are its only users.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "addon/addon.h"
#include "estate.h"

namespace mw {

namespace {

constexpr size_t kMaxDescriptors = 128;  ///< in one message; the kernel takes 253

Napi::Value fail(Napi::Env env, const char *call) {
  std::string text = std::string(call) + " failed (" + std::to_string(errno) + ": " + strerror(errno) + ")";
  Napi::Error::New(env, text).ThrowAsJavaScriptException();
  return env.Undefined();
}

/// channel(): [ours, theirs], a pair of sockets that keep messages apart.
Napi::Value channel(const Napi::CallbackInfo &info) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return fail(info.Env(), "socketpair()");
  Napi::Array out = Napi::Array::New(info.Env(), 2);
  out.Set(0u, pair[0]);
  out.Set(1u, pair[1]);
  return out;
}

/// closeChannel(fd)
Napi::Value close_channel(const Napi::CallbackInfo &info) {
  ::close(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

/// One message of up to kMaxDescriptors, to send or to receive.
struct Message {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  char byte = 0;
  iovec iov{&byte, 1};
  msghdr head{};
  Message() {
    head.msg_iov = &iov;
    head.msg_iovlen = 1;
    head.msg_control = control;
    head.msg_controllen = sizeof control;
  }
};

/// send(channel, fds)
Napi::Value send(const Napi::CallbackInfo &info) {
  int to = info[0].As<Napi::Number>().Int32Value();
  Napi::Array fds = info[1].As<Napi::Array>();
  for (uint32_t at = 0; at < fds.Length();) {
    uint32_t n = std::min<uint32_t>(fds.Length() - at, kMaxDescriptors);
    Message m;
    m.head.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    cmsghdr *c = CMSG_FIRSTHDR(&m.head);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * n);
    for (uint32_t i = 0; i < n; ++i) {
      int fd = fds.Get(at + i).As<Napi::Number>().Int32Value();
      memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof fd);
    }
    ssize_t sent;
    do sent = sendmsg(to, &m.head, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return fail(info.Env(), "sendmsg()");
    at += n;
  }
  return info.Env().Undefined();
}

/// receive(channel, count): as many descriptors as were sent. Waits for them: the other side has sent them before it says so.
Napi::Value receive(const Napi::CallbackInfo &info) {
  int from = info[0].As<Napi::Number>().Int32Value();
  uint32_t count = info[1].As<Napi::Number>().Uint32Value(), have = 0;
  Napi::Array out = Napi::Array::New(info.Env(), count);
  while (have < count) {
    Message m;
    ssize_t got;
    do got = recvmsg(from, &m.head, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got == 0) errno = EPIPE;
    if (got <= 0) return fail(info.Env(), "recvmsg()");
    for (cmsghdr *c = CMSG_FIRSTHDR(&m.head); c; c = CMSG_NXTHDR(&m.head, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
        out.Set(have++, fd);
      }
    }
    if (m.head.msg_flags & MSG_CTRUNC) {  // the process has no room for more descriptors
      errno = EMFILE;
      return fail(info.Env(), "recvmsg()");
    }
  }
  return out;
}

class EstateHandle : public Napi::ObjectWrap<EstateHandle> {
 public:
  explicit EstateHandle(const Napi::CallbackInfo &info)
      : Napi::ObjectWrap<EstateHandle>(info), estate_(info[0].As<Napi::Number>().Uint32Value()) {}

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Estate",
                       {
                           InstanceMethod("prepare", &EstateHandle::prepare),
                           InstanceMethod("commit", &EstateHandle::commit),
                           InstanceMethod("abandon", &EstateHandle::abandon),
                           InstanceMethod("share", &EstateHandle::share),
                           InstanceMethod("addresses", &EstateHandle::addresses),
                           InstanceMethod("bury", &EstateHandle::bury),
                           InstanceMethod("close", &EstateHandle::close),
                       });
  }

 private:
  static Napi::Value result(Napi::Env env, bool ok, const std::string &error) {
    if (ok) return env.Null();
    return Napi::String::New(env, error.empty() ? "unknown error" : error);
  }
  static Napi::Array texts(Napi::Env env, const std::vector<std::string> &all) {
    Napi::Array out = Napi::Array::New(env, all.size());
    for (size_t i = 0; i < all.size(); ++i) out.Set(static_cast<uint32_t>(i), Napi::String::New(env, all[i]));
    return out;
  }

  /// prepare(plan: Buffer): the error as a string, or null.
  Napi::Value prepare(const Napi::CallbackInfo &info) {
    auto bytes = info[0].As<Napi::Buffer<char>>();
    std::string error;
    PlanRef plan = plan_decode(bytes.Data(), bytes.Length(), error);
    return result(info.Env(), plan != nullptr && estate_.prepare(*plan, error), error);
  }
  /// commit(): the error as a string, or null.
  Napi::Value commit(const Napi::CallbackInfo &info) {
    std::string error;
    return result(info.Env(), estate_.commit(error), error);
  }
  Napi::Value abandon(const Napi::CallbackInfo &info) {
    estate_.abandon();
    return info.Env().Undefined();
  }
  /// share(process, isPrepared): { first, workers, total, kinds, keys, fds }; the descriptors are the estate's.
  Napi::Value share(const Napi::CallbackInfo &info) {
    Napi::Env env = info.Env();
    Inheritance all;
    estate_.share(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Boolean>(), all);
    Napi::Object o = Napi::Object::New(env);
    Napi::Array kinds = Napi::Array::New(env), keys = Napi::Array::New(env), fds = Napi::Array::New(env);
    uint32_t n = 0;
    for (Inheritance::Item &item : all.items) {
      kinds.Set(n, static_cast<uint32_t>(item.kind));
      keys.Set(n, item.key);
      fds.Set(n++, item.fd);
      item.fd = -1;
    }
    o.Set("first", all.first_worker);
    o.Set("workers", all.workers);
    o.Set("total", all.total_workers);
    o.Set("kinds", kinds);
    o.Set("keys", keys);
    o.Set("fds", fds);
    return o;
  }
  Napi::Value addresses(const Napi::CallbackInfo &info) { return texts(info.Env(), estate_.addresses()); }
  /// bury(process): lines for the log.
  Napi::Value bury(const Napi::CallbackInfo &info) {
    return texts(info.Env(), estate_.bury(info[0].As<Napi::Number>().Uint32Value()));
  }
  Napi::Value close(const Napi::CallbackInfo &info) {
    estate_.close();
    return info.Env().Undefined();
  }

  Estate estate_;
};

}  // namespace

Napi::Object processes_define(Napi::Env env) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("Estate", EstateHandle::define(env));
  o.Set("channel", Napi::Function::New(env, channel, "channel"));
  o.Set("closeChannel", Napi::Function::New(env, close_channel, "closeChannel"));
  o.Set("send", Napi::Function::New(env, send, "send"));
  o.Set("receive", Napi::Function::New(env, receive, "receive"));
  return o;
}

void inheritance_read(Napi::Object from, Inheritance &to) {
  to.first_worker = from.Get("first").As<Napi::Number>().Uint32Value();
  to.workers = from.Get("workers").As<Napi::Number>().Uint32Value();
  to.total_workers = from.Get("total").As<Napi::Number>().Uint32Value();
  auto kinds = from.Get("kinds").As<Napi::Array>(), keys = from.Get("keys").As<Napi::Array>();
  auto fds = from.Get("fds").As<Napi::Array>();
  for (uint32_t i = 0; i < fds.Length(); ++i)
    to.items.push_back({static_cast<Inheritance::Kind>(kinds.Get(i).As<Napi::Number>().Uint32Value()),
                        keys.Get(i).As<Napi::String>(), fds.Get(i).As<Napi::Number>().Int32Value()});
}

}  // namespace mw
