// SPDX-License-Identifier: MIT
// See fault.h. When is a process to be trusted after a fault? When what was interrupted belongs to the VM alone, or is foreign
// code that Lua called through FFI: then no lock of ours is held and no structure of ours is half changed. So the stack is
// walked from the fault outwards, and every frame up to the resume must be one of
//   - machine code of LuaJIT's, which never runs under C++ of ours below the resume: it is not walked further;
//   - LuaJIT itself (section lj_text, see CMakeLists.txt), whose heap is the VM's own;
//   - the C library's: the one function that FFI called (strlen, memcpy), or abort() and assert(); its allocator never, nor
//     anything that itself calls others there, which may hold a lock;
//   - any other library, whose own locks stay held: that much is believed of it.
// A frame of ours (mw_* functions, C functions of the Lua API) or of the dynamic linker ends the process as before, as does a
// stack that cannot be walked.
#include "script/fault.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <iterator>
#include <mutex>
#include <utility>

#include "base/thread.h"
#include "script/lua_api.h"
#include "script/mcode.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MW_CONTAINS_FAULTS 0  // the sanitizer reports them
#else
#define MW_CONTAINS_FAULTS 1
#endif

extern "C" __attribute__((visibility("hidden"))) const char __start_lj_text[], __stop_lj_text[];

namespace mw {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kAltStack = size_t{64} << 10;
constexpr size_t kGuard = size_t{64} << 10;  ///< how far from a stack's end an access is its overflow
constexpr int kMaxFrames = 256;

struct FaultPoint {
  void *buf[5];
  bool is_probe;
  bool is_left;  ///< between fault_leave() and fault_return()
};

/// The threads whose faults are looked at. A handler in any other must not touch thread_local data of a loaded module, whose
/// first use allocates.
constinit std::atomic<pid_t> guarded[1024];

constinit thread_local FaultPoint *point_here = nullptr;
constinit thread_local uint32_t resumes_within = 0;  ///< of other coroutines, below that of the point
constinit thread_local void *alt_stack = nullptr;
constinit thread_local Fault latest;
constinit thread_local bool is_judging = false;
using Dying = void (*)();
constinit thread_local Dying dying = nullptr;

struct Range {
  uintptr_t low = 0, high = 0;
  bool has(uintptr_t at) const { return at >= low && at < high; }
};

/// What of the process's code is where; found once.
struct Map {
  Range ours, libc, linker;
  uintptr_t allocator[8];
  uintptr_t abort, asserts[2];
};
Map map;
struct sigaction before[std::size(kSignals)];

// --- the map ---------------------------------------------------------------------------------------------------------

struct Sought {
  uintptr_t at;
  Range found;
};

int see_module(dl_phdr_info *info, size_t, void *arg) {
  Sought *s = static_cast<Sought *>(arg);
  Range whole{UINTPTR_MAX, 0};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto &p = info->dlpi_phdr[i];
    if (p.p_type != PT_LOAD) continue;
    uintptr_t low = info->dlpi_addr + p.p_vaddr;
    if (low < whole.low) whole.low = low;
    if (low + p.p_memsz > whole.high) whole.high = low + p.p_memsz;
  }
  if (!whole.has(s->at)) return 0;
  s->found = whole;
  return 1;
}

/// The module that an address lies in.
Range module_of(uintptr_t at) {
  Sought s{at, {}};
  if (at) dl_iterate_phdr(see_module, &s);
  return s.found;
}

template <typename F>
uintptr_t address(F *function) {
  return reinterpret_cast<uintptr_t>(function);
}

/// A symbol of the C library: the default scope would name the stubs of an executable that is not position-independent.
uintptr_t symbol(void *libc, const char *name) {
  return reinterpret_cast<uintptr_t>(dlsym(libc ? libc : RTLD_NEXT, name));
}

void find_map() {
  void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  map.ours = module_of(address(&fault_resume));
  map.abort = symbol(libc, "abort");
  map.libc = module_of(symbol(libc, "strlen"));
  map.linker = module_of(getauxval(AT_BASE));
  const char *names[] = {"malloc",   "free",           "calloc",        "realloc",
                         "memalign", "posix_memalign", "aligned_alloc", "malloc_usable_size"};
  for (size_t i = 0; i < std::size(names); ++i) map.allocator[i] = symbol(libc, names[i]);
  map.asserts[0] = symbol(libc, "__assert_fail");
  map.asserts[1] = symbol(libc, "__assert_perror_fail");
}

