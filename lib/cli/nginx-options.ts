// SPDX-License-Identifier: MIT
// nginx's command line: its options, its ways to write them (`-tq`, `-cFILE`, `-c FILE`), its words for what is wrong.

/** What was asked for. */
export interface NginxOptions {
  help: boolean;
  version: boolean;
  configure: boolean;
  test: boolean;
  dump: boolean;
  quiet: boolean;
  signal?: NginxSignal;
  prefix?: string;
  conf?: string;
  errorLog?: string;
  globals?: string;
}

export type NginxSignal = "stop" | "quit" | "reopen" | "reload";

const flags = new Map<string, readonly (keyof NginxOptions)[]>([
  ["?", ["version", "help"]],
  ["h", ["version", "help"]],
  ["v", ["version"]],
  ["V", ["version", "configure"]],
  ["t", ["test"]],
  ["T", ["test", "dump"]],
  ["q", ["quiet"]],
]);

const values = new Map<string, readonly [keyof NginxOptions, missing: string]>([
  ["p", ["prefix", "directory name"]],
  ["c", ["conf", "file name"]],
  ["e", ["errorLog", "file name"]],
  ["g", ["globals", "parameter"]],
  ["s", ["signal", "parameter"]],
]);

/** Reads the words after the command's name. A string is what is wrong with them. */
export function readOptions(argv: readonly string[]): NginxOptions | string {
  const out: NginxOptions = {
    help: false,
    version: false,
    configure: false,
    test: false,
    dump: false,
    quiet: false,
  };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (!word.startsWith("-")) return `invalid option: "${word}"`;
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!;
      const value = values.get(letter);
      if (value) {
        const text = word.slice(at + 1) || argv[++i];
        if (text === undefined || text === "") return `option "-${letter}" requires ${value[1]}`;
        Object.assign(out, { [value[0]]: text });
        if (letter === "s" && !/^(stop|quit|reopen|reload)$/.test(text)) return `invalid option: "-s ${text}"`;
        break;
      }
      const set = flags.get(letter);
      if (!set) return `invalid option: "${letter}"`;
      for (const name of set) Object.assign(out, { [name]: true });
    }
  }
  return out;
}

/** The text of -h. */
export const usage = `Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]
             [-e filename] [-c filename] [-g directives]

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version and configure options then exit
  -t            : test configuration and exit
  -T            : test configuration, dump it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to a master process: stop, quit, reopen, reload
  -p prefix     : set prefix path (default: the working directory)
  -e filename   : set error log file (default: logs/error.log)
  -c filename   : set configuration file (default: conf/nginx.conf)
  -g directives : set global directives out of configuration file

`;
