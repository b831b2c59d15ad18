// SPDX-License-Identifier: MIT
// Run by test/api/resolver.test.mjs as root of a network and mount namespace, in whose /etc/resolv.conf (resolv.conf of the
// working directory) it may write: name servers on port 53, and a LuaVm that looks names up.
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { LuaVm } from "moonwire";
import { dnsServer } from "./dns.js";

const t = { teardown() {} };
const known = (...names) => {
  return (name, type) => (names.includes(name) && type === "A" ? { addresses: ["127.0.0.1"] } : { code: "NXDOMAIN" });
};
await dnsServer(t, known("web.example.internal"), { port: 53 });
await dnsServer(t, known("moved.internal"), { port: 53, host: "127.0.0.2" });
const server = createServer((socket) => socket.end(socket.localAddress));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

writeFileSync("resolv.conf", "nameserver 127.0.0.1\nsearch example.internal\n");
const vm = await LuaVm.create();
const tryName = async (name) => {
  const code = `local s = ngx.socket.tcp() local ok, err = s:connect(...) return ok and s:receive("*a") or err`;
  console.log(await vm.run(code, name, server.address().port));
};
await tryName("web.example.internal");
await tryName("web");
await tryName("moved.internal");
writeFileSync("resolv.conf", "nameserver 127.0.0.2\n");
await new Promise((next) => setTimeout(next, 1100)); // how long a failure is kept
await tryName("moved.internal");
process.exit(0);
