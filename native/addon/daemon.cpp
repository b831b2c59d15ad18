// SPDX-License-Identifier: MIT
// The object `daemon`: what a process that goes to the background needs and Node does not offer. JavaScript thread; touches
// the process as a whole (session, descriptors 0 to 2), so the command line alone calls it.
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "addon/addon.h"
#include "base/syslog.h"

namespace mw {

static void put(int fd, int as) {
  if (fd < 0 || fd == as) return;
  dup2(fd, as);
  close(fd);
}

/// detach(): a session of its own; standard input and output lead nowhere.
static Napi::Value detach(const Napi::CallbackInfo &info) {
  setsid();
  put(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
  put(open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
  return info.Env().Undefined();
}

/// redirectStderr(path): standard error is appended to a file; stays as it is when that cannot be opened.
static Napi::Value redirect_stderr(const Napi::CallbackInfo &info) {
  std::string path = info[0].As<Napi::String>();
  put(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644), 2);
  return info.Env().Undefined();
}

/// syslog(path, severity, line): a line of the process itself to an error log "syslog:...". One that cannot be sent is lost.
static Napi::Value send_syslog(const Napi::CallbackInfo &info) {
  std::string path = info[0].As<Napi::String>(), line = info[2].As<Napi::String>(), error;
  Syslog log;
  if (!syslog_open(path, log, error)) return info.Env().Undefined();
  syslog_send(log, info[1].As<Napi::Number>().Int32Value(), line);
  syslog_close(log);
  return info.Env().Undefined();
}

Napi::Object daemon_define(Napi::Env env) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("detach", Napi::Function::New(env, detach, "detach"));
  o.Set("redirectStderr", Napi::Function::New(env, redirect_stderr, "redirectStderr"));
  o.Set("syslog", Napi::Function::New(env, send_syslog, "syslog"));
  return o;
}

}  // namespace mw
