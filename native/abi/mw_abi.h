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
  MW_NO_REQUEST = -100, /* "no request found" */
  MW_BAD_PHASE = -101,  /* "API disabled in the current context" */
  MW_NO_MEMORY = -102,  /* "no memory" */
  MW_NOT_FOUND = -103,
  MW_TOO_SMALL = -104, /* the caller's buffer is too small; the needed size is in the output */
  MW_TIMEOUT = -105,   /* "timeout" */
  MW_CLOSED = -106,    /* "closed" */
  MW_BAD_ARG = -107,
  MW_EXISTS = -108,
  MW_BUSY = -109,
  MW_ABORTED = -110,
  MW_HEADER_SENT = -111,
  MW_HEADER_ONLY = -112 /* "header only" */
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
  uint32_t phase;    /* enum mw_phase of the code it runs */
  int64_t ticket;    /* unique per light thread, never reused */
  int32_t *ctx_slot; /* where the slot of its ngx.ctx is kept: the request's, or its own run's */
} mw_thread_t;

/* The part of a request that Lua reads directly. */
typedef struct {
  int32_t status;      /* response status; 0 = not set yet */
  int32_t ctx_ref;     /* slot of ngx.ctx, 0 = none */
  int32_t arg_ref;     /* body_filter: chunk held on the Lua side, 0 = none */
  uint8_t header_sent; /* the header has gone through the header filters */
  uint8_t is_internal;
  uint8_t is_subrequest;
  uint8_t body_read; /* the request body is complete in memory or file */
  uint8_t eof;       /* the response is complete */
  uint8_t http_minor;
  uint8_t http_major;
  uint8_t has_raw_socket; /* ngx.req.socket(true): the connection is the handler's */
} mw_req_t;

/* The worker whose thread runs this VM. The scheduler sets req, thread and phase before each resume. */
typedef struct {
  mw_req_t *req;       /* null outside a request */
  mw_thread_t *thread; /* the running light thread; null while boot code runs */
  uint32_t phase;      /* enum mw_phase */
  int32_t worker_id;   /* -1: the privileged agent */
  int64_t now_ms;      /* cached wall clock, ms since the epoch */
  int64_t mono_ms;     /* cached monotonic clock, ms */
  char *buf;           /* scratch of buf_size bytes, free for any call to fill and Lua to read at once */
  size_t buf_size;
  int32_t worker_count;
  int32_t pid;         /* of the worker: ngx.worker.pid() */
  int32_t process_pid; /* of its process */
  uint8_t exiting;
  uint8_t is_strict_phases;
} mw_worker_t;

/* ---- status: native/abi/status.cpp ---- */
enum mw_status_size { MW_STATUS_CLASSES = 6, MW_STATUS_BUCKETS = 15, MW_STATUS_PHASES = 3 };
/* Where a request's time goes: before its content handler; from there until it is answered; its log handlers. */
enum mw_status_phase { MW_STATUS_PHASE_ACCESS = 0, MW_STATUS_PHASE_CONTENT = 1, MW_STATUS_PHASE_LOG = 2 };

/* What a worker has counted since its start. It alone writes and reads this. */
typedef struct {
  uint64_t requests[6]; /* answered, by the first digit of the status; 0: they got no answer */
  uint64_t buckets[15]; /* of the time until a request was answered, each without those before it */
  uint64_t ticks;       /* of all of them together */
  uint64_t phase_ticks[3];
  uint64_t accepted;
  uint64_t lua_errors;
  uint64_t upstream_failures;
  uint64_t socket_connects, socket_failures, socket_reuses; /* cosockets: new connections, failed ones, pooled ones */
} mw_metrics_t;

/* How a worker is now. */
typedef struct {
  int32_t worker, generation;
  uint64_t active, reading, writing, waiting;
  uint64_t sockets_open, sockets_idle, sockets_queued, pools;
} mw_status_worker_t;

typedef struct {
  mw_str name; /* valid until something waits */
  uint32_t connections, idle, queued;
} mw_status_pool_t;

const mw_metrics_t *mw_status_metrics(void);
double mw_status_tick_rate(void); /* ticks per second */
double mw_status_bound(int32_t bucket);
void mw_status_worker(mw_status_worker_t *out);
int32_t mw_status_pools(mw_status_pool_t *out, int32_t max); /* how many were written */

