// SPDX-License-Identifier: MIT
// The floor that the benchmarks compare with: one thread, edge-triggered epoll, one recv and one send per read batch, and
// a constant answer. It looks for the blank line that ends a request and nothing else, so it is no HTTP server.
// Usage: limit PORT BODY ["Header: value\r\n..."]       Build: cc -O2 -o limit limit.c (bench/run.mjs does it)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kMaxFds = 65536, kBatch = 64, kRead = 65536 };

static unsigned char seen[kMaxFds];  // per connection: how many bytes of "\r\n\r\n" its last read ended with
static char *answers;                // kBatch copies of the answer
static size_t answer_size;

static void build_answer(const char *body, const char *extra) {
  char date[64], one[8192];
  time_t now = time(NULL);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
  int n = snprintf(one, sizeof one,
                   "HTTP/1.1 200 OK\r\nServer: limit\r\nDate: %s\r\nContent-Type: text/plain\r\n"
                   "Content-Length: %zu\r\nConnection: keep-alive\r\n%s\r\n%s",
                   date, strlen(body), extra, body);
  if (n < 0 || (size_t)n >= sizeof one) exit(2);
  answer_size = (size_t)n;
  answers = malloc(answer_size * kBatch);
  if (!answers) exit(2);
  for (int i = 0; i < kBatch; i++) memcpy(answers + i * answer_size, one, answer_size);
}

/// Counts the requests that end in this read; remembers a blank line that is cut in two.
static int count_requests(int fd, const char *p, size_t n) {
  static const char blank[4] = {'\r', '\n', '\r', '\n'};
  const char *end = p + n, *found;
  int count = 0;
  while (seen[fd] && p < end) {
    seen[fd] = *p == blank[seen[fd]] ? seen[fd] + 1 : *p == '\r';
    p++;
    if (seen[fd] == 4) {
      seen[fd] = 0;
      count++;
    }
  }
  while ((found = memmem(p, (size_t)(end - p), blank, 4))) {
    count++;
    p = found + 4;
  }
  for (int k = 3; k > 0 && !seen[fd]; k--) {
    if (end - p >= k && !memcmp(end - k, blank, (size_t)k)) seen[fd] = (unsigned char)k;
  }
  return count;
}

/// One send for up to kBatch answers; a full socket is waited for, which a load generator never makes happen.
static int send_answers(int fd, int count) {
  while (count > 0) {
    int batch = count < kBatch ? count : kBatch;
    size_t size = (size_t)batch * answer_size, done = 0;
    while (done < size) {
      ssize_t n = send(fd, answers + done, size - done, MSG_NOSIGNAL);
      if (n > 0) {
        done += (size_t)n;
      } else if (n < 0 && errno == EAGAIN) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        poll(&p, 1, 1000);
      } else {
        return -1;
      }
    }
    count -= batch;
  }
  return 0;
}

/// A short read has emptied the socket: the next edge tells of more. Only a hang-up must be read to its end.
static void serve(int fd, unsigned events) {
  static char buffer[kRead];
  for (;;) {
    ssize_t n = recv(fd, buffer, kRead, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || send_answers(fd, count_requests(fd, buffer, (size_t)n)) < 0) {
      close(fd);
      return;
    }
    if (n < kRead && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) return;
  }
}

static void accept_all(int listener, int epoll) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (fd < 0) return;
    if (fd >= kMaxFds) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    seen[fd] = 0;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
  }
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: limit PORT BODY [HEADERS]\n");
    return 2;
  }
  build_answer(argv[2], argc > 3 ? argv[3] : "");
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) {
    perror("limit");
    return 1;
  }
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = listener}, events[512];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
  for (;;) {
    int n = epoll_wait(epoll, events, 512, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd == listener)
        accept_all(listener, epoll);
      else
        serve(events[i].data.fd, events[i].events);
    }
  }
}
