// SPDX-License-Identifier: MIT
// `moonwire top`: what a server does, live in a terminal. Asks the location with moonwire_status every so often and shows what
// changed meanwhile.
import { request } from "node:http";
import { MoonwireError } from "../errors.js";
import type { ServerStatus } from "../status.js";
import { announce, report } from "./report.js";
import { listensOf } from "./top-process.js";
import { screen } from "./top-screen.js";

/** What the command line gives. */
export interface TopCommandOptions {
  socket?: string;
  interval: number;
  once?: boolean;
}

/** Where the document is asked for. */
interface Source {
  readonly url: URL;
  readonly socketPath: string | undefined;
}

/** A source that answered, and what it said. */
interface Found {
  readonly source: Source;
  readonly status: ServerStatus;
}

/** Shows the server's status until it is told to stop; the exit code is set. */
export async function topCommand(where: string | undefined, options: TopCommandOptions): Promise<void> {
  try {
    const found = /^\d+$/.test(where ?? "")
      ? await findInProcess(Number(where))
      : await ask(sourceOf(where, options.socket)); // a mistake is told before the screen is taken
    if (options.once) announce(`${screen(found.status, undefined, 80, Infinity).join("\n")}\n`);
    else await showLive(found, options.interval);
  } catch (e) {
    process.exitCode = report(e);
  }
}

function sourceOf(where: string | undefined, socketPath: string | undefined): Source {
  const text = where ?? "http://127.0.0.1:8080/status";
  const full = /^[a-z]+:\/\//.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url?.protocol !== "http:") throw new MoonwireError("CONFIG_INVALID", `cannot ask "${text}": not an http URL`);
  if (url.pathname === "/") url.pathname = "/status";
  return { url, socketPath };
}

async function ask(source: Source, signal?: AbortSignal): Promise<Found> {
  return { source, status: await fetchStatus(source, signal) };
}

/** The address of the process that first answers with a status at /status; all are asked at once, for one may be busy. */
async function findInProcess(pid: number): Promise<Found> {
  const addresses = listensOf(pid);
  const rest = new AbortController();
  try {
    const found = await Promise.any(addresses.map((address) => ask(sourceOf(address, undefined), rest.signal)));
    rest.abort();
    return found;
  } catch {
    const where =
      addresses.length > 0 ? `at ${addresses.map((a) => `${a}/status`).join(", ")}` : "anywhere: it does not listen";
    throw new MoonwireError("CONFIG_INVALID", `process ${pid} has no moonwire_status location ${where}`);
  }
}

const patienceMs = 5000;

/** Asks once. Rejects with a message for the user. */
function fetchStatus(source: Source, signal?: AbortSignal): Promise<ServerStatus> {
  const { url, socketPath } = source;
  const place = socketPath === undefined ? url.href : `${url.pathname} at unix:${socketPath}`;
  const fail = (why: string) => new MoonwireError("CONFIG_INVALID", `cannot get the status from ${place}: ${why}`);
  return new Promise((resolve, reject) => {
    const headers = { accept: "application/json" };
    const req = request(
      url,
      {
        headers,
        timeout: patienceMs,
        agent: false,
        ...(signal ? { signal } : {}),
        ...(socketPath ? { socketPath } : {}),
      },
      (res) => {
        const parts: Buffer[] = [];
        res.on("data", (part: Buffer) => parts.push(part));
        res.on("error", (e) => reject(fail(e.message)));
        res.on("end", () => {
          if (res.statusCode !== 200) return reject(fail(`status ${res.statusCode}`));
          try {
            const document = JSON.parse(Buffer.concat(parts).toString("utf8")) as ServerStatus;
            if (typeof document.requests?.total !== "number") throw new Error("no document of moonwire_status");
            resolve(document);
          } catch (e) {
            reject(fail(e instanceof SyntaxError ? "not the JSON of moonwire_status" : (e as Error).message));
          }
        });
      },
    );
    req.on("timeout", () => req.destroy(new Error("no answer in time")));
    req.on("error", (e) => reject(fail(e.message)));
    req.end();
  });
}

async function showLive({ source, status }: Found, intervalSeconds: number): Promise<void> {
  const { stdin, stdout } = process;
  let before = status;
  let isOver = false;
  let wake = () => {};
  const stop = () => {
    isOver = true;
    wake();
  };
  const onKey = (key: Buffer) => {
    // q, or what the terminal in raw mode does not turn into signals: Ctrl-C, Ctrl-D.
    if (["q", "Q", "\u0003", "\u0004"].includes(key.toString("latin1"))) stop();
    else wake();
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  stdout.on("resize", () => wake());
  stdout.on("error", stop);
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin
    .on("data", onKey)
    .on("end", () => {})
    .resume();
  stdout.write("\x1b[?1049h\x1b[?25l"); // the other screen, no cursor
  try {
    while (!isOver) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, intervalSeconds * 1000);
      });
      if (isOver) break;
      const lines = await draw(source, before, (now) => (before = now));
      stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    }
  } finally {
    stdout.write("\x1b[?25h\x1b[?1049l");
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.off("data", onKey).pause();
  }
}

async function draw(
  source: Source,
  before: ServerStatus | undefined,
  keep: (now: ServerStatus) => void,
): Promise<string[]> {
  const { columns = 80, rows = 24 } = process.stdout;
  try {
    const now = await fetchStatus(source);
    const lines = screen(now, before, columns, rows - 2);
    keep(now);
    return [...lines, "q quits"];
  } catch (e) {
    return [(e as Error).message.slice(0, columns), "", "asked again in a moment; q quits"];
  }
}