/* Asks every worker for the text that moonwire.status makes of itself. */
typedef struct mw_inquiry mw_inquiry_t;
mw_inquiry_t *mw_status_ask(void);
int32_t mw_status_missing(const mw_inquiry_t *status);
int32_t mw_status_collect(mw_inquiry_t *status); /* the number of answers so far */
mw_str mw_status_text(const mw_inquiry_t *status, int32_t i);
const mw_metrics_t *mw_status_retired(const mw_inquiry_t *status); /* of the workers that have ended */
void mw_status_free(mw_inquiry_t *status);

/* ---- escape: native/abi/escape.cpp ---- */
/* Writers take a buffer and its size and return the size that the result needs: when that is larger than the buffer,
   nothing useful was written and the caller comes back with a larger one. MW_DONE: the result is the input itself.
   MW_NO_MEMORY: the result would not fit a Lua string. */
int32_t mw_escape_uri(const char *src, size_t len, int type, char *dst, size_t dst_size);
int32_t mw_escape_unescape_uri(const char *src, size_t len, char *dst); /* dst: len bytes */
int32_t mw_escape_sql(const char *src, size_t len, char *dst, size_t dst_size);
int32_t mw_escape_base64(const char *src, size_t len, int url, int pad, char *dst); /* dst: (len + 2) / 3 * 4 bytes */
int32_t mw_escape_unbase64(const char *src, size_t len, int url, char *dst); /* dst: (len + 3) / 4 * 3; or MW_ERROR */
int32_t mw_escape_unbase64_mime(const char *src, size_t len, char *dst);

/* One argument of a query string, unescaped; the texts lie in the buffer given to mw_escape_parse_args. */
typedef struct {
  const char *key;
  const char *value; /* null: there was no "=", Lua's true */
  int32_t key_size;  /* 0: an empty key, to be left out; it still counts */
  int32_t value_size;
} mw_arg;

/* Splits a query string; text has room for len bytes, args for count. Stops after count arguments and sets *rest to the
   offset where it stopped (len when all was read). Returns the number of arguments. */
int32_t mw_escape_parse_args(const char *src, size_t len, char *text, mw_arg *args, int32_t count, size_t *rest);

/* ---- set_misc: native/abi/set_misc.cpp ---- */
int32_t mw_set_misc_find(const char *name, size_t len); /* of a directive; negative: none */
size_t mw_set_misc_bound(int32_t call, size_t len);     /* bytes that mw_set_misc_run may write */
/* Bytes written, by the settings of the location of r, which may be null; negative: the text is none that the directive takes. */
int64_t mw_set_misc_run(mw_req_t *r, int32_t call, const char *src, size_t len, char *dst);

/* ---- crypto: native/abi/crypto.cpp ---- */
void mw_crypto_md5(const char *src, size_t len, char *dst);                                        /* 16 bytes */
void mw_crypto_md5_hex(const char *src, size_t len, char *dst);                                    /* 32 bytes */
void mw_crypto_sha1(const char *src, size_t len, char *dst);                                       /* 20 bytes */
void mw_crypto_hmac_sha1(const char *key, size_t key_len, const char *src, size_t len, char *dst); /* 20 bytes */
uint32_t mw_crypto_crc32(const char *src, size_t len);

/* ---- time: native/abi/time.cpp ---- */
/* Reads the clocks into the calling worker's now_ms and mono_ms. */
void mw_time_update(void);
/* Each writes into dst and returns the length: 19, 29, at most 31 bytes. */
int32_t mw_time_format_date(int64_t sec, int local, char *dst);
int32_t mw_time_format_http(int64_t sec, char *dst);
int32_t mw_time_format_cookie(int64_t sec, char *dst);
/* The seconds of an HTTP date, or -1. */
int64_t mw_time_parse_http(const char *src, size_t len);

/* ---- regex: native/abi/regex.cpp ---- */
enum mw_regex_flag {
  MW_REGEX_CASELESS = 0x001,
  MW_REGEX_MULTILINE = 0x002,
  MW_REGEX_DOTALL = 0x004,
  MW_REGEX_EXTENDED = 0x008,
  MW_REGEX_ANCHORED = 0x010,
  MW_REGEX_UTF = 0x020,
  MW_REGEX_NO_UTF_CHECK = 0x040,
  MW_REGEX_DUPNAMES = 0x080,
  MW_REGEX_JAVASCRIPT = 0x100,
  MW_REGEX_DFA = 0x200,
  MW_REGEX_JIT = 0x400,
  MW_REGEX_NOMATCH = -1
};

