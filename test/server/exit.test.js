// SPDX-License-Identifier: MIT
// How a process with native workers ends: by itself when all is closed, cleanly by process.exit(), and from node Workers.
import { execFile } from "node:child_process";
import test from "ava";

const config = `{ workerProcesses: 2, errorLog: "stderr crit", http: { accessLog: "off",
  server: [{ listen: ["127.0.0.1:0"], location: { "/": { contentByLua: lua\`ngx.sleep(0.001) ngx.say(ngx.md5("x"))\` } } }] } }`;

function node(source) {
  const script = `import { serve, lua, LuaVm, ffi } from "moonwire";\nimport { Worker } from "node:worker_threads";\n${source}`;
  const cwd = new URL("../..", import.meta.url);
  return new Promise((resolve) => {
    const argv = ["--input-type=module", "-e", script];
    execFile(
      process.execPath,
      argv,
      { cwd, timeout: process.env.MW_TEST_SANITIZER ? 90_000 : 20_000 },
      (error, stdout, stderr) => {
        resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr });
      },
    );
  });
}

test("the process ends by itself once the server is closed", async (t) => {
  const r = await node(
    `const s = await serve(${config}); setTimeout(() => s.close(), 50); s.on("workerExit", (e) => console.log(e.left));`,
  );
  t.is(r.stdout, "1\n0\n");
  t.is(r.code, 0, r.stderr);
});

test("a serving server keeps the process alive, an idle LuaVm does not", async (t) => {
  const r = await node(`const vm = await LuaVm.create(); console.log(await vm.run("return 1"));`);
  t.is(r.stdout, "1\n");
  t.is(r.code, 0, r.stderr);
});

test("process.exit() with workers under load keeps its code", async (t) => {
  const runs = Array.from({ length: 5 }, () =>
    node(`const s = await serve(${config}); const url = "http://" + s.addresses[0];
      for (let i = 0; i < 20; i++) (async () => { for (;;) await fetch(url).then((r) => r.text()); })().catch(() => {});
      setTimeout(() => process.exit(7), 100);`),
  );
  for (const r of await Promise.all(runs)) t.is(r.code, 7, r.stderr);
});

test("an uncaught exception is code 1 and no crash", async (t) => {
  const r = await node(`await serve(${config}); setTimeout(() => { throw new Error("mine"); }, 20);`);
  t.is(r.code, 1);
  t.regex(r.stderr, /Error: mine/);
});

test("servers and ffi in node Workers, each ended from outside", async (t) => {
  const worker = `import("moonwire").then(async ({ serve, lua, ffi }) => {
    await serve(${config});
    ffi.cdef("int getpid(void);");
    (await import("node:worker_threads")).parentPort.postMessage(ffi.C.getpid());
  });`;
  const r = await node(`
    for (let i = 0; i < 4; i++) {
      const w = new Worker(${JSON.stringify(worker)}, { eval: true });
      const pid = await new Promise((resolve, reject) => w.on("message", resolve).on("error", reject));
      if (pid !== process.pid) throw new Error("wrong pid");
      await w.terminate();
    }
    console.log("done");`);
  t.is(r.stdout, "done\n", r.stderr);
  t.is(r.code, 0, r.stderr);
});

test("an environment that ends while workers are starting takes them with it", async (t) => {
  const worker = `import("moonwire").then(async ({ LuaVm }) => {
    const { parentPort } = await import("node:worker_threads");
    for (let i = 0; ; i++) {
      await LuaVm.create();
      if (i === 2) parentPort.postMessage("now");
    }
  });`;
  const r = await node(`
    for (let i = 0; i < 10; i++) {
      const w = new Worker(${JSON.stringify(worker)}, { eval: true });
      await new Promise((resolve, reject) => w.on("message", resolve).on("error", reject));
      await w.terminate();
    }
    console.log("done");`);
  t.is(r.stdout, "done\n", r.stderr);
  t.is(r.code, 0, r.stderr);
});
