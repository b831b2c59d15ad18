// SPDX-License-Identifier: MIT
// `moonwire serve`: starts the server, prints where it listens, and lives by signals until it is told to stop.
import type { ServeOptions, Server } from "../server.js";
import { formatProblem } from "../errors.js";
import { drainForever } from "../worker-host.js";
import { exitCode } from "./exit-code.js";
import { findConfig } from "./find-config.js";
import { announce, awaitConfig, complain, report } from "./report.js";

/** What the command line gives. */
export interface ServeCommandOptions {
  port?: number;
  host?: string;
  workers?: number | "auto";
  processes?: number;
  watch?: boolean;
  prefix?: string;
}

/** Runs until the server has stopped; the exit code is set. */
export async function serveCommand(file: string | undefined, options: ServeCommandOptions): Promise<void> {
  const { serve } = await import("../server.js");
  let server: Server;
  try {
    const path = findConfig(file);
    server = await awaitConfig(path, serve(path, serveOptions(options)));
  } catch (e) {
    process.exitCode = report(e);
    return;
  }
  complainOfOddities(server);
  onSignals(server);
  if (options.watch) {
    // Before the line that says it listens: whoever waits for that may save a file at once.
    const { watch } = await import("./watch.js");
    await watch(server, options.prefix, (changed) => reload(server, `${changed} changed`));
  }
  announceAddresses(server);
}

function serveOptions(options: ServeCommandOptions): ServeOptions {
  const overrides: NonNullable<ServeOptions["overrides"]> = {};
  if (options.port !== undefined) overrides.port = options.port;
  if (options.host !== undefined) overrides.host = options.host;
  if (options.workers !== undefined) overrides.workers = options.workers;
  const { prefix, processes } = options;
  return { overrides, ...(prefix !== undefined && { prefix }), ...(processes !== undefined && { processes }) };
}

function announceAddresses(server: Server): void {
  const { addresses, streamAddresses } = server;
  const place = (address: string) => (streamAddresses.includes(address) ? `stream ${address}` : url(address));
  announce(addresses.map((address) => `moonwire: listening on ${place(address)}\n`).join(""));
  if (addresses.length === 0) complain("moonwire: no server listens: the configuration has none");
}

function url(address: string): string {
  if (address.startsWith("unix:")) return address;
  return `http://${address.replace(/^(0\.0\.0\.0|\[::\]):/, "localhost:")}`;
}

function complainOfOddities(server: Server): void {
  for (const problem of server.configWarnings) complain(formatProblem(problem));
}

/** Reloads; a failure is printed and the old generation serves on. */
async function reload(server: Server, why: string): Promise<void> {
  try {
    await server.reload();
    complainOfOddities(server);
    complain(`moonwire: ${why}, configuration reloaded`);
  } catch (e) {
    report(e);
    complain(`moonwire: ${why}, reload failed, the configuration before it still serves`);
  }
}

function onSignals(server: Server): void {
  const stop = (drainMs: number) => () => {
    // A failure to stop must not leave a process that nobody can end.
    server.close({ drainMs }).then(
      () => process.exit(exitCode.ok),
      (e: unknown) => {
        report(e);
        process.exit(exitCode.failed);
      },
    );
  };
  process.on("SIGHUP", () => void reload(server, "SIGHUP"));
  process.on("SIGUSR1", () => server.reopenLogs());
  // nginx's upgrade of its binary: scripts send it, and Node's answer to it would be to end at once.
  process.on("SIGUSR2", () => complain("moonwire: SIGUSR2, ignored: a new version needs a start"));
  process.on("SIGQUIT", stop(drainForever));
  process.on("SIGTERM", stop(0));
  process.on("SIGINT", stop(0));
}