typedef struct {
  int32_t *captures; /* byte offsets (from, to) of the last match of this regex; -1 = unset */
  int32_t ncaptures; /* groups, the whole match not counted; 0 in DFA mode */
  int32_t name_count;
  void *impl;
} mw_regex_t;

typedef struct mw_regex_template mw_regex_template_t;

/* An owned regex, or null with a NUL-terminated message in err. */
mw_regex_t *mw_regex_compile(const char *pattern, size_t len, uint32_t flags, char *err, size_t err_size);
void mw_regex_free(mw_regex_t *re);
/* Number and text of the i-th named group. */
int32_t mw_regex_name(const mw_regex_t *re, int32_t i, mw_str *name);
/* Matches from byte start: > 0 the highest group set plus one, MW_REGEX_NOMATCH, or a negative PCRE2 error. */
int32_t mw_regex_exec(mw_regex_t *re, const char *subject, size_t len, int32_t start);
/* Bytes from an empty match at pos to the next place to try: 1, or a whole character in UTF mode. */
int32_t mw_regex_step(const mw_regex_t *re, const char *subject, size_t len, int32_t pos);
/* An owned replacement template ($0 $1 ${1} $$), or null with a message in err. */
mw_regex_template_t *mw_regex_template_compile(const char *text, size_t len, char *err, size_t err_size);
void mw_regex_template_free(mw_regex_template_t *t);
/* Replaces the first match, or all. Returns the number of matches (*out is set when > 0, and valid until this thread's
   next mw_regex_sub), MW_NO_MEMORY, or a negative PCRE2 error. */
int32_t mw_regex_sub(mw_regex_t *re, const mw_regex_template_t *t, const char *subject, size_t len, int global,
                     mw_str *out);
/* lua_regex_match_limit (0 = PCRE2's own) and ngx.re.opt("jit_stack_size"), for the calling worker. */
void mw_regex_set_match_limit(uint32_t limit);
int32_t mw_regex_set_jit_stack(int64_t size);

/* ---- sock: native/abi/sock.cpp, sock_read.cpp, sock_write.cpp, sock_pool.cpp, sock_req.cpp ---- */
enum mw_sock_read { MW_SOCK_LINE = 1, MW_SOCK_ALL = 2, MW_SOCK_SIZE = 3, MW_SOCK_ANY = 4, MW_SOCK_UNTIL = 5 };

/* A TCP or unix cosocket. A call that fails returns MW_ERROR with the reason in err, or in read_err for the two that read;
   what has been read when it failed is in data as well. */
typedef struct {
  const char *err; /* NUL-terminated */
  const char *read_err;
  const char *data; /* what the last read call got; good until the next call on this socket */
  size_t size;
  uint32_t reused;    /* uses of the connection before this one */
  int32_t generation; /* not 0: it ends with its request, and is another's socket when this has changed */
  int32_t is_owed; /* a read that was waited for has ended; the reader, when it runs, sets this to 0 and copies data */
} mw_sock_t;

/* The first few of a request end with it; the others want mw_sock_free() when nothing refers to them. */
mw_sock_t *mw_sock_new(void);
/* The client's connection: the request body, to be read, or raw. Null with the reason, NUL-terminated, in *err. */
mw_sock_t *mw_sock_of_request(mw_req_t *r, int32_t raw, const char **err);
void mw_sock_free(mw_sock_t *s);
/* Milliseconds; negative leaves one as it is, 0 takes the configuration's. */
void mw_sock_set_timeouts(mw_sock_t *s, int64_t connect, int64_t send, int64_t read);
/* host: an address, a name, or "unix:/path". pool: its name, empty for the address; pool_size, backlog: -1 = not given. */
int32_t mw_sock_connect(mw_sock_t *s, const char *host, size_t host_len, int32_t port, const char *pool,
                        size_t pool_len, int32_t pool_size, int32_t backlog);
