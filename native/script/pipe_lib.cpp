// SPDX-License-Identifier: MIT
// ngx.pipe as C functions: a child process with pipes to its standard streams, on the worker's loop; its end is told by a
// pidfd. Lua holds it as a userdata; collecting that closes the pipes and kills a child that still runs. What is read is
// put together in Lua (ngx/pipe.lua): here are single reads and writes, and waits.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "script/vm_inner.h"

namespace mw {

enum PipeEnd : uint8_t { kStdin, kStdout, kStderr, kExit, kPipeEnds };

struct PipeProcess;

/// One descriptor of a child, and who waits on it.
struct PipeStream : IoHandler {
  struct OwnWaiter : Waiter {
    PipeStream *stream = nullptr;
  };
  struct OwnTimer : Timer {
    PipeStream *stream = nullptr;
  };
  PipeProcess *process = nullptr;
  int fd = -1;
  OwnWaiter waiter;
  OwnTimer timer;
};

struct PipeProcess {
  PipeStream streams[kPipeEnds];
  pid_t pid = -1;
  bool has_ended = false;
  int status = 0;
  struct OwnTask : Task {
    PipeProcess *process = nullptr;
  } free_task;
};

static constexpr char kMetatable[] = "moonwire.pipe";

static PipeProcess *check_process(lua_State *L) {
  return *static_cast<PipeProcess **>(luaL_checkudata(L, 1, kMetatable));
}

static PipeStream &check_stream(lua_State *L) {
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 0 && i < kPipeEnds, 2, "no such stream");
  return check_process(L)->streams[i];
}

static int refuse(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

// --- waits -----------------------------------------------------------------------------------------------------------

static void wake(PipeStream *s, int32_t result) {
  if (!sched_is_waiting(s->waiter)) return;
  vm_current->core->loop->disarm(&s->timer);
  sched_wake(&s->waiter, result);
}

static void on_ready(IoHandler *h, uint32_t) {
  PipeStream *s = static_cast<PipeStream *>(h);
  PipeProcess *p = s->process;
  if (s == &p->streams[kExit] && !p->has_ended) {
    if (waitpid(p->pid, &p->status, WNOHANG) != p->pid) return;
    p->has_ended = true;
  }
  wake(s, MW_OK);
}

static void on_timeout(Timer *t) {
  PipeStream *s = static_cast<PipeStream::OwnTimer *>(t)->stream;
  sched_wake(&s->waiter, MW_TIMEOUT);
}

static void cancel_wait(Waiter *w) {
  PipeStream *s = static_cast<PipeStream::OwnWaiter *>(w)->stream;
  vm_current->core->loop->disarm(&s->timer);
}

/// park(process, stream, ms) -> true, then await() | nil, "busy". ms 0 or below: no limit.
static int pipe_park(lua_State *L) {
  PipeStream &s = check_stream(L);
  lua_Number ms = luaL_checknumber(L, 3);
  if (sched_is_waiting(s.waiter)) return refuse(L, "busy");
  if (s.fd < 0) return refuse(L, "closed");
  s.timer.fire = on_timeout;
  sched_park(&s.waiter, cancel_wait);
  if (ms > 0) vm_current->core->loop->arm(&s.timer, static_cast<uint64_t>(ms));
  lua_pushboolean(L, 1);
  return 1;
}

/// is_busy(process, stream) -> whether a light thread waits on it
static int pipe_is_busy(lua_State *L) {
  lua_pushboolean(L, sched_is_waiting(check_stream(L).waiter));
  return 1;
}

// --- life ------------------------------------------------------------------------------------------------------------

static void close_stream(PipeStream &s, int32_t result) {
  if (s.fd < 0) return;
  vm_current->core->loop->unwatch(s.fd);
  close(s.fd);
  s.fd = -1;
  wake(&s, result);
}

static void free_process(Task *t) { delete static_cast<PipeProcess::OwnTask *>(t)->process; }

static int pipe_gc(lua_State *L) {
  PipeProcess **slot = static_cast<PipeProcess **>(lua_touserdata(L, 1));
  PipeProcess *p = *slot;
  *slot = nullptr;
  if (!p) return 0;
  for (PipeStream &s : p->streams) close_stream(s, MW_ABORTED);
  if (!p->has_ended && p->pid > 0) {
    kill(p->pid, SIGKILL);
    waitpid(p->pid, &p->status, 0);
  }
  p->free_task.process = p;
  p->free_task.run = free_process;
  if (vm_current->is_closing)
    delete p;
  else
    vm_current->core->loop->defer(&p->free_task);
  return 0;
}

/// The strings of the table at `index`, a null pointer after the last. The table keeps them alive.
static void read_strings(lua_State *L, int index, std::vector<char *> &out) {
  int n = static_cast<int>(lua_objlen(L, index));
  for (int i = 1; i <= n; ++i) {
    lua_rawgeti(L, index, i);
    out.push_back(const_cast<char *>(lua_tostring(L, -1)));
    lua_pop(L, 1);
  }
  out.push_back(nullptr);
}

struct Ends {
  int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1};
  bool open(bool merge) {
    for (int i = 0; i < (merge ? 2 : 3); ++i) {
      int fds[2];
      if (pipe2(fds, O_CLOEXEC) < 0) return false;
      ours[i] = fds[i == kStdin ? 1 : 0];
      theirs[i] = fds[i == kStdin ? 0 : 1];
      fcntl(ours[i], F_SETFL, O_NONBLOCK);
    }
    return true;
  }
  void close_theirs() {
    for (int &fd : theirs)
      if (fd >= 0) close(fd), fd = -1;
  }
  void close_ours() {
    for (int &fd : ours)
      if (fd >= 0) close(fd), fd = -1;
  }
};

