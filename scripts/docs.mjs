// SPDX-License-Identifier: MIT
// node scripts/docs.mjs: writes docs/configuration.md from the directive table (build the TypeScript first) and
// docs/lua-api.md from the table of the phase matrix. Tests fail when a file is not what its table says.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./steps.mjs";

const head = `<!-- Written by scripts/docs.mjs from lib/conf/directives; change the table, not this file. -->

# Configuration

Moonwire reads an nginx.conf or a configuration module (\`.ts .mts .js .mjs .json\`). Both have the directives below: in a
module a property is the directive's name in camelCase, nested as nginx nests it. See [typescript.md](typescript.md) for
modules, [cli.md](cli.md) for \`moonwire check\`.

## How it is read

- **nginx.conf** is read with nginx's own rules for quotes, backslashes, comments, \`include\` (patterns as well; relative to the
  configuration's folder) and \`*_by_lua_block\`. It must have an \`events\` block. A module need not.
- **Every mistake is reported in one run**, with file, line and column, in nginx's words where it has some. A directive that is
  not in the tables is an error: \`unknown directive "foo"\`. For a configuration object the message begins with the path of the
  property, \`http.server[0].location["/x"].sendfile\`; its line is found in the module's text where it stands there.
- **Warnings** do not keep a configuration from being served: a server name that another server on the same address has, an
  extension that two MIME types name, a Lua file that does not exist (its requests get an error status until it does). A missing
  file of \`init_by_lua_file\` or \`init_worker_by_lua_file\` is a mistake. \`moonwire check\` prints warnings and ends with code 1.
- **Lua directives** have three forms in an nginx.conf: \`content_by_lua "CODE";\`, \`content_by_lua_block { CODE }\` and
  \`content_by_lua_file PATH;\`. In a module they are one property: a string or a \`lua\` template, or \`luaFile(PATH)\`.
- **Values.** Sizes: \`512\`, \`8k\`, \`1m\`. Times: \`500ms\`, \`10s\` or \`10\`, \`5m\`, \`1h 30m\`, \`d\`, \`w\`, \`M\`, \`y\`. Flags: \`on\` and \`off\`, in
  a module also \`true\` and \`false\`. Relative paths start from the prefix: \`--prefix\`, or the configuration's folder.
- **Variables** are nginx's, those of its modules that have directives here, and \`$date_local\`, \`$date_gmt\` and \`$msie\`.
  \`$connections_active\` and its relatives tell of the worker that is asked, as \`stub_status\` does. \`$ssl_*\`, \`$http2\` and
  \`$upstream_trailer_*\` have no value: there is no TLS and no HTTP/2 yet, and trailers of an upstream are not kept.
- **Logs.** Where nothing is said, errors go to standard error (level \`error\`) and there is no access log; bodies in files go to
  the system's folder for temporary files. \`moonwire-nginx\` uses nginx's places below the prefix.

## How blocks inherit

An inner block takes what the outer one says. *inherit*: the value, unless it has its own. *replace*: the whole list, unless the
block begins its own, which then does not extend the outer one. *none*: the directive holds for its own block alone.

## In a configuration object

| value | is |
| --- | --- |
| one value | a string or a number, \`sendfile: true\`, \`sendTimeout: "5s"\` |
| words | a string that is split as nginx would, \`serverName: "a.com *.b.com"\`, or an array word by word, \`return: [200, "two words"]\` |
| list | an array of such words, each item a directive: \`listen: ["127.0.0.1:80", "[::1]:80 ipv6only=on"]\` |
| map | an object from the first word to the others: \`addHeader: { "X-A": ["b", "always"] }\`; or an array of arrays |
`;

