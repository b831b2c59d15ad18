// SPDX-License-Identifier: MIT
// The ports that tests give to servers, which poll them until the server is there.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import test from "ava";
import { freePort } from "../helpers/index.js";

test("a free port is refused until its server is there: the system gives it to nobody", async (t) => {
  const [first, last] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/).map(Number);
  const port = await freePort();
  if (first > 20_000) t.true(port < first || port > last, `${port} is between ${first} and ${last}`);
  const error = await new Promise((resolve) => connect(port, "127.0.0.1").on("error", resolve));
  t.is(error.code, "ECONNREFUSED");
});