bool is_lua(uintptr_t pc) { return pc >= address(__start_lj_text) && pc < address(__stop_lj_text); }

// --- the judgement ---------------------------------------------------------------------------------------------------

struct Walk {
  uintptr_t fault_pc;
  int signo;
  bool has_begun = false, is_trusted = false;
  bool has_aborted = false;
  bool asks_assert = false;  ///< abort() was called within the C library: by assert() it must have been
  int libc_frames = 0, frames = 0;
};

bool trusts_libc(Walk *w, uintptr_t function) {
  for (uintptr_t a : map.allocator)
    if (a && function == a) return false;
  ++w->libc_frames;
  if (w->signo != SIGABRT) return w->libc_frames == 1;
  if (function == map.abort) {
    w->has_aborted = true;
  } else if (w->has_aborted) {
    bool is_assert = function == map.asserts[0] || function == map.asserts[1];
    w->asks_assert = !is_assert;
  }
  return true;
}

_Unwind_Reason_Code see_frame(_Unwind_Context *context, void *arg) {
  Walk *w = static_cast<Walk *>(arg);
  int is_before = 0;
  uintptr_t pc = _Unwind_GetIPInfo(context, &is_before);
  if (!w->has_begun && pc != w->fault_pc) return _URC_NO_REASON;  // the handler's own frames
  w->has_begun = true;
  if (!is_before) --pc;  // a return address lies behind its call
  if (_Unwind_GetRegionStart(context) == address(&fault_resume)) {
    w->is_trusted = !w->asks_assert;
    return _URC_NORMAL_STOP;
  }
  if (++w->frames > kMaxFrames) {  // endless recursion: its cycle has been seen
    w->is_trusted = latest.is_stack_overflow;
    return _URC_NORMAL_STOP;
  }
  if (map.libc.has(pc)) return trusts_libc(w, _Unwind_GetRegionStart(context)) ? _URC_NO_REASON : _URC_NORMAL_STOP;
  if (w->asks_assert || map.linker.has(pc)) return _URC_NORMAL_STOP;
  if (mcode_has(reinterpret_cast<const void *>(pc))) {
    latest.is_compiled = w->is_trusted = true;
    return _URC_NORMAL_STOP;
  }
  if (map.ours.has(pc) && !is_lua(pc)) return _URC_NORMAL_STOP;
  return _URC_NO_REASON;
}

struct Registers {
  uintptr_t pc, sp, return_address;
};

Registers registers_of(const void *context) {
  const auto &m = static_cast<const ucontext_t *>(context)->uc_mcontext;
#if defined(__x86_64__)
  uintptr_t sp = static_cast<uintptr_t>(m.gregs[REG_RSP]);
  return {static_cast<uintptr_t>(m.gregs[REG_RIP]), sp, 0};
#else
  return {static_cast<uintptr_t>(m.pc), static_cast<uintptr_t>(m.sp), static_cast<uintptr_t>(m.regs[30])};
#endif
}

/// A call of what is no code: the caller is where the return address says.
bool is_wild_call(const Registers &r, const siginfo_t *info) {
  return r.pc == reinterpret_cast<uintptr_t>(info->si_addr);
}

bool is_trusted(int signo, const siginfo_t *info, const void *context) {
  bool is_sent = signo == SIGABRT ? info->si_code != SI_TKILL || info->si_pid != getpid() : info->si_code <= 0;
  if (is_sent) return false;
  Registers r = registers_of(context);
  uintptr_t at = reinterpret_cast<uintptr_t>(info->si_addr);
  uintptr_t low = address(thread_stack().low);
  latest = {signo, signo == SIGABRT ? nullptr : info->si_addr, false, false};
  latest.is_stack_overflow = signo == SIGSEGV && low && at + kGuard >= low && at < low + kGuard;
  if (mcode_has(reinterpret_cast<const void *>(r.pc))) return latest.is_compiled = true;
  if (signo == SIGSEGV && is_wild_call(r, info)) {
#if defined(__x86_64__)
    r.return_address = *reinterpret_cast<const uintptr_t *>(r.sp);
#endif
    latest.is_compiled = mcode_has(reinterpret_cast<const void *>(r.return_address));
    return latest.is_compiled || is_lua(r.return_address);
  }
  Walk w{};
  w.fault_pc = r.pc;
  w.signo = signo;
  _Unwind_Backtrace(see_frame, &w);
  return w.is_trusted;
}

// --- the handler -----------------------------------------------------------------------------------------------------

