import assert from "node:assert/strict";
import { test } from "node:test";
import type * as quic from "millrace/quic";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { Network } from "../kit/namespaces.js";

const FIRST = 40_000;
const PORTS = 16;

test("port 0 is a port that is free on every address, where others have all but one of them on some", async (t) => {
  const loopback = await Loopback.make();
  const network = await Network.make();
  t.after(() => network.remove());
  await network.server.setting("ipv4/ip_local_port_range", `${FIRST} ${FIRST + PORTS - 1}`);
  const holder = network.server.start(new URL("./port_program.js", import.meta.url));
  const free = FIRST + 7;
  for (let port = FIRST; port < FIRST + PORTS; port++) {
    if (port !== free)
      await holder.call("hold", { address: port % 2 === 0 ? "10.99.2.2" : "fd99:2::2", port });
  }
  const options = { host: "127.0.0.1", port: 0, alpn: [rawAlpn], tls: loopback.identity };
  const server = network.server.start(new URL("./server_program.js", import.meta.url));
  const { port } = await server.call<quic.SocketAddress>("listen", options);
  assert.equal(port, free);
  const second = network.server.start(new URL("./server_program.js", import.meta.url));
  await assert.rejects(second.call("listen", options), /AddressInUseError: no UDP port is free/);
});