const modules = {
  core: "Processes",
  http: null,
  http_core: "HTTP",
  rewrite: "Rewrite",
  map: "Map",
  geo: "Geo",
  split_clients: "Split clients",
  "set-misc": "Set misc",
  realip: "Real IP",
  referer: "Referer",
  limit_req: "Limiting requests",
  limit_conn: "Limiting connections",
  headers: "Headers",
  log: "Access log",
  upstream: "Upstreams",
  proxy: "Proxy",
  echo: "Echo",
  "headers-more": "Headers more",
  access: "Access",
  auth_basic: "Basic authentication",
  auth_request: "Authentication by subrequest",
  secure_link: "Secure links",
  gzip: "Gzip",
  gzip_static: "Gzip",
  gunzip: "Gunzip",
  sub: "Sub",
  ssi: "SSI",
  charset: "Charset",
  userid: "User ID",
  autoindex: "Autoindex",
  random_index: "Random index",
  dav: "WebDAV",
  mirror: "Mirror",
  empty_gif: "Empty GIF",
  stub_status: "Stub status",
  memcached: "Memcached",
  memc: "Memc",
  drizzle: "MySQL",
  rds_json: "Results of MySQL as JSON",
  lua: "Lua",
  stream: "Stream",
  moonwire: "Moonwire's own",
};

/** What stands behind a table, by its title. */
const notes = {
  Upstreams: `Inside an \`upstream\` block; in a configuration object \`true\` stands for a directive without words:

| directive | takes | does |
| --- | --- | --- |
| \`server\` | \`ADDRESS [weight=N] [max_fails=N] [fail_timeout=TIME] [max_conns=N] [backup] [down]\` | a server, or all addresses of a name. Without a method below, servers have their turns by weight |
| \`hash\` | \`KEY [consistent]\` | the server follows from a text with variables, by nginx's own hashes: keys go where nginx sends them. \`consistent\`: when servers come or go, only few keys move |
| \`ip_hash\`<br>\`ipHash\` | | the server follows from the client's address: the first three bytes of IPv4, all of IPv6 |
| \`least_conn\`<br>\`leastConn\` | | the server with the fewest requests under way, by weight |
| \`random\` | \`[two [least_conn]]\` | a server by lot; \`two\`: of two the one with fewer requests under way |
| \`zone\` | \`NAME [SIZE]\` | all workers count turns, failures and requests under way of the servers together. Without it each worker counts for itself, \`max_conns\` and \`max_fails\` too. The size is checked, and nothing is reserved. Processes of \`--processes\` share nothing, and a reload begins anew |
| \`keepalive\`, \`keepalive_requests\`, \`keepalive_timeout\`, \`keepalive_time\` | number or time | idle connections that each worker keeps, and for how long. Its place beside the method does not matter |
| \`balancer_by_lua*\`<br>\`balancerByLua\` | Lua | chooses by \`ngx.balancer\`; where it sets no server, the method does |

\`hash\`, \`ip_hash\` and \`random\` take no backups, as in nginx. A request whose method finds no server that may be asked within 20
steps goes to the one whose turn it is.
`,
};

function camel(name) {
  return name.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase());
}

function takes({ kind, form, values }) {
  if (kind === "script") return "Lua";
  if (kind === "block" || kind === "flag") return { block: "a block", flag: "on, off" }[kind];
  if (kind === "enum") return Object.keys(values).join(", ");
  return kind === "own" || kind === "words" ? (form ?? (kind === "words" ? "words" : "one value")) : kind;
}

function row([name, spec]) {
  const isInherited = spec.in.length > 1 && spec.kind !== "block" && spec.store !== "none";
  const merge = spec.merge ?? (isInherited ? "inherit" : "");
  const value = spec.default ? `\`${spec.default}\`` : "";
  const names = name.includes("_") ? `\`${name}\`<br>\`${camel(name)}\`` : `\`${name}\``;
  return `| ${names} | ${spec.in.join(", ")} | ${takes(spec)} | ${value} | ${merge} | ${spec.about} |`;
}

