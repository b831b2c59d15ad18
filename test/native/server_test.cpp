// SPDX-License-Identifier: MIT
// The whole native half without node: a Server with a plan made by hand, real sockets, several client threads. Also what
// ThreadSanitizer sees of workers, mailboxes, reload and shared dictionaries.
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/value.h"
#include "check.h"

using namespace mw;

namespace {

struct Code {
  const char *phase;
  const char *lua;
};

std::shared_ptr<Plan> make_plan(uint32_t workers, const std::vector<Code> &codes) {
  static const char *const phases[] = {"server_rewrite", "rewrite",       "access",      "precontent",
                                       "content",        "header_filter", "body_filter", "log"};
  auto plan = std::make_shared<Plan>();
  plan->prefix = "/tmp/";
  plan->worker_processes = workers;
  plan->error_logs.push_back({"/dev/null", LogLevel::info, {}});
  plan->log_formats.push_back({"combined", {}, 0});
  plan->shared_dicts.push_back({"dogs", 1 << 20});
  ServerConf &server = plan->servers.emplace_back();
  server.conf.scripts.fill(-1);
  Location location;
  location.name = "/";
  location.conf.scripts.fill(-1);
  for (const Code &c : codes) {
    Script script;
    script.chunkname = std::string("=") + c.phase + "_by_lua(test:1)";
    script.source = c.lua;
    for (size_t i = 0; i < 8; ++i)
      if (std::string(phases[i]) == c.phase) location.conf.scripts[i] = static_cast<int32_t>(plan->scripts.size());
    plan->scripts.push_back(script);
  }
  server.locations.push_back(location);
  Listen listen;
  listen.address = "127.0.0.1:0";
  listen.servers = {0};
  plan->listens.push_back(listen);
  return plan;
}

/// A server that tells when a generation is up or a worker has ended.
struct Harness {
  std::mutex mutex;
  std::condition_variable changed;
  uint32_t started = 0, exited = 0;
  std::string error;
  Server server;

  Harness()
      : server({[this](uint32_t, std::string why) {
                  std::lock_guard<std::mutex> lock(mutex);
                  ++started;
                  error = std::move(why);
                  changed.notify_all();
                },
                [this](uint32_t, uint32_t, uint32_t) {
                  std::lock_guard<std::mutex> lock(mutex);
                  ++exited;
                  changed.notify_all();
                },
                [](uint32_t, uint32_t) {}}) {
    signal(SIGPIPE, SIG_IGN);
  }
  bool start(PlanRef plan) {
    uint32_t want = started + 1;
    Problems problems;
    if (!server.start(plan, problems)) {
      error = problems.list[0].message;
      return false;
    }
    std::unique_lock<std::mutex> lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return started >= want; }) && error.empty();
  }
  bool wait_exited(uint32_t n) {
    std::unique_lock<std::mutex> lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return exited >= n; });
  }
  uint16_t port() {
    std::string a = server.addresses().at(0);
    return static_cast<uint16_t>(std::stoi(a.substr(a.rfind(':') + 1)));
  }
};

/// Sends `request`, then `later` after 100 ms, and reads until the peer closes or is silent for 4 s; `closed` tells which.
std::string talk(uint16_t port, const std::string &request, const std::string &later = {}, bool *closed = nullptr) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval limit{4, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string out;
  if (connect(fd, reinterpret_cast<sockaddr *>(&to), sizeof to) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    if (!later.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      send(fd, later.data(), later.size(), MSG_NOSIGNAL);
    }
    char buf[4096];
    ssize_t n;
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0) out.append(buf, static_cast<size_t>(n));
    if (closed) *closed = n == 0;
  }
  close(fd);
  return out;
}

const char kGet[] = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

