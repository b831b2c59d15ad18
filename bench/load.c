// SPDX-License-Identifier: MIT
// The load generator: one thread, a fixed number of keep-alive connections, closed loop. Each connection writes PIPELINE
// copies of a request at once and writes again when all are answered. At the end it waits for what is on its way, so that
// every request a server worked for is counted. Prints one JSON line.
// Usage: load PORT CONNECTIONS PIPELINE SECONDS REQUEST_FILE     Build: cc -O2 -o load load.c (bench/run.mjs does it)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kBuffer = 65536, kMaxUs = 1000000, kDrainUs = 2000000 };

typedef struct {
  int fd;
  int pending;     // answers still to come of this batch
  uint64_t begun;  // when the batch was written
  size_t used;
  char buffer[kBuffer];
} Connection;

static char *batch;  // the request, PIPELINE times
static size_t batch_size;
static int pipeline, port, epoll, active;
static uint64_t answers, bad_status, errors, end_us;
static uint32_t histogram[kMaxUs + 1];  // answers by latency in microseconds

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

/// Writes the next batch; a batch is far smaller than a socket's buffer, so a short write counts as an error.
static void send_batch(Connection *c, uint64_t now) {
  c->begun = now;
  c->pending = pipeline;
  if (send(c->fd, batch, batch_size, MSG_NOSIGNAL) != (ssize_t)batch_size) errors++;
}

static void connect_one(Connection *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  c->used = 0;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev);
}

/// The size of a chunked body at p, its end included, or 0 while it is incomplete.
static size_t chunked_size(const char *p, const char *end) {
  const char *at = p;
  for (;;) {
    const char *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
    if (!eol) return 0;
    size_t size = strtoul(at, NULL, 16);
    if ((size_t)(end - eol) < size + 4) return 0;
    at = eol + 2 + size + 2;
    if (size == 0) return (size_t)(at - p);
  }
}

/// The size of the whole answer at p, or 0 while it is incomplete. Most heads equal the one before: compare, not parse.
static size_t answer_size(const char *p, size_t n) {
  static char last[4096];
  static size_t last_head, last_body;
  if (last_head && n >= last_head && !memcmp(p, last, last_head))
    return n < last_head + last_body ? 0 : last_head + last_body;
  const char *blank = memmem(p, n, "\r\n\r\n", 4);
  if (!blank) return 0;
  size_t head = (size_t)(blank + 4 - p), body = 0;
  int ok = n > 12 && p[9] == '2', chunked = 0;
  for (const char *line = p; line < blank;) {
    line = (const char *)memmem(line, (size_t)(blank + 2 - line), "\r\n", 2) + 2;
    if (!strncasecmp(line, "Content-Length:", 15)) body = strtoul(line + 15, NULL, 10);
    if (!strncasecmp(line, "Transfer-Encoding: chunked", 26)) chunked = 1;
  }
  if (chunked) {
    body = chunked_size(p + head, p + n);
    if (!body) return 0;
  } else if (ok && head <= sizeof last) {
    memcpy(last, p, head);
    last_head = head;
    last_body = body;
  }
  if (n < head + body) return 0;
  if (!ok) bad_status++;
  return head + body;
}

static void receive(Connection *c) {
  ssize_t got = recv(c->fd, c->buffer + c->used, kBuffer - 1 - c->used, 0);
  uint64_t now = now_us();
  if (got <= 0) {
    errors++;
    close(c->fd);
    if (now >= end_us) {
      active--;
      return;
    }
    connect_one(c);
    send_batch(c, now);
    return;
  }
  c->used += (size_t)got;
  c->buffer[c->used] = 0;
  size_t at = 0, size;
  while (c->pending && (size = answer_size(c->buffer + at, c->used - at))) {
    uint64_t took = now - c->begun;
    histogram[took < kMaxUs ? took : kMaxUs]++;
    answers++;
    c->pending--;
    at += size;
  }
  c->used -= at;
  if (c->used) memmove(c->buffer, c->buffer + at, c->used);
  if (c->used == kBuffer - 1) die("answer too large");
  if (c->pending) return;
  if (now < end_us)
    send_batch(c, now);
  else
    active--;
}

static unsigned percentile(double share) {
  uint64_t want = (uint64_t)(share * (double)answers), sum = 0;
  for (unsigned us = 0; us <= kMaxUs; us++)
    if ((sum += histogram[us]) > want) return us;
  return kMaxUs;
}

static void read_request(const char *path) {
  static char request[16384];
  FILE *f = fopen(path, "rb");
  if (!f) die(path);
  size_t size = fread(request, 1, sizeof request, f);
  fclose(f);
  batch_size = size * (size_t)pipeline;
  batch = malloc(batch_size);
  if (!batch) die("malloc");
  for (int i = 0; i < pipeline; i++) memcpy(batch + (size_t)i * size, request, size);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: load PORT CONNECTIONS PIPELINE SECONDS REQUEST_FILE\n");
    return 2;
  }
  port = atoi(argv[1]);
  int count = atoi(argv[2]);
  pipeline = atoi(argv[3]);
  read_request(argv[5]);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  Connection *all = calloc((size_t)count, sizeof *all);
  if (!all) die("calloc");
  for (int i = 0; i < count; i++) connect_one(&all[i]);
  uint64_t start = now_us(), now = start;
  end_us = start + (uint64_t)(atof(argv[4]) * 1e6);
  active = count;
  for (int i = 0; i < count; i++) send_batch(&all[i], now);
  while (active > 0 && now < end_us + kDrainUs) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, 100);
    for (int i = 0; i < n; i++) receive(events[i].data.ptr);
    now = now_us();
  }
  double seconds = (double)(now - start) / 1e6;
  printf("{\"requests\":%llu,\"rate\":%.1f,\"p50\":%u,\"p99\":%u,\"max\":%u,\"errors\":%llu,\"badStatus\":%llu}\n",
         (unsigned long long)answers, (double)answers / seconds, percentile(0.5), percentile(0.99),
         percentile(1 - 1e-9), (unsigned long long)(errors + (uint64_t)active), (unsigned long long)bad_status);
  return 0;
}
