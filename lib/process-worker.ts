// SPDX-License-Identifier: MIT
// A process of `--processes`: runs its share of the workers by the orders of its supervisor (process-host.ts), and ends
// with it. Started as a spare that has loaded everything but a configuration, so that it can take a dead one's place at once.
import { channelFd, processes, type Order, type Report } from "./process-protocol.js";
import { StartError } from "./errors.js";
import { problemOfStart } from "./start-problem.js";
import { WorkerHost } from "./worker-host.js";

const statsEveryMs = 1000;

function report(message: Report): void {
  process.send?.(message, () => {}); // a supervisor that has gone is noticed by its channel's end
}

const host = new WorkerHost({
  workerExit: (exit) => report({ type: "exit", ...exit }),
  vmLost: (loss) => report({ type: "vmLost", ...loss }),
});

async function start({ plan, share }: Extract<Order, { type: "start" }>): Promise<void> {
  try {
    const fds = processes().receive(channelFd, share.kinds.length);
    const generation = await host.start(plan, { ...share, fds });
    report({ type: "started", generation, problems: [] });
  } catch (e) {
    const problems =
      e instanceof StartError ? e.problems : [problemOfStart(e instanceof Error ? e.message : String(e))];
    report({ type: "started", generation: 0, problems });
  }
}

function settle({ generation, serves }: Extract<Order, { type: "settle" }>): void {
  host.settle(generation, serves);
  report({ type: "settled" });
}

function close(drainMs: number): void {
  host.close(drainMs).then(
    () => process.exit(0),
    () => process.exit(1),
  );
}

process.on("message", (order: Order) => {
  if (order.type === "start") void start(order);
  else if (order.type === "settle") settle(order);
  else if (order.type === "close") close(order.drainMs);
  else host.reopenLogs();
});
process.on("disconnect", () => close(0));
if (!process.connected) process.exit(0); // the supervisor went while we were loading
// Signals to the whole group, from a terminal above all, are the supervisor's to obey. So is everybody else's but TERM and KILL.
for (const name of ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const)
  process.on(name, () => {});
setInterval(() => {
  if (!host.isClosing) report({ type: "stats", stats: host.stats() });
}, statsEveryMs).unref();
report({ type: "ready" });