int32_t mw_sock_bind(mw_sock_t *s, const char *address, size_t len, int32_t port);
int32_t mw_sock_send(mw_sock_t *s, const char *data, size_t len);
/* kind: enum mw_sock_read but UNTIL; n: bytes, for SIZE and ANY. MW_BUSY: another light thread reads, and has yet to copy it. */
int32_t mw_sock_receive(mw_sock_t *s, int32_t kind, int64_t n);
/* Up to `pattern`, which it takes out of the stream; n > 0: at most n bytes of what is before it. *found: the pattern was
   met. pattern and found must live until the call is through. */
int32_t mw_sock_receive_until(mw_sock_t *s, const char *pattern, size_t len, int32_t inclusive, int64_t n,
                              int32_t *found);
/* timeout in ms, -1 = the configuration's; size likewise. */
int32_t mw_sock_keepalive(mw_sock_t *s, int64_t timeout, int32_t size);
int32_t mw_sock_close(mw_sock_t *s);
/* From now on, before it is connected: it belongs to no request or run, and its failures are not logged. */
void mw_sock_share(mw_sock_t *s);
/* Closes it whatever is under way; that ends with "closed". */
void mw_sock_abort(mw_sock_t *s);
int32_t mw_sock_shutdown(mw_sock_t *s);
/* keepalive, reuseaddr, tcp-nodelay, sndbuf, rcvbuf, by index. */
int32_t mw_sock_set_option(mw_sock_t *s, int32_t option, int32_t value);
int32_t mw_sock_get_option(mw_sock_t *s, int32_t option, int32_t *value);
/* The descriptor, or -1. */
int32_t mw_sock_fd(mw_sock_t *s);

/* ---- udp: native/abi/udp.cpp ---- */
/* A UDP or unix datagram cosocket. A call that fails returns MW_ERROR with the reason in err. */
typedef struct {
  const char *err;  /* NUL-terminated */
  const char *data; /* the datagram that was received; good until the next receive of any socket */
  size_t size;
} mw_udp_t;

mw_udp_t *mw_udp_new(void);
void mw_udp_free(mw_udp_t *u);
/* Milliseconds of receives; 0 takes the configuration's. */
void mw_udp_set_timeout(mw_udp_t *u, int64_t ms);
/* host: an address, a name, or, where port is -1, "unix:/path". */
int32_t mw_udp_set_peer(mw_udp_t *u, const char *host, size_t len, int32_t port);
int32_t mw_udp_bind(mw_udp_t *u, const char *address, size_t len);
int32_t mw_udp_send(mw_udp_t *u, const char *data, size_t len);
/* One datagram, of which `size` bytes are kept. After MW_AGAIN and an await() that answers MW_OK, ask receive_woken for it; that
   may have to wait again. */
int32_t mw_udp_receive(mw_udp_t *u, size_t size);
int32_t mw_udp_receive_woken(mw_udp_t *u);
int32_t mw_udp_close(mw_udp_t *u);
/* As mw_sock_share and mw_sock_abort. */
void mw_udp_share(mw_udp_t *u);
void mw_udp_abort(mw_udp_t *u);

/* ---- shdict: native/abi/shdict.cpp ---- */
enum mw_shdict_status {
  MW_SHDICT_NOT_NUMBER = -200, /* "not a number" */
  MW_SHDICT_NOT_LIST = -201,   /* "value not a list" */
  MW_SHDICT_IS_LIST = -202     /* "value is a list" */
};
enum mw_shdict_type { MW_SHDICT_NIL = 0, MW_SHDICT_BOOLEAN = 1, MW_SHDICT_NUMBER = 3, MW_SHDICT_STRING = 4 };
enum mw_shdict_op { MW_SHDICT_SET = 0, MW_SHDICT_ADD = 1, MW_SHDICT_REPLACE = 2, MW_SHDICT_SAFE = 4 };

typedef struct mw_shdict mw_shdict_t; /* a shared dictionary; belongs to the server */

/* What a call leaves behind; one such struct per VM is reused. num: a number, a boolean as 0 or 1, a length, milliseconds. */
typedef struct {
  double num;
  uint32_t size; /* a string's length, also when the buffer was MW_TOO_SMALL */
  uint32_t flags;
  uint8_t type; /* enum mw_shdict_type */
  uint8_t stale;
  uint8_t forcible;
  uint8_t pad;
} mw_shdict_value_t;

