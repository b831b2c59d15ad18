// SPDX-License-Identifier: MIT
// limit_rate on a connection: how much of its output may leave, and when the rest may. A connection that was never limited
// has none. Owned by its connection, on the worker's thread.
#pragma once
#include "net/connection.h"

namespace mw {

/// What a response may send, by nginx's rule: so many bytes for each second since its request began, and some at once.
struct PaceRule {
  uint64_t rate = 0;      ///< bytes per second; 0 = no limit
  uint64_t after = 0;     ///< bytes that do not count
  uint64_t mark = 0;      ///< bytes_sent of the connection when the response begins to leave
  uint64_t start_ms = 0;  ///< loop time when its request began
};

/// Sets, changes or (rate 0) lifts the limit.
void pace_set(Connection *c, const PaceRule &rule);
/// How many bytes may leave now; 0 while they may not, and the output then goes on by itself. For connection_send().
uint64_t pace_allowance(Connection *c);
/// `n` bytes have left. True when the next ones have to wait.
bool pace_spend(Connection *c, uint64_t n);
/// True while output waits for its time.
bool pace_is_waiting(const Connection *c);
/// The connection closes.
void pace_free(Connection *c);

}  // namespace mw
