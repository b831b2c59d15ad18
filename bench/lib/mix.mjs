// SPDX-License-Identifier: MIT
// The mixed load of the soak: actors that each do one kind of thing over and over, well-behaved or not. An actor is
// { name, pause (ms between turns), turn(port) }; a turn rejects when the server did something wrong.
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { exchange, requestText } from "./client.mjs";

export const setup = {
  workers: 2,
  workerConnections: 2048,
  http: "lua_shared_dict counters 1m;",
  server: "client_max_body_size 8m; client_header_timeout 5s; client_body_timeout 5s;",
  location: `
    location = /hello { content_by_lua_block { ngx.say("hello, world") } }
    location = /body {
      content_by_lua_block {
        ngx.req.read_body()
        local data = ngx.req.get_body_data()
        local file = ngx.req.get_body_file()
        if file then
          local f = assert(io.open(file, "rb"))
          data = f:read("*a")
          f:close()
        end
        ngx.say(#(data or ""))
      }
    }
    location = /unread { content_by_lua_block { ngx.say("no, thank you") } }
    location = /sleep { content_by_lua_block { ngx.sleep(0.02) ngx.say(ngx.shared.counters:incr("n", 1, 0) > 0) } }
    location = /big { content_by_lua_block { for _ = 1, 64 do ngx.print(string.rep("x", 16384)) end } }
    location = /threads {
      content_by_lua_block {
        local t = ngx.thread.spawn(function() ngx.sleep(0.005) return "joined" end)
        local _, word = ngx.thread.wait(t)
        ngx.say(word)
      }
    }
    location = /error { content_by_lua_block { error("on purpose") } }`,
};

function expect(answer, status, body) {
  if (answer.status !== status) throw new Error(`status ${answer.status}, not ${status}`);
  if (body !== undefined && answer.body !== body) throw new Error(`body ${JSON.stringify(answer.body.slice(0, 80))}`);
}

async function ask(port, request, status, body, count = 1) {
  const bytes = typeof request === "string" ? request : requestText(request);
  for (const a of await exchange(port, bytes.repeat(count), { count, timeout: 10000 })) expect(a, status, body);
}

/// Connects, writes the parts with pauses between, then hangs up: with a FIN, or with a reset.
function leave(port, parts, { pause = 5, reset = false } = {}) {
  return new Promise((done, fail) => {
    const socket = net.connect(port, "127.0.0.1", async () => {
      for (const part of parts) {
        if (!socket.destroyed) socket.write(part);
        await sleep(pause);
      }
      if (reset) socket.resetAndDestroy();
      else socket.destroy();
    });
    socket.on("error", (e) => (e.code === "ECONNREFUSED" ? fail(e) : done()));
    socket.on("close", done);
    socket.resume();
  });
}

/// Writes a request byte group by byte group and expects its answer all the same.
function slowly(port, bytes, pause, status, body) {
  return new Promise((done, fail) => {
    let text = "";
    const socket = net.connect(port, "127.0.0.1", async () => {
      for (let i = 0; i < bytes.length && !socket.destroyed; i += 8) {
        socket.write(bytes.slice(i, i + 8));
        await sleep(pause);
      }
    });
    socket.setTimeout(10000, () => socket.destroy(new Error("no answer to a slow client")));
    socket.on("data", (d) => {
      text += d.toString("latin1");
      if (!text.includes(body)) return;
      socket.destroy();
      if (text.startsWith(`HTTP/1.1 ${status} `)) done();
      else fail(new Error(`slow client got ${text.slice(0, 40)}`));
    });
    socket.on("error", fail).on("close", () => fail(new Error("slow client was cut")));
  });
}

const small = "name=value&".repeat(10);
const large = "0123456789abcdef".repeat(16384); // 256 KiB: past client_body_buffer_size
const post = (path, body) => ({ method: "POST", path, body });
const chunked = (body, size) => {
  const chunks = [];
  for (let i = 0; i < body.length; i += size) {
    const part = body.slice(i, i + size);
    chunks.push(`${part.length.toString(16)}\r\n${part}\r\n`);
  }
  return `POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`;
};

export const actors = [
  { name: "hello", pause: 1, turn: (p) => ask(p, { path: "/hello" }, 200, "hello, world\n", 4) },
  { name: "pipelined", pause: 5, turn: (p) => ask(p, { path: "/hello" }, 200, "hello, world\n", 64) },
  { name: "small post", pause: 5, turn: (p) => ask(p, post("/body", small), 200, `${small.length}\n`, 2) },
  { name: "large post", pause: 50, turn: (p) => ask(p, post("/body", large), 200, `${large.length}\n`) },
  { name: "chunked small", pause: 10, turn: (p) => ask(p, chunked(small, 7), 200, `${small.length}\n`) },
  { name: "chunked large", pause: 50, turn: (p) => ask(p, chunked(large, 5000), 200, `${large.length}\n`) },
  { name: "unread body", pause: 20, turn: (p) => ask(p, post("/unread", small), 200, "no, thank you\n", 2) },
  { name: "sleep", pause: 5, turn: (p) => ask(p, { path: "/sleep" }, 200, "true\n") },
  { name: "threads", pause: 5, turn: (p) => ask(p, { path: "/threads" }, 200, "joined\n") },
  { name: "big answer", pause: 50, turn: (p) => ask(p, { path: "/big" }, 200, "x".repeat(1 << 20)) },
  { name: "not found", pause: 20, turn: (p) => ask(p, { path: "/nothing" }, 404) },
  { name: "lua error", pause: 100, turn: (p) => ask(p, { path: "/error" }, 500) },
  { name: "malformed", pause: 50, turn: (p) => ask(p, "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400) },
  { name: "left in header", pause: 20, turn: (p) => leave(p, ["GET /hello HT", "TP/1.1\r\nHost: x\r\n"]) },
  { name: "reset in header", pause: 20, turn: (p) => leave(p, ["GET /hello HT"], { reset: true }) },
  {
    name: "left in body",
    pause: 30,
    turn: (p) => leave(p, ["POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n", large.slice(0, 100000)]),
  },
  {
    name: "left in answer",
    pause: 50,
    turn: (p) => leave(p, [requestText({ path: "/big" })], { pause: 1, reset: true }),
  },
  { name: "left in sleep", pause: 30, turn: (p) => leave(p, [requestText({ path: "/sleep" })], { reset: true }) },
  {
    name: "slow header",
    pause: 10,
    turn: (p) => slowly(p, requestText({ path: "/hello" }), 100, 200, "hello, world\n"),
  },
  {
    name: "slow body",
    pause: 10,
    turn: (p) => slowly(p, requestText(post("/body", small)), 40, 200, `${small.length}\n`),
  },
];