bool ends_with(const std::string &s, const std::string &end) {
  return s.size() >= end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

TEST(server_answers_and_ends) {
  Harness h;
  CHECK(h.start(make_plan(2, {{"content", "ngx.say('hello')"}})));
  CHECK(ends_with(talk(h.port(), kGet), "\r\n\r\nhello\n"));
  h.server.close(1000);
  CHECK(h.wait_exited(2));
}

TEST(server_pipelines_in_order) {
  Harness h;
  CHECK(h.start(make_plan(1, {{"content", "if ngx.var.arg_s then ngx.sleep(0.005) end ngx.print(ngx.var.arg_n)"}})));
  std::string batch;
  for (int i = 0; i < 8; ++i)
    batch += "GET /?n=" + std::to_string(i) + (i % 3 == 1 ? "&s=1" : "") + " HTTP/1.1\r\nHost: a\r\n" +
             (i == 7 ? "Connection: close\r\n\r\n" : "\r\n");
  std::string answers = talk(h.port(), batch), bodies;
  for (size_t at = 0; (at = answers.find("\r\n\r\n", at)) != std::string::npos; at += 4) bodies += answers[at + 4];
  CHECK_EQ(bodies, std::string("01234567"));
}

TEST(server_waits_in_every_phase) {
  Harness h;
  CHECK(h.start(make_plan(1, {{"rewrite", "ngx.sleep(0.001) ngx.ctx.a = 'r'"},
                              {"access", "ngx.sleep(0.001) ngx.ctx.a = ngx.ctx.a .. 'a'"},
                              {"content", "ngx.sleep(0.001) ngx.say(ngx.ctx.a)"},
                              {"header_filter", "ngx.sleep(0.001) ngx.header.X = 'h'"},
                              {"body_filter", "ngx.sleep(0.001) ngx.arg[1] = ngx.arg[1]:upper()"},
                              {"log", "ngx.sleep(0.001) ngx.shared.dogs:incr('logged', 1, 0)"}})));
  for (int i = 0; i < 3; ++i) {
    std::string answer = talk(h.port(), kGet);
    CHECK(answer.find("X: h\r\n") != std::string::npos);
    CHECK(ends_with(answer, "\r\n\r\nRA\n"));
  }
}

TEST(server_reloads_under_load_without_a_lost_request) {
  Harness h;
  auto plan = [](const char *word) {
    std::string lua =
        std::string("ngx.shared.dogs:incr('n', 1, 0) if ngx.var.arg_s then ngx.sleep(0.002) end ngx.say('") + word +
        "')";
    return make_plan(2, {{"content", lua.c_str()}});
  };
  CHECK(h.start(plan("one")));
  uint16_t port = h.port();
  std::atomic<int> good{0}, bad{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c)
    clients.emplace_back([&, c] {
      std::string request =
          std::string("GET /?") + (c % 2 ? "s=1" : "") + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
      while (!stop) {
        std::string answer = talk(port, request);
        if (ends_with(answer, "\r\n\r\none\n") || ends_with(answer, "\r\n\r\ntwo\n"))
          ++good;
        else
          ++bad;
      }
    });
  for (int i = 0; i < 4; ++i) {
    CHECK(h.start(plan(i % 2 ? "one" : "two")));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  stop = true;
  for (std::thread &t : clients) t.join();
  CHECK(good > 0);
  CHECK_EQ(bad.load(), 0);
  CHECK_EQ(h.port(), port);
}

TEST(server_hands_its_connections_to_the_next_generation) {
  Harness h;
  auto plan = [](uint32_t workers) {
    auto made = make_plan(workers, {{"content", "ngx.shared.dogs:incr('n', 1, 0) ngx.print('x')"}});
    for (LocationConf *c : {&made->servers[0].conf, &made->servers[0].locations[0].conf})
      c->keepalive_requests = 1 << 30;
    return made;
  };
  CHECK(h.start(plan(2)));
  uint16_t port = h.port();
  std::atomic<int> good{0}, bad{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c)
    clients.emplace_back([&] {
      int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      bool well = connect(fd, reinterpret_cast<sockaddr *>(&to), sizeof to) == 0;
      const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
      while (well && !stop) {
        well = send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
        std::string answer;
        char buf[4096];
        while (well && !ends_with(answer, "\r\n\r\nx")) {
          ssize_t n = recv(fd, buf, sizeof buf, 0);
          well = n > 0;
          if (well) answer.append(buf, static_cast<size_t>(n));
        }
        ++(well ? good : bad);
      }
      close(fd);
    });
  for (uint32_t i = 0; i < 12; ++i) {
    int before = good;
    CHECK(h.start(plan(1 + i % 3)));
    h.server.reap();
    for (int wait = 0; wait < 1000 && good < before + 20; ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stop = true;
  for (std::thread &t : clients) t.join();
  CHECK(good > 0);
  CHECK_EQ(bad.load(), 0);
}

TEST(server_keeps_serving_when_a_new_generation_fails) {
  Harness h;
  CHECK(h.start(make_plan(1, {{"content", "ngx.say('old')"}})));
  auto broken = make_plan(1, {{"content", "ngx.say('new')"}});
  Script init;
  init.chunkname = "=init_by_lua(test:1)";
  init.source = "error('no luck')";
  broken->init_script = static_cast<int32_t>(broken->scripts.size());
  broken->scripts.push_back(init);
  CHECK(!h.start(broken));
  CHECK(h.error.find("no luck") != std::string::npos);
  CHECK(ends_with(talk(h.port(), kGet), "\r\n\r\nold\n"));
}

TEST(server_refuses_an_address_that_another_server_holds) {
  Harness first, second;
  CHECK(first.start(make_plan(2, {{"content", "ngx.say('first')"}})));
  auto plan = make_plan(1, {{"content", "ngx.say('second')"}});
  plan->listens[0].address = first.server.addresses().at(0);
  CHECK(!second.start(plan));
  CHECK_EQ(second.error, "bind() to " + plan->listens[0].address + " failed (98: Address already in use)");
  CHECK(ends_with(talk(first.port(), kGet), "\r\n\r\nfirst\n"));
}

TEST(server_ends_a_request_whose_handler_exits_while_a_filter_waits) {
  Harness h;
  CHECK(
      h.start(make_plan(1, {{"content", "ngx.thread.spawn(function() ngx.say('a') end) ngx.sleep(0.005) ngx.exit(200)"},
                            {"body_filter", "ngx.sleep(0.03)"}})));
  bool closed = false;
  std::string answer = talk(h.port(), kGet, {}, &closed);
  CHECK(closed);
  CHECK(answer.find("a\n") != std::string::npos);
}

TEST(server_keeps_framing_to_itself) {
  Harness h;
  CHECK(h.start(make_plan(1, {{"content", "ngx.header['Transfer-Encoding'] = 'chunked' ngx.say('x')"}})));
  std::string answer = talk(h.port(), kGet);
  CHECK(answer.find("Transfer-Encoding") == std::string::npos);
  CHECK(ends_with(answer, "\r\n\r\nx\n"));
}

TEST(server_does_not_wait_for_ever_for_a_body_nobody_reads) {
  Harness h;
  auto plan = make_plan(1, {{"content", "ngx.print(('x'):rep(16000000))"}});
  for (LocationConf *c : {&plan->servers[0].conf, &plan->servers[0].locations[0].conf}) c->lingering_timeout = 300;
  CHECK(h.start(plan));
  bool closed = false;  // the answer fills the socket's buffer before it is read: the timeout must outlive that
  talk(h.port(), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\npart", "more", &closed);
  CHECK(closed);
}

TEST(server_closes_at_once_on_a_bad_chunk_nobody_reads) {
  Harness h;
  auto plan = make_plan(1, {{"content", "ngx.say('x')"}});
  for (LocationConf *c : {&plan->servers[0].conf, &plan->servers[0].locations[0].conf}) c->lingering_timeout = 60000;
  plan->servers[0].conf.lingering_close = 0;
  CHECK(h.start(plan));
  bool closed = false;
  talk(h.port(), "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "zz\r\n", &closed);
  CHECK(closed);
}

TEST(server_keeps_a_body_with_the_next_request_in_one_read) {
  Harness h;
  CHECK(h.start(make_plan(1, {{"content",
                               "if ngx.var.arg_s then ngx.sleep(0.05) end ngx.req.read_body() "
                               "ngx.say(ngx.req.get_body_data() or 'none')"}})));
  std::string answer =
      talk(h.port(), "GET /?s=1 HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
           std::string("body") + kGet);
  CHECK(answer.find("\r\n\r\nbody\n") != std::string::npos);
  CHECK(ends_with(answer, "\r\n\r\nnone\n"));
}

TEST(server_runs_code_in_a_worker) {
  Harness h;
  CHECK(h.start(make_plan(1, {})));
  std::mutex mutex;
  std::condition_variable changed;
  VmReply reply;
  bool done = false;
  std::string args;
  Value list;
  list.tag = Value::array;
  value_encode(args, list);
  h.server.run(0, true, "ngx.sleep(0.001) return 40 + 2", "=test", args, [&](VmReply r) {
    std::lock_guard<std::mutex> lock(mutex);
    reply = std::move(r);
    done = true;
    changed.notify_all();
  });
  std::unique_lock<std::mutex> lock(mutex);
  CHECK(changed.wait_for(lock, std::chrono::seconds(20), [&] { return done; }));
  Value values;
  CHECK(reply.ok && value_decode(values, reply.values) && values.items.size() == 1);
  CHECK_EQ(values.items.at(0).num, 42.0);
}
