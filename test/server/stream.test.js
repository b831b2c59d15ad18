// SPDX-License-Identifier: MIT
// Stream servers: a TCP connection, whole, is its Lua handler's.
import test from "ava";
import { lua, serve } from "moonwire";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { Wire } from "../helpers/wire.js";

/** A stream server with that handler, beside an http server; `port` is the stream server's. */
async function startStream(t, code, { more = "" } = {}) {
  const s = await startMoonwire(t, {
    conf: `events { } error_log logs/error.log info;
      stream { ${more} server { listen 127.0.0.1:0; content_by_lua_block { ${code} } } }
      http { access_log off; server { listen 127.0.0.1:0; location / { return 200 "http"; } } }`,
  });
  const ports = s.server.addresses.map((a) => Number(/:(\d+)$/.exec(a)[1]));
  return { ...s, ports, port: ports[0] };
}

/** What comes on a new connection until it ends, after sending `bytes`. */
async function talk(port, bytes = "") {
  const wire = new Wire(port);
  if (bytes) wire.send(bytes);
  await waitFor(() => wire.ended);
  wire.socket.destroy();
  return wire.text;
}

test("the handler speaks first, as it likes; its end is the connection's", async (t) => {
  const s = await startStream(t, `ngx.print("220 ready\\r\\n") ngx.say(ngx.var.remote_addr)`);
  t.is(await talk(s.port), "220 ready\r\n127.0.0.1\n");
  t.is(await (await fetch(`http://127.0.0.1:${s.ports[1]}/`)).text(), "http");
});

test("ngx.req.socket reads and writes, ngx.print beside it", async (t) => {
  const s = await startStream(
    t,
    `local sock = assert(ngx.req.socket(true))
     while true do
       local line = sock:receive()
       if not line or line == "quit" then break end
       ngx.print("said ", line, "\\n") assert(ngx.flush(true))
       assert(sock:send("sent " .. line .. "\\n"))
     end
     ngx.say("bye")`,
  );
  const wire = new Wire(s.port);
  for (const word of ["a", "b"]) {
    const before = wire.text;
    wire.send(`${word}\n`);
    await waitFor(() => wire.text === `${before}said ${word}\nsent ${word}\n`);
  }
  wire.send("quit\n");
  await waitFor(() => wire.ended);
  t.is(wire.text, "said a\nsent a\nsaid b\nsent b\nbye\n");
});

test("a relay to another server, both ways at once", async (t) => {
  const target = await startStream(t, "");
  const s = await startStream(
    t,
    `local client, server = assert(ngx.req.socket(true)), ngx.socket.tcp()
     assert(server:connect("127.0.0.1", ${target.ports[1]}))
     local function copy(from, to)
       while true do
         local data = from:receiveany(4096)
         if not data then return end
         assert(to:send(data))
       end
     end
     local back = ngx.thread.spawn(copy, server, client)
     ngx.thread.spawn(copy, client, server)
     ngx.thread.wait(back)
     ngx.exit(0)`,
  );
  const response = await fetch(`http://127.0.0.1:${s.port}/`, { headers: { connection: "close" } });
  t.is(await response.text(), "http");
});

test("more than the client takes at once waits for it", async (t) => {
  const s = await startStream(
    t,
    `for i = 1, 64 do ngx.print(string.rep(string.char(64 + i), 65536)) assert(ngx.flush(true)) end`,
  );
  const text = await talk(s.port);
  t.is(text.length, 64 * 65536);
  t.is(text[65536], "B");
});

test("an error ends its connection without a byte, and is logged; the next one is served", async (t) => {
  const s = await startStream(t, `if ngx.req.socket(true):receive() == "bad" then error("oops") end ngx.say("fine")`);
  t.is(await talk(s.port, "bad\n"), "");
  t.is(await talk(s.port, "good\n"), "fine\n");
  t.regex(s.log(), /content_by_lua\(nginx\.conf:2\):1: oops.*\n(.*\n)*?.*client: 127\.0\.0\.1/);
});

test("log_by_lua runs at the end; a client that leaves ends what reads from it", async (t) => {
  const s = await startStream(t, `ngx.log(ngx.WARN, "read: ", select(2, ngx.req.socket(true):receive()))`, {
    more: `log_by_lua_block { ngx.log(ngx.WARN, "over") }`,
  });
  new Wire(s.port).socket.end();
  await waitFor(
    () => /read: closed[^]*over/.test(s.log()),
    () => s.log(),
  );
  t.pass();
});

test("from a configuration object", async (t) => {
  const server = await serve({
    stream: { server: { listen: "127.0.0.1:0", contentByLua: lua`ngx.say("from ", ngx.get_phase())` } },
  });
  t.teardown(() => server.close());
  t.is(await talk(Number(/:(\d+)$/.exec(server.addresses[0])[1])), "from content\n");
});
