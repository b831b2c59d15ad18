// SPDX-License-Identifier: MIT
// A port of 127.0.0.1 for a server that must be told which.
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

const lowest = 10_240;
/** The first port that the system gives out itself: to connections, and to servers that bind port 0 (Linux, ip-sysctl). */
const firstEphemeral = Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10);

/** Binds the port; the one that was bound (for 0 the system's choice), closed again, or 0 when it is taken. */
const bound = (port) =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", (e) => (e.code === "EADDRINUSE" ? resolve(0) : reject(e)));
    probe.listen(port, "127.0.0.1", () => {
      const taken = probe.address().port;
      probe.close(() => resolve(taken));
    });
  });

/**
 * A port that was free a moment ago. It lies below those that the system gives out, where there is room: until its server binds
 * it, no other socket gets it by chance, not even the one that asks whether the server is there yet. A connect() to a port that
 * is its own source port succeeds, with nobody else behind it.
 */
export async function freePort() {
  for (;;) {
    const port = await bound(firstEphemeral - lowest > 1000 ? randomInt(lowest, firstEphemeral) : 0);
    if (port) return port;
  }
}
