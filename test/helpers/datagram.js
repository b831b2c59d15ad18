// SPDX-License-Identifier: MIT
// Datagram servers for tests: UDP by node, unix sockets, which node has not got, by perl.
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";

/** A UDP server that answers each datagram with those that `reply(text)` returns: one, a list of them, or null for none. */
export async function udpServer(t, reply = (text) => text, { host = "127.0.0.1" } = {}) {
  const server = createSocket(host.includes(":") ? "udp6" : "udp4");
  server.on("message", (data, { port, address }) => {
    for (const answer of [reply(data.toString("latin1"), address) ?? []].flat())
      server.send(Buffer.from(answer, "latin1"), port, address);
  });
  await new Promise((resolve, reject) => server.on("error", reject).bind(0, host, resolve));
  t.teardown(() => server.close());
  return server.address().port;
}

const unixEcho = `use IO::Socket::UNIX; use Socket; $| = 1;
  my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$!";
  print "ready"; while (my $from = $s->recv(my $data, 65536)) { $s->send("re: $data", 0, $from) }`;

/** A unix datagram server at `path` that answers "TEXT" with "re: TEXT". */
export async function unixDatagramServer(t, path) {
  const child = spawn("perl", ["-e", unixEcho, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  await new Promise((resolve, reject) => child.on("error", reject).stdout.once("data", resolve));
}