/// Starts the child with default signals: the worker's thread blocks them all. 0 or an errno.
static int start(char *const *argv, char *const *envp, const Ends &ends, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attr);
  posix_spawn_file_actions_adddup2(&actions, ends.theirs[0], 0);
  posix_spawn_file_actions_adddup2(&actions, ends.theirs[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends.theirs[2] < 0 ? ends.theirs[1] : ends.theirs[2], 2);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &all);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int rc = posix_spawnp(pid, argv[0], &actions, &attr, argv, envp ? envp : environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&actions);
  return rc;
}

static size_t name_size(Str item) { return std::min(item.size(), item.find('=')); }

/// The environment of a child that is not given one: the process's, with what `env` gives a value (the first for a name counts).
/// Stays empty when that is the process's as it is.
static void plan_environ(const std::vector<std::string> &env, std::vector<char *> &out) {
  for (const std::string &item : env) {
    size_t n = name_size(item);
    if (n == item.size()) continue;
    bool is_known = std::any_of(out.begin(), out.end(), [&](char *p) {
      return Str(p).starts_with({item.data(), n + 1});
    });
    if (!is_known) out.push_back(const_cast<char *>(item.c_str()));
  }
  if (out.empty()) return;
  size_t given = out.size();
  for (char **p = environ; *p; ++p) {
    Str name = Str(*p).substr(0, name_size(*p));
    bool is_given = std::any_of(out.begin(), out.begin() + static_cast<ptrdiff_t>(given),
                                [&](char *q) { return Str(q).substr(0, name_size(q)) == name; });
    if (!is_given) out.push_back(*p);
  }
  out.push_back(nullptr);
}

/// Leaves no owning object alive: what follows may raise.
static PipeProcess *spawn_process(lua_State *L, int *error) {
  bool has_env = lua_istable(L, 2), merge = lua_toboolean(L, 3);
  std::vector<char *> argv, envp;
  read_strings(L, 1, argv);
  if (has_env)
    read_strings(L, 2, envp);
  else
    plan_environ(vm_current->core->p->env, envp);
  Ends ends;
  pid_t pid = -1;
  *error = ends.open(merge) ? start(argv.data(), envp.empty() ? nullptr : envp.data(), ends, &pid) : errno;
  ends.close_theirs();
  if (*error) {
    ends.close_ours();
    return nullptr;
  }
  PipeProcess *p = new PipeProcess();
  p->pid = pid;
  int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd >= 0) fcntl(pidfd, F_SETFD, FD_CLOEXEC);
  for (int i = 0; i < kPipeEnds; ++i) {
    PipeStream &s = p->streams[i];
    s.process = p;
    s.waiter.stream = s.timer.stream = &s;
    s.ready = on_ready;
    s.fd = i == kExit ? pidfd : ends.ours[i];
    if (s.fd >= 0) vm_current->core->loop->watch(s.fd, &s, i == kStdin ? EPOLLOUT : EPOLLIN);
  }
  return p;
}