/// Ends the process as it would have ended without us.
void pass_on(int signo, siginfo_t *info, void *context) {
  size_t i = 0;
  while (kSignals[i] != signo) ++i;
  const struct sigaction &old = before[i];
  if ((old.sa_flags & SA_SIGINFO) && old.sa_sigaction) return old.sa_sigaction(signo, info, context);
  if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) return old.sa_handler(signo);
  struct sigaction fatal {};
  fatal.sa_handler = SIG_DFL;
  sigaction(signo, &fatal, nullptr);  // the instruction is executed again; a signal that was sent is not
  if (info->si_code <= 0) raise(signo);
}

/// The process ends, once it has been told where Lua was.
void give_up(int signo, siginfo_t *info, void *context) {
  void (*tell)() = std::exchange(dying, nullptr);
  if (tell) tell();
  pass_on(signo, info, context);
}

bool is_guarded() {
  pid_t tid = static_cast<pid_t>(syscall(SYS_gettid));
  for (const auto &t : guarded)
    if (t.load(std::memory_order_relaxed) == tid) return true;
  return false;
}

/// False when there are too many already.
bool guard_thread() {
  pid_t tid = static_cast<pid_t>(syscall(SYS_gettid));
  for (auto &t : guarded) {
    pid_t none = 0;
    if (t.compare_exchange_strong(none, tid, std::memory_order_relaxed)) return true;
  }
  return false;
}

void unguard_thread() {
  pid_t tid = static_cast<pid_t>(syscall(SYS_gettid));
  for (auto &t : guarded) {
    pid_t mine = tid;
    t.compare_exchange_strong(mine, 0, std::memory_order_relaxed);
  }
}

void on_fault(int signo, siginfo_t *info, void *context) {
  if (!is_guarded()) return pass_on(signo, info, context);
  FaultPoint *point = point_here;
  if (!point || point->is_left || resumes_within || is_judging) return give_up(signo, info, context);
  is_judging = true;
  bool is_contained = point->is_probe ? info->si_code > 0 : is_trusted(signo, info, context);
  is_judging = false;
  if (!is_contained) return give_up(signo, info, context);
  __builtin_longjmp(point->buf, 1);
}

void set_handlers() {
  if (!MW_CONTAINS_FAULTS) return;
  find_map();
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // the handler may not return
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, &before[i]);
  }
}

}  // namespace

bool fault_open(void (*on_dying)()) {
  if (!MW_CONTAINS_FAULTS || !thread_stack().low) return false;
  dying = on_dying;
  static std::once_flag once;
  std::call_once(once, set_handlers);
  if (alt_stack) return true;
  void *p = mmap(nullptr, kAltStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return false;
  stack_t stack{};
  stack.ss_sp = p;
  stack.ss_size = kAltStack;
  if (sigaltstack(&stack, nullptr) != 0) {
    munmap(p, kAltStack);
    return false;
  }
  alt_stack = p;
  if (guard_thread()) return true;
  fault_close();
  return false;
}

void fault_close() {
  dying = nullptr;
  unguard_thread();
  if (!alt_stack) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
  munmap(alt_stack, kAltStack);
  alt_stack = nullptr;
}

const Fault &fault_latest() { return latest; }

__attribute__((noinline)) int fault_resume(lua_State *co, int nargs) {
  FaultPoint *outer = point_here;
  if (outer && !outer->is_left) {
    ++resumes_within;
    int status = lua_resume(co, nargs);
    --resumes_within;
    return status;
  }
  FaultPoint point;
  point.is_probe = point.is_left = false;
  if (__builtin_setjmp(point.buf) != 0) {
    point_here = outer;
    return kLuaFault;
  }
  point_here = &point;
  int status = lua_resume(co, nargs);
  point_here = outer;
  return status;
}

void fault_leave() {
  if (point_here && !resumes_within) point_here->is_left = true;
}

void fault_return(bool is_lost) {
  FaultPoint *point = point_here;
  if (!point || !point->is_left) return;
  point->is_left = false;
  if (is_lost) __builtin_longjmp(point->buf, 1);
}

__attribute__((noinline)) bool fault_probe(void (*probe)(void *), void *arg) {
  FaultPoint *outer = point_here;
  if (outer && !outer->is_left) return false;
  FaultPoint point;
  point.is_probe = true;
  point.is_left = false;
  if (__builtin_setjmp(point.buf) != 0) {
    point_here = outer;
    return false;
  }
  point_here = &point;
  probe(arg);
  point_here = outer;
  return true;
}

}  // namespace mw
