#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The command `moonwire`: says what can be typed and hands over. Every command is loaded when it is asked for, since the
// server must be up 150 ms after the process starts.
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { statSync } from "node:fs";
import { logLevels } from "../conf/plan.js";
import { isHost } from "../options.js";
import { exitCode } from "./exit-code.js";
import { announce, report } from "./report.js";
import type { RunCommandOptions } from "./run.js";
import type { ServeCommandOptions } from "./serve.js";
import type { TestCommandOptions } from "./test.js";
import type { TopCommandOptions } from "./top.js";
import { version } from "./version.js";

const epilogue = `
FILE is a configuration module (.ts .mts .js .mjs .json) or an nginx.conf. Without it, the first of
moonwire.config.ts, .mts, .js, .mjs, .json and nginx.conf in the working directory is taken.

Signals: HUP reloads, QUIT finishes requests and stops, TERM and INT stop at once, USR1 reopens the logs.

Exit codes:
  0  all is well
  1  the configuration, the script or the system does not allow it; the message says where
  2  the command line is wrong
`;

function integer(low: number, high: number) {
  return (text: string): number => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < low || n > high)
      throw new InvalidArgumentError(`expected a whole number from ${low} to ${high}.`);
    return n;
  };
}

function workers(text: string): number | "auto" {
  return text === "auto" ? text : integer(1, 512)(text);
}

function folder(text: string): string {
  if (!statSync(text, { throwIfNoEntry: false })?.isDirectory()) throw new InvalidArgumentError("no such folder.");
  return text;
}

function address(text: string): string {
  if (!isHost(text)) throw new InvalidArgumentError("expected an IP address or localhost.");
  return text;
}

function folders(text: string, all: string[] = []): string[] {
  return [...all, folder(text)];
}

function collect(text: string, all: string[] = []): string[] {
  return [...all, text];
}

const program = new Command("moonwire")
  .description("Serves OpenResty applications: nginx's phases in Lua on LuaJIT.")
  .version(version(), "-v, --version", "print the version")
  .helpOption("-h, --help", "print this")
  .helpCommand(false)
  .configureHelp({ showGlobalOptions: true })
  .addHelpText("after", epilogue)
  .configureOutput({ writeOut: announce })
  .enablePositionalOptions()
  .hook("preAction", () => void process.cwd()) // throws where it is gone
  .exitOverride();

program
  .command("serve")
  .description("serve a configuration")
  .argument("[FILE]", "configuration file")
  .option("-p, --port <n>", "listen on this port, whatever the configuration says", integer(0, 65535))
  .option("-H, --host <address>", "listen on this address, whatever the configuration says", address)
  .option("-w, --workers <n>", 'worker threads, or "auto" for one per core', workers)
  .option("--processes <n>", "run the workers in n supervised processes", integer(1, 64))
  .option("--watch", "reload when the configuration or a Lua file changes")
  .option("--prefix <dir>", "folder that relative paths start from (default: the configuration file's)", folder)
  .action(async (file: string | undefined, options: ServeCommandOptions) =>
    (await import("./serve.js")).serveCommand(file, options),
  );

program
  .command("check")
  .description("report every mistake of a configuration")
  .argument("[FILE]", "configuration file")
  .option("--prefix <dir>", "folder that relative paths start from (default: the configuration file's)", folder)
  .action(async (file: string | undefined, options: { prefix?: string }) =>
    (await import("./check.js")).checkCommand(file, options),
  );

program
  .command("run")
  .description("run a Lua script with the whole non-blocking API; wait for its light threads and timers")
  .argument("[FILE.lua]", "script, - for standard input; its arguments follow")
  .argument("[args...]", "arguments, in the script's table arg")
  .addOption(new Option("-e, --execute <code>", "run this code instead of a file (repeatable)").argParser(collect))
  .option("-I, --include <dir>", "look for Lua modules there first (repeatable)", folders)
  .option("-l, --library <name>", "require this module before the script (repeatable)", collect)
  .option("--shdict <name size>", "shared dictionary, as lua_shared_dict declares it (repeatable)", collect)
  .option(
    "--ns, --nameserver <address>",
    "look names up there, not by /etc/hosts and resolv.conf (repeatable)",
    collect,
  )
  .option("--resolve-ipv6", "with --ns: ask for IPv6 addresses too")
  .addOption(
    new Option("--errlog-level <level>", "least level of what ngx.log writes").choices(logLevels).default("warn"),
  )
  .option("--prefix <dir>", "folder that relative paths start from (default: the working directory)", folder)
  .passThroughOptions()
  .action(async (file: string | undefined, args: string[], options: RunCommandOptions) =>
    (await import("./run.js")).runCommand(file, args, options),
  );

program
  .command("test")
  .description("run Lua specs inside the server that they test")
  .argument("[FILE|DIR...]", "spec files, or folders of *_spec.lua (default: spec and test)")
  .option("-f, --filter <pattern>", "run the tests whose full name has this Lua pattern in it")
  .option("-b, --bail", "stop at the first failure")
  .addOption(new Option("-r, --reporter <name>", "how results are shown").choices(["spec", "tap"]).default("spec"))
  .option("-c, --config <file>", "configuration under test (default: the working directory's, if it has one)")
  .option("--timeout <ms>", "how long a test may take, with its hooks", integer(1, 3_600_000), 10_000)
  .option("--prefix <dir>", "folder that relative paths start from (default: the configuration file's)", folder)
  .action(async (paths: string[], options: TestCommandOptions) =>
    (await import("./test.js")).testCommand(paths, options),
  );

program
  .command("init")
  .description("write a small project: a typed configuration, a Lua handler, its test")
  .argument("[DIR]", "folder (default: the working directory)")
  .action(async (folder: string | undefined) => (await import("./init.js")).initCommand(folder));

program
  .command("top")
  .description("show what a server does, live, by its moonwire_status location")
  .argument("[URL|PID]", "that location, or a process that has it at /status (default: http://127.0.0.1:8080/status)")
  .option("-s, --socket <path>", "ask through this unix socket")
  .option("-i, --interval <seconds>", "how often to ask", integer(1, 3600), 1)
  .option("--once", "print it once, counted since the start")
  .action(async (url: string | undefined, options: TopCommandOptions) =>
    (await import("./top.js")).topCommand(url, options),
  );

try {
  if (process.argv.length <= 2) program.help({ error: true });
  await program.parseAsync();
} catch (e) {
  if (!(e instanceof CommanderError)) process.exitCode = report(e);
  else process.exitCode = e.exitCode === 0 ? exitCode.ok : exitCode.usage;
}