/* Times to live are in milliseconds, fractions cut off; 0 = for ever. Strings are written to buf, at most cap bytes. */
int32_t mw_shdict_get(mw_shdict_t *dict, const char *key, size_t key_len, int32_t stale, char *buf, size_t cap,
                      mw_shdict_value_t *out);
int32_t mw_shdict_store(mw_shdict_t *dict, int32_t op, const char *key, size_t key_len, int32_t type, const char *str,
                        size_t str_len, double num, double ttl_ms, uint32_t flags, mw_shdict_value_t *out);
int32_t mw_shdict_incr(mw_shdict_t *dict, const char *key, size_t key_len, double step, int32_t has_init, double init,
                       double init_ttl_ms, mw_shdict_value_t *out);
int32_t mw_shdict_push(mw_shdict_t *dict, int32_t right, const char *key, size_t key_len, int32_t type, const char *str,
                       size_t str_len, double num, mw_shdict_value_t *out);
int32_t mw_shdict_pop(mw_shdict_t *dict, int32_t right, const char *key, size_t key_len, char *buf, size_t cap,
                      mw_shdict_value_t *out);
int32_t mw_shdict_len(mw_shdict_t *dict, const char *key, size_t key_len, mw_shdict_value_t *out);
int32_t mw_shdict_ttl(mw_shdict_t *dict, const char *key, size_t key_len, mw_shdict_value_t *out);
int32_t mw_shdict_expire(mw_shdict_t *dict, const char *key, size_t key_len, double ttl_ms);
int32_t mw_shdict_flush_all(mw_shdict_t *dict);
/* Returns how many were freed. */
int64_t mw_shdict_flush_expired(mw_shdict_t *dict, int64_t max);
/* Writes keys as uint32_t length + bytes; returns the bytes that all of them need, out->num the keys written. */
int64_t mw_shdict_keys(mw_shdict_t *dict, int64_t max, char *buf, size_t cap, mw_shdict_value_t *out);
int64_t mw_shdict_capacity(mw_shdict_t *dict);
int64_t mw_shdict_free_space(mw_shdict_t *dict);
int64_t mw_shdict_entries(mw_shdict_t *dict); /* expired ones that are still stored included */

/* ---- log: native/abi/log.cpp ---- */
/* The most talkative level that is written: 0 stderr ... 8 debug. */
int32_t mw_log_level(void);
void mw_log_write(int32_t level, const char *text, size_t size);

/* ---- thread: native/abi/thread.cpp (spawn, wait, kill and timers move Lua values: script/thread_lib.cpp, timer_lib.cpp) ---- */
/* Parks the running light thread; 0 seconds lets everything else that is ready run first. */
int32_t mw_thread_sleep(double seconds);
void mw_thread_log_slept(void); /* the debug line of a sleep of 0 ms, for which there is no timer */
int32_t mw_thread_yield(void);
int32_t mw_thread_is_deep(void); /* whether so much of the C stack is used that no coroutine should be made */
/* The handler of the running light thread ends with `rc` at the await that follows. MW_BUSY: another light thread of it waits
   for subrequests, it cannot end. */
int32_t mw_thread_exit(int32_t rc);

typedef struct mw_semaphore mw_semaphore_t; /* owned by Lua: freed by its finalizer */
mw_semaphore_t *mw_semaphore_new(int32_t n);
void mw_semaphore_free(mw_semaphore_t *s);
int32_t mw_semaphore_post(mw_semaphore_t *s, int32_t n);
/* MW_OK at once, MW_TIMEOUT, or MW_AGAIN: parked. */
int32_t mw_semaphore_wait(mw_semaphore_t *s, double seconds);
/* Resources, or minus the number of waiting light threads. */
int32_t mw_semaphore_count(mw_semaphore_t *s);

/* ---- req: native/abi/req.cpp ---- */
void mw_req_method(mw_req_t *r, mw_str *out);
uint32_t mw_req_method_id(mw_req_t *r);
int32_t mw_req_set_method(mw_req_t *r, uint32_t id);
/* The head as received; with no_line the request line is left out. */
void mw_req_raw_header(mw_req_t *r, int32_t no_line, mw_str *out);
double mw_req_start_time(mw_req_t *r);
/* Fills pairs (name, value) up to `max` pairs; returns how many headers there are. Names in lower case unless raw. */
int32_t mw_req_headers(mw_req_t *r, mw_str *pairs, int32_t max, int32_t raw);
/* Sets (append = 0: replacing all of that name) or adds a request header. */
int32_t mw_req_set_header(mw_req_t *r, const char *name, size_t name_len, const char *value, size_t value_len,
                          int32_t append);
