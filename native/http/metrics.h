// SPDX-License-Identifier: MIT
// What moonwire_status tells. Each worker counts for itself, in memory that it alone writes and reads; whoever answers asks the
// others through their mailboxes, each of which answers with a text of its own figures. Nothing is shared but the answers.
#pragma once
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "http/core.h"

namespace mw {

struct Request;

/// The longest requests that each but the last of mw_metrics_t's buckets counts, in seconds.
constexpr double kMetricsBounds[] = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
static_assert(sizeof kMetricsBounds / sizeof *kMetricsBounds + 1 == MW_STATUS_BUCKETS);

/// A request has been answered, or ended without; its log phase is still to come.
void metrics_answered(Request *r);
/// Its log handler has ended.
void metrics_logged(Request *r);
/// `to` counts what `from` has counted.
void metrics_add(mw_metrics_t &to, const mw_metrics_t &from);

/// The answers of all workers to one question. Shared by the one who asks and those who answer.
struct StatusReplies {
  std::mutex mutex;
  std::vector<std::string> texts;  ///< guarded by `mutex`
  std::atomic<int32_t> missing{0};
  mw_metrics_t retired{};  ///< of workers that have ended; set before anybody is asked

  void put(std::string text) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      texts.push_back(std::move(text));
    }
    --missing;
  }
};

}  // namespace mw
