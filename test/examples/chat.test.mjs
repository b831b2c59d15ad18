// SPDX-License-Identifier: MIT
// examples/chat as its README starts it: in Chromium, by clients on all workers, without Redis and with it.
import { fileURLToPath } from "node:url";
import test from "ava";
import WebSocket from "ws";
import { startRedis } from "../helpers/backend.js";
import { newPage, startBrowser } from "../helpers/browser.js";
import { get, spawnMoonwire, waitFor } from "../helpers/index.js";

const folder = fileURLToPath(new URL("../../examples/chat", import.meta.url));

/** Serves the example with two workers; resolves to its port. */
async function serveChat(t, env = {}) {
  t.timeout(240_000);
  const server = spawnMoonwire(["serve"], { cwd: folder, env: { PORT: "0", CHAT_WORKERS: "2", ...env } });
  t.teardown(async () => {
    server.kill("SIGKILL");
    await server.exit;
  });
  const port = await waitFor(() => Number(/listening on \S+:(\d+)/.exec(server.stdout())?.[1]), "the port");
  const url = `http://127.0.0.1:${port}/chat`;
  await waitFor(async () => (await get(`${url}?name=x`)).status === 400, "the bus"); // 503 until then
  return { port, log: () => server.stderr() };
}

/** A member without a browser; `seen` is what came, `worker` its worker. */
async function join(t, port, name, options) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?name=${encodeURIComponent(name)}`, options);
  const seen = [];
  socket.on("message", (data) => seen.push(JSON.parse(data.toString())));
  t.teardown(() => socket.terminate());
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  const { worker } = await waitFor(() => seen.find((m) => m.type === "hello"), "hello");
  const texts = (type = "message") => seen.filter((m) => m.type === type).map((m) => m.text ?? m.from);
  return {
    name,
    socket,
    seen,
    texts,
    worker,
    heard: (text) => waitFor(() => texts().includes(text), `${name}: ${text}`),
  };
}

/** Members until both workers have two. */
async function joinAll(t, port) {
  const members = [];
  const count = (worker) => members.filter((m) => m.worker === worker).length;
  while (count(0) < 2 || count(1) < 2) {
    if (members.length === 64) throw new Error("all connections go to one worker");
    members.push(await join(t, port, `member ${members.length}`));
  }
  return members;
}

async function everybodyHears(t, port) {
  const members = await joinAll(t, port);
  const [a, b] = [0, 1].map((worker) => members.find((m) => m.worker === worker));
  for (let i = 0; i < 50; i++) {
    a.socket.send(`a${i}`);
    b.socket.send(`b${i}`);
  }
  for (const m of members) {
    await m.heard("a49");
    await m.heard("b49");
    for (const from of ["a", "b"]) {
      const texts = m.texts().filter((text) => text.startsWith(from));
      t.deepEqual(
        texts,
        Array.from({ length: 50 }, (_, i) => from + i),
        `${m.name} hears each once, in order`,
      );
    }
  }
  b.socket.close();
  await waitFor(() => a.texts("leave").includes(b.name), "who left");
}

test("everybody on every worker hears everybody, once and in order", async (t) => {
  const { port } = await serveChat(t);
  await everybodyHears(t, port);
});

test("the same through Redis, over two servers", async (t) => {
  const redis = await startRedis(t);
  if (!redis) return t.pass();
  const env = { CHAT_REDIS: `127.0.0.1:${redis}` };
  const [one, two] = await Promise.all([serveChat(t, env), serveChat(t, env)]);
  await everybodyHears(t, one.port);
  const [a, b] = [await join(t, one.port, "a"), await join(t, two.port, "b")];
  a.socket.send("over there?");
  await b.heard("over there?");
});

test("who may not join, what is not sent on", async (t) => {
  const { port } = await serveChat(t);
  const refused = (name, options) =>
    t.throwsAsync(join(t, port, name, options)).then((error) => /\d{3}/.exec(error.message)[0]);
  t.is(await refused(""), "400");
  t.is(await refused("x".repeat(41)), "400");
  t.is(await refused("x", { origin: "http://elsewhere.test" }), "403");
  const a = await join(t, port, "a", { origin: `http://127.0.0.1:${port}` });
  const b = await join(t, port, "b");
  for (const text of ["  ", "\x01\x02", Buffer.from([0xff, 0xfe]), "x".repeat(2001)])
    a.socket.send(text, { binary: false });
  a.socket.send(Buffer.from("binary"));
  a.socket.send(" é\x07 ");
  a.socket.ping("here");
  await new Promise((pong) => a.socket.once("pong", pong));
  await b.heard("é");
  t.deepEqual(b.texts(), ["é"]);
  a.socket.send("x".repeat(5000)); // more than the handler takes in one frame
  await waitFor(() => b.texts("leave").includes("a"), "the end of a");
});

test("the page in Chromium: two visitors talk, markup stays text", async (t) => {
  t.timeout(240_000);
  const browser = await startBrowser(t);
  if (!browser) return t.pass();
  const { port } = await serveChat(t);
  const visit = async (name) => {
    const visitor = await newPage(browser);
    await visitor.page.goto(`http://127.0.0.1:${port}/`);
    await visitor.page.fill("#name", name);
    await visitor.page.click("#enter button");
    await visitor.page.waitForSelector(`#state:has-text("connected as ${name}")`);
    return visitor;
  };
  const say = async ({ page }, text) => {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  };
  const texts = ({ page }) => page.locator(".message .text").allTextContents();
  const ada = await visit("Ada");
  const grace = await visit("Grace");
  await ada.page.waitForSelector('.note:has-text("Grace joined")');
  await say(ada, "<b>hello</b>");
  await grace.page.waitForSelector('.message:has-text("<b>hello</b>")');
  await say(grace, "héllo 🌒");
  for (const { page } of [ada, grace]) await page.waitForSelector('.message:has-text("héllo 🌒")');
  for (const visitor of [ada, grace]) t.deepEqual(await texts(visitor), ["<b>hello</b>", "héllo 🌒"]);
  t.deepEqual(await ada.page.locator(".mine .text").allTextContents(), ["<b>hello</b>"]);
  await grace.page.close();
  await ada.page.waitForSelector('.note:has-text("Grace left")');
  t.deepEqual([...ada.problems, ...grace.problems], []);
});
