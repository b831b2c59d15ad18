// SPDX-License-Identifier: MIT
// The figures behind moonwire_status, for moonwire.status (Lua): the worker's own, and the question to all workers. The worker's
// thread. A mw_inquiry_t holds its share of the answers until it is freed; who answers late answers to nobody.
#include "abi/sock.h"
#include "base/ticks.h"
#include "http/metrics.h"
#include "http/phase.h"

using namespace mw;

struct mw_inquiry {
  std::shared_ptr<StatusReplies> replies;
  std::vector<std::string> texts;
};

extern "C" {

MW_EXPORT
const mw_metrics_t *mw_status_metrics(void) {
  HttpCore *core = vm_current->core;
  core->metrics.accepted = core->net.accepted;
  return &core->metrics;
}

MW_EXPORT
double mw_status_tick_rate(void) { return ticks_per_second(); }

MW_EXPORT
double mw_status_bound(int32_t bucket) { return kMetricsBounds[bucket]; }

MW_EXPORT
void mw_status_worker(mw_status_worker_t *out) {
  const HttpCore *core = vm_current->core;
  ConnectionCounts now = http_connection_counts(core);
  *out = {};
  out->worker = core->abi->worker_id;
  out->generation = core->generation;
  out->active = core->net.active;
  out->reading = now.reading;
  out->writing = now.writing;
  out->waiting = now.waiting;
  out->sockets_open = core->net.outgoing_count;
  for (const auto &pool : sock_worker().pools) {
    ++out->pools;
    out->sockets_idle += pool.second->idle;
    out->sockets_queued += static_cast<uint64_t>(pool.second->waiting);
  }
}

MW_EXPORT
int32_t mw_status_pools(mw_status_pool_t *out, int32_t max) {
  int32_t n = 0;
  for (const auto &entry : sock_worker().pools) {
    if (n == max) break;
    const SockPool &pool = *entry.second;
    out[n++] = {{pool.key.data(), pool.key.size()}, pool.connections, pool.idle, static_cast<uint32_t>(pool.waiting)};
  }
  return n;
}

MW_EXPORT
mw_inquiry_t *mw_status_ask(void) {
  const HttpCore *core = vm_current->core;
  auto *status = new mw_inquiry{std::make_shared<StatusReplies>(), {}};
  if (core->ask_workers) core->ask_workers(core->ask_workers_arg, status->replies);
  return status;
}

MW_EXPORT
int32_t mw_status_missing(const mw_inquiry_t *status) { return status->replies->missing; }

MW_EXPORT
int32_t mw_status_collect(mw_inquiry_t *status) {
  std::lock_guard<std::mutex> lock(status->replies->mutex);
  status->texts = status->replies->texts;
  return static_cast<int32_t>(status->texts.size());
}

MW_EXPORT
mw_str mw_status_text(const mw_inquiry_t *status, int32_t i) {
  const std::string &text = status->texts[static_cast<size_t>(i)];
  return {text.data(), text.size()};
}

MW_EXPORT
const mw_metrics_t *mw_status_retired(const mw_inquiry_t *status) { return &status->replies->retired; }

MW_EXPORT
void mw_status_free(mw_inquiry_t *status) { delete status; }

}  // extern "C"