/** The document that a directive table makes. */
export function configurationDocument(directives) {
  const entries = Object.entries(directives);
  const works = entries.filter(([, spec]) => !spec.about.startsWith("accepted, no effect"));
  const parts = [head];
  const titles = [...new Set(Object.values(modules).filter((title) => title))];
  for (const title of titles) {
    const rows = works.filter(([, spec]) => (spec.module === "http" ? "HTTP" : modules[spec.module]) === title);
    parts.push(
      `## ${title}\n\n| directive | stands in | takes | default | inner blocks | does |\n| --- | --- | --- | --- | --- | --- |\n${rows.map(row).join("\n")}\n`,
    );
    if (notes[title]) parts.push(notes[title]);
  }
  const idle = entries.filter(([, spec]) => spec.about.startsWith("accepted, no effect"));
  const rows = idle.map(
    ([name, spec]) => `| \`${name}\` | ${spec.in.join(", ")} | ${spec.about.replace(/^accepted, no effect:? ?/, "")} |`,
  );
  parts.push(
    `## Accepted, no effect\n\nFor the sake of existing files; values are checked all the same.\n\n| directive | stands in | |\n| --- | --- | --- |\n${rows.join("\n")}\n`,
  );
  return parts.join("\n");
}

const apiHead = `<!-- Written by scripts/docs.mjs from test/phase/table.js; change the table, not this file. -->

# Lua API

The global \`ngx\` is lua-nginx-module's. Each entry below is called in each phase by \`test/phase/matrix.test.js\`, which also
holds the refusals to their words; what the last table names is not there yet, and a test says so as well.

## Phases

\`init init_worker server_rewrite rewrite access precontent content header_filter body_filter log timer exit_worker\`

| phases | are |
| --- | --- |
| every | all of them |
| request | from \`server_rewrite\` to \`log\` |
| output | from \`server_rewrite\` to \`content\`: a response can be begun |

Elsewhere an entry throws, at the line that calls it, \`API disabled in the context of header_filter_by_lua*\` (whatever the phase;
timers are \`ngx.timer\`); where the request itself is missing, \`API disabled in the current context\`, and in \`init\`
\`no request found\`.

**Whatever waits may wait in every phase**: \`ngx.sleep\`, \`ngx.thread\`, semaphores, timers, a module while it is loaded by
\`require\`, in coroutines of your own too. In lua-nginx-module they refuse outside of the request phases and timers; the
column *beyond* says where Moonwire goes further. A \`log\` handler that waits holds neither the response nor the connection.
`;

/** The document that the table of the phase matrix makes. */
export function luaApiDocument({ groups, missing, phases, allowed }) {
  const where = (entry) => {
    if (entry.where === "request" || entry.where === "output") return entry.where;
    const list = allowed(entry);
    if (list.length === phases.length) return "every";
    if (list.length < phases.length / 2) return list.join(", ");
    const left = phases.filter((phase) => !list.includes(phase));
    return left.length < 4 ? `every but ${left.join(", ")}` : list.join(", ");
  };
  const titles = Object.keys(groups);
  const constants = titles.filter((title) => title.startsWith("Constants: "));
  const parts = [apiHead, "## Constants\n"];
  for (const title of constants) {
    const names = groups[title].map(({ name, value }) =>
      value === undefined ? `\`${name}\`` : `\`${name}\` ${value}`,
    );
    parts.push(`${title.slice("Constants: ".length)}: ${names.join(", ")}\n`);
  }
  for (const title of titles.filter((t) => !constants.includes(t))) {
    const rows = groups[title].map(
      (entry) => `| \`${entry.name}\` | ${where(entry)} | ${(entry.beyond ?? []).join(", ")} | ${entry.note ?? ""} |`,
    );
    parts.push(`## ${title}\n\n| entry | phases | beyond | |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`);
  }
  const code = (names = []) => names.map((name) => `\`${name}\``);
  const rows = Object.entries(missing).map(
    ([title, { fields, modules }]) => `| ${title} | ${[...code(fields), ...code(modules)].join(", ")} |`,
  );
  parts.push(`## Not there yet\n\n| | |\n| --- | --- |\n${rows.join("\n")}\n`);
  return parts.join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { directives } = await import(join(root, "dist/conf/directives/index.js"));
  writeFileSync(join(root, "docs/configuration.md"), configurationDocument(directives));
  writeFileSync(join(root, "docs/lua-api.md"), luaApiDocument(await import(join(root, "test/phase/table.js"))));
}