void mw_req_clear_header(mw_req_t *r, const char *name, size_t name_len);
void mw_req_args(mw_req_t *r, mw_str *out);
void mw_req_set_args(mw_req_t *r, const char *args, size_t len);
/* With jump, locations are searched anew after the handler, which ends (await does not return). */
int32_t mw_req_set_uri(mw_req_t *r, const char *uri, size_t len, int32_t jump);
/* MW_OK: the body is there; MW_AGAIN: parked, await() answers MW_OK, MW_CLOSED or a status >= 400, which ends the handler. */
int32_t mw_req_read_body(mw_req_t *r);
/* MW_OK, or MW_BUSY: it goes to an upstream as it comes. */
int32_t mw_req_discard_body(mw_req_t *r);
int32_t mw_req_body_data(mw_req_t *r, mw_str *out);
int32_t mw_req_body_file(mw_req_t *r, mw_str *out);
void mw_req_set_body_data(mw_req_t *r, const char *data, size_t len);
/* ngx.req.finish_body: like set_body_data, but more than `room` bytes (-1: client_body_buffer_size) go to a file. */
int32_t mw_req_finish_body(mw_req_t *r, const char *data, size_t len, int32_t room);
int32_t mw_req_set_body_file(mw_req_t *r, const char *path, size_t len, int32_t remove_after);
/* ngx.exec: goes to `uri` (or "@name") when the handler ends (await does not return). */
int32_t mw_req_exec(mw_req_t *r, const char *uri, size_t len, const char *args, size_t args_len);
/* The server prefix and others of ngx.config. */
void mw_config_prefix(mw_str *out);

/* ---- resp: native/abi/resp.cpp ---- */
int32_t mw_resp_status(mw_req_t *r);
int32_t mw_resp_set_status(mw_req_t *r, int32_t status);
/* The text behind the status that was set last: "531 REASON". */
int32_t mw_resp_set_reason(mw_req_t *r, const char *reason, size_t len);
/* Conditional request headers (If-*) do not count for this response. */
void mw_resp_bypass_conditions(mw_req_t *r);
/* Adds output, with a newline when `newline`. MW_OK, MW_AGAIN (parked), MW_DONE (after eof), MW_CLOSED (client gone). */
int32_t mw_resp_print(mw_req_t *r, const char *data, size_t len, int32_t newline);
/* Sends what there is; with `wait` parks until the socket took it. */
int32_t mw_resp_flush(mw_req_t *r, int32_t wait);
int32_t mw_resp_eof(mw_req_t *r);
int32_t mw_resp_send_headers(mw_req_t *r);
int32_t mw_resp_set_header(mw_req_t *r, const char *name, size_t name_len, const char *value, size_t value_len,
                           int32_t append);
int32_t mw_resp_clear_header(mw_req_t *r, const char *name, size_t name_len);
/* The i-th value of a header: MW_OK or MW_NOT_FOUND. */
int32_t mw_resp_header(mw_req_t *r, const char *name, size_t name_len, int32_t i, mw_str *out);
/* Fills pairs as mw_req_headers. */
int32_t mw_resp_headers(mw_req_t *r, mw_str *pairs, int32_t max, int32_t raw);
void mw_resp_redirect(mw_req_t *r, const char *uri, size_t len, int32_t status);
/* ngx.arg of a body filter. */
void mw_resp_chunk(mw_req_t *r, mw_str *out);
int32_t mw_resp_chunk_eof(mw_req_t *r);
void mw_resp_set_chunk(mw_req_t *r, const char *data, size_t len);
void mw_resp_set_chunk_eof(mw_req_t *r, int32_t eof);
/* ngx.arg of set_by_lua: argument i from 1. MW_NOT_FOUND past the last. */
int32_t mw_resp_set_arg(mw_req_t *r, int32_t i, mw_str *out);

