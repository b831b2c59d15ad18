// SPDX-License-Identifier: MIT
// What `moonwire init` writes: a small project that serves, and is tested, as it stands.

/** The files of a new project called `name`, by path. */
export function projectFiles(name: string, moonwireVersion: string): Record<string, string> {
  const manifest = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    scripts: {
      start: "moonwire serve",
      dev: "moonwire serve --watch",
      check: "moonwire check",
      test: "node --test",
    },
    dependencies: { moonwire: `^${moonwireVersion}` },
  };
  return {
    "package.json": `${JSON.stringify(manifest, null, 2)}\n`,
    ".gitignore": "node_modules/\nlogs/\n",
    "README.md": readme(name),
    "moonwire.config.ts": config,
    "lua/hello.lua": handler,
    "test/hello.test.mjs": handlerTest,
  };
}

const config = `// A property is an nginx directive in camelCase, nested as nginx nests it; your editor knows them all.
// After an edit: npx moonwire check
import { defineConfig, lua, luaFile } from "moonwire";

export default defineConfig({
  workerProcesses: "auto",
  http: {
    luaPackagePath: "$prefix/lua/?.lua;;",
    luaSharedDict: { counters: "1m" },
    server: [
      {
        listen: ["127.0.0.1:8080"],
        location: {
          "= /": { contentByLua: lua\`ngx.say("Moonwire serves this. Try /hello?name=you")\` },
          "= /hello": { contentByLua: luaFile("lua/hello.lua") },
        },
      },
    ],
  },
});
`;

const handler = `-- GET /hello?name=NAME: a greeting as JSON, with how often that name was greeted by all workers together.
local cjson = require "cjson.safe"

local name = ngx.var.arg_name
if not name or name == "" then
  ngx.status = ngx.HTTP_BAD_REQUEST
  return ngx.say(cjson.encode { error = "say who you are: /hello?name=NAME" })
end
name = ngx.unescape_uri(name)

local count, err = ngx.shared.counters:incr(name, 1, 0)
if not count then
  ngx.log(ngx.ERR, "cannot count: ", err)
  return ngx.exit(ngx.HTTP_INTERNAL_SERVER_ERROR)
end

ngx.header.content_type = "application/json"
ngx.say(cjson.encode { greeting = "hello, " .. name, count = count })
`;

const handlerTest = `// npm test: the configuration that you deploy, served on a port of the test's own.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { testServer } from "moonwire";

const config = fileURLToPath(new URL("../moonwire.config.ts", import.meta.url));

test("/hello greets and counts", async (t) => {
  const server = await testServer(config);
  t.after(() => server.close());

  const first = await server.fetch("/hello?name=Ada%20L");
  assert.equal(first.status, 200);
  assert.deepEqual(await first.json(), { greeting: "hello, Ada L", count: 1 });
  const second = await server.fetch("/hello?name=Ada%20L");
  assert.equal((await second.json()).count, 2);
});

test("/hello asks for a name", async (t) => {
  const server = await testServer(config);
  t.after(() => server.close());

  const response = await server.fetch("/hello");
  assert.equal(response.status, 400);
  assert.match((await response.json()).error, /name=NAME/);
});
`;

function readme(name: string): string {
  return `# ${name}

Lua handlers in nginx's phases, served by Moonwire.

\`\`\`sh
npm install
npm start         # http://127.0.0.1:8080
npm run dev       # the same; a saved file goes live without a lost request
npm test          # the tests in test/
npm run check     # every mistake of the configuration, with file:line:column
\`\`\`

| | |
| --- | --- |
| \`moonwire.config.ts\` | what is served where: nginx's directives, typed |
| \`lua/hello.lua\` | a handler: \`curl 'http://127.0.0.1:8080/hello?name=you'\` |
| \`test/hello.test.mjs\` | its test |

The documents are in \`node_modules/moonwire/docs\`: \`configuration.md\` (every directive), \`lua-api.md\` (the whole Lua API),
\`testing.md\`, \`cli.md\`.
`;
}
