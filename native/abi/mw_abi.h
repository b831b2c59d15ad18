/* SPDX-License-Identifier: MIT */
/* Every function, struct and constant that the Lua half reaches through FFI, declared once: C++ includes this inside
   extern "C", and the same bytes go to the single ffi.cdef. No preprocessor here. Contract: mw_FAMILY_VERB, handle first,
   outputs last, a status returned (>= 0 done, negative from mw_status); Lua strings are borrowed until return; no function
   touches a lua_State or calls back. One that must wait parks W.thread and returns MW_AGAIN; then Lua calls abi.await(). */

/* ---- core: owner native/worker, native/script ---- */
enum mw_status {
  MW_OK = 0,
  MW_ERROR = -1,
  MW_AGAIN = -2,
  MW_DONE = -4,
  MW_DECLINED = -5,
  MW_NO_REQUEST = -100,   /* "no request found" */
  MW_BAD_PHASE = -101,    /* "API disabled in the current context" */
  MW_NO_MEMORY = -102,    /* "no memory" */
  MW_NOT_FOUND = -103,
  MW_TOO_SMALL = -104,    /* the caller's buffer is too small; the needed size is in the output */
  MW_TIMEOUT = -105,      /* "timeout" */
  MW_CLOSED = -106,       /* "closed" */
  MW_BAD_ARG = -107,
  MW_EXISTS = -108,
  MW_BUSY = -109,
  MW_ABORTED = -110,
  MW_HEADER_SENT = -111
};

/* Phases as bits, so that a set of phases is a mask. */
enum mw_phase {
  MW_PHASE_INIT = 0x0001,
  MW_PHASE_INIT_WORKER = 0x0002,
  MW_PHASE_SET = 0x0004,
  MW_PHASE_SERVER_REWRITE = 0x0008,
  MW_PHASE_REWRITE = 0x0010,
  MW_PHASE_ACCESS = 0x0020,
  MW_PHASE_PRECONTENT = 0x0040,
  MW_PHASE_CONTENT = 0x0080,
  MW_PHASE_HEADER_FILTER = 0x0100,
  MW_PHASE_BODY_FILTER = 0x0200,
  MW_PHASE_LOG = 0x0400,
  MW_PHASE_TIMER = 0x0800,
  MW_PHASE_EXIT_WORKER = 0x1000,
  MW_PHASE_BALANCER = 0x2000
};

typedef struct {
  const char *data;
  size_t size;
} mw_str;

/* A light thread. result: status of the operation it waited for, set before it is resumed. */
typedef struct {
  int32_t result;
  uint32_t phase;   /* enum mw_phase of the code it runs */
  int64_t ticket;   /* unique per light thread, never reused */
} mw_thread_t;

/* The part of a request that Lua reads directly. */
typedef struct {
  int32_t status;        /* response status; 0 = not set yet */
  int32_t ctx_ref;       /* slot of ngx.ctx, 0 = none */
  int32_t arg_ref;       /* body_filter: chunk held on the Lua side, 0 = none */
  uint8_t header_sent;   /* the header has gone through the header filters */
  uint8_t is_internal;
  uint8_t is_subrequest;
  uint8_t body_read;     /* the request body is complete in memory or file */
  uint8_t eof;           /* the response is complete */
  uint8_t http_minor;
  uint8_t http_major;
  uint8_t pad;
} mw_req_t;

/* The worker whose thread runs this VM. The scheduler sets req, thread and phase before each resume. */
typedef struct {
  mw_req_t *req;         /* null outside a request */
  mw_thread_t *thread;   /* the running light thread; null while boot code runs */
  uint32_t phase;        /* enum mw_phase */
  int32_t worker_id;
  int64_t now_ms;        /* cached wall clock, ms since the epoch */
  int64_t mono_ms;       /* cached monotonic clock, ms */
  char *buf;             /* scratch of buf_size bytes, free for any call to fill and Lua to read at once */
  size_t buf_size;
  int32_t worker_count;
  int32_t pid;
  uint8_t exiting;
  uint8_t is_strict_phases;
} mw_worker_t;

/* ---- escape: native/abi/escape.cpp ---- */

/* ---- crypto: native/abi/crypto.cpp ---- */

/* ---- time: native/abi/time.cpp ---- */

/* ---- regex: native/abi/regex.cpp ---- */

/* ---- shdict: native/abi/shdict.cpp ---- */

/* ---- log: native/abi/log.cpp ---- */

/* ---- thread: native/abi/thread.cpp (sleep, spawn, wait, kill, timers, semaphores) ---- */

/* ---- req: native/abi/req.cpp ---- */

/* ---- resp: native/abi/resp.cpp ---- */

/* ---- var: native/abi/var.cpp ---- */

/* ---- process: native/abi/process.cpp ---- */

/* Flushes C streams and ends the process without exit handlers; does not return. */
void mw_process_exit(int32_t status);