/* ---- var: native/abi/var.cpp ---- */
/* A number for a variable's name, for this worker, or -1 when there is no such variable. */
int32_t mw_var_id(const char *name, size_t len);
int32_t mw_var_get(mw_req_t *r, int32_t id, mw_str *out);
/* $1 ... of the last regex of the router. */
int32_t mw_var_capture(mw_req_t *r, int32_t n, mw_str *out);
/* MW_OK, or MW_BAD_ARG when the variable cannot be changed. */
int32_t mw_var_set(mw_req_t *r, int32_t id, const char *value, size_t len);

/* ---- capture: native/abi/capture.cpp (starting and collecting are C functions: script/capture.cpp) ---- */
typedef struct mw_capture mw_capture_t; /* subrequests that one light thread waits for; lives as long as the request */
mw_capture_t *mw_capture_new(mw_req_t *r);
/* Makes it the one that is started next: options with metamethods may have made others meanwhile. */
void mw_capture_select(mw_capture_t *c);
/* A subrequest to `uri` ("path?args"), not started. MW_NOT_FOUND: the uri is unsafe; MW_BAD_ARG: no such method; MW_ERROR:
   nested too deep. */
int32_t mw_capture_add(mw_capture_t *c, const char *uri, size_t len, const char *args, size_t args_len, uint32_t method,
                       mw_req_t **out);
/* Its body: data, or with `forward` the parent's, or none. Called once for each. */
void mw_capture_set_body(mw_req_t *sub, const char *data, size_t len, int32_t forward);
/* It shares the user variables of the parent, or gets a copy. */
void mw_capture_set_vars(mw_req_t *sub, int32_t is_shared);

/* ---- balancer: native/abi/balancer.cpp; all answer MW_BAD_PHASE outside balancer_by_lua* ---- */
/* The server of this attempt, a literal address; port 0 is the one in it, or 80. MW_BAD_ARG: it is none. */
int32_t mw_balancer_set_peer(mw_req_t *r, const char *address, size_t len, int32_t port);
/* Allows more attempts; how many: fewer than asked for where proxy_next_upstream_tries says so. */
int32_t mw_balancer_more_tries(mw_req_t *r, int32_t count);
/* How the attempt before ended: 0 there was none, 2 another server was wanted, 4 it failed; and its status. */
int32_t mw_balancer_last_failure(mw_req_t *r, int32_t *status);
/* Milliseconds; 0 leaves a timeout as it is. */
int32_t mw_balancer_set_timeouts(mw_req_t *r, double connect, double send, double read);
/* Keeps the connection of this attempt for others. MW_NOT_FOUND: set_peer was not called. */
int32_t mw_balancer_keep(mw_req_t *r, double idle_ms, int32_t requests);
/* Builds the request anew, for what changed since the attempt before. */
int32_t mw_balancer_new_request(mw_req_t *r);
int32_t mw_balancer_bind(mw_req_t *r, const char *address, size_t len);

/* ---- upstream groups: native/abi/upstream.cpp; there are none in init ---- */
typedef struct {
  const char *name; /* the address, "127.0.0.1:80"; as is `server`, as written, it is the plan's */
  size_t name_len;
  const char *server;
  size_t server_len;
  int64_t current_weight, effective_weight;
  uint64_t fail_timeout, accessed, checked; /* seconds */
  uint32_t weight, max_fails, fails, conns;
  uint32_t server_index; /* addresses of one server have one */
  int32_t is_backup, is_down, is_down_as_written;
} mw_peer_t;
/* How many groups there are; those of a constant address included. */
uint32_t mw_upstream_count(void);
/* The name of an upstream block. MW_NOT_FOUND: the group is a constant address's. */
int32_t mw_upstream_name(uint32_t group, const char **name, size_t *len);
/* The index of the block of that name, or MW_NOT_FOUND. */
int32_t mw_upstream_find(const char *name, size_t len);
/* A server's address: those in turn, then the backups. MW_NOT_FOUND: there are fewer. */
int32_t mw_upstream_peer(uint32_t group, uint32_t index, mw_peer_t *out);
int32_t mw_upstream_set_down(uint32_t group, uint32_t index, int32_t is_down);
/* The group that the request goes to, or went to; MW_NOT_FOUND: none. */
int32_t mw_upstream_of(mw_req_t *r);

/* ---- process: native/abi/process.cpp ---- */

/* Flushes C streams and ends the process without exit handlers; does not return. */
void mw_process_exit(int32_t status);
/* In init: the worker's generation gets a privileged agent. */
void mw_enable_privileged_agent(void);