/// spawn(argv, environ | nil, merge_stderr) -> process | nil, err
static int pipe_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 3);
  PipeProcess **slot = static_cast<PipeProcess **>(lua_newuserdata(L, sizeof(PipeProcess *)));
  *slot = nullptr;
  luaL_getmetatable(L, kMetatable);
  lua_setmetatable(L, -2);
  int error = 0;
  *slot = spawn_process(L, &error);
  return *slot ? 1 : refuse(L, strerror(error));
}

// --- operations ------------------------------------------------------------------------------------------------------

/// read(process, stream, max) -> text | nil, "again" | nil, "closed"
static int pipe_read(lua_State *L) {
  PipeStream &s = check_stream(L);
  char buf[65536];
  size_t max = std::min<size_t>(sizeof buf, static_cast<size_t>(luaL_checkinteger(L, 3)));
  if (s.fd < 0) return refuse(L, "closed");
  ssize_t n;
  do {
    n = read(s.fd, buf, max);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    lua_pushlstring(L, buf, static_cast<size_t>(n));
    return 1;
  }
  return refuse(L, n == 0 ? "closed" : errno == EAGAIN ? "again" : strerror(errno));
}

/// write(process, data, from) -> bytes | nil, "again" | nil, "closed"; `from` counts from 0
static int pipe_write(lua_State *L) {
  PipeStream &s = check_process(L)->streams[kStdin];
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  size_t from = static_cast<size_t>(luaL_checkinteger(L, 3));
  if (s.fd < 0) return refuse(L, "closed");
  ssize_t n;
  do {
    n = write(s.fd, data + from, size - from);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) {
    lua_pushinteger(L, n);
    return 1;
  }
  return refuse(L, errno == EAGAIN ? "again" : errno == EPIPE ? "closed" : strerror(errno));
}

static int pipe_close(lua_State *L) {
  close_stream(check_stream(L), MW_ABORTED);
  return 0;
}

/// status(process) -> nothing while it runs | "exit" | "signal", code
static int pipe_status(lua_State *L) {
  PipeProcess *p = check_process(L);
  if (!p->has_ended && waitpid(p->pid, &p->status, WNOHANG) == p->pid) p->has_ended = true;
  if (!p->has_ended) return 0;
  bool by_signal = WIFSIGNALED(p->status);
  lua_pushstring(L, by_signal ? "signal" : "exit");
  lua_pushinteger(L, by_signal ? WTERMSIG(p->status) : WEXITSTATUS(p->status));
  return 2;
}

static int pipe_kill(lua_State *L) {
  PipeProcess *p = check_process(L);
  int signo = static_cast<int>(luaL_checkinteger(L, 2));
  if (!p->has_ended && waitpid(p->pid, &p->status, WNOHANG) == p->pid) p->has_ended = true;
  if (p->has_ended) return refuse(L, "exited");
  if (kill(p->pid, signo) < 0)
    return refuse(L, errno == EINVAL ? "invalid signal" : errno == ESRCH ? "exited" : strerror(errno));
  lua_pushboolean(L, 1);
  return 1;
}

static int pipe_pid(lua_State *L) {
  lua_pushinteger(L, check_process(L)->pid);
  return 1;
}

int pipe_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"spawn", pipe_spawn},   {"park", pipe_park},   {"is_busy", pipe_is_busy},
                                       {"read", pipe_read},     {"write", pipe_write}, {"close", pipe_close},
                                       {"status", pipe_status}, {"kill", pipe_kill},   {"pid", pipe_pid},
                                       {nullptr, nullptr}};
  luaL_newmetatable(L, kMetatable);
  lua_pushcfunction(L, pipe_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  return 1;
}

}  // namespace mw
