import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { frameCodec, jsonCodec } from "millrace";
import { connect } from "millrace/client";
import { createServer, type Server } from "millrace/server";
import { describeSessions } from "./suite.js";

describeSessions("TCP", { url: "tcp://127.0.0.1:0" });

const codecs = [frameCodec, jsonCodec];

/** What the two ends have written: a write each, as long as they await each other. */
interface Wire {
  readonly url: string;
  readonly client: string[];
  readonly server: string[];
}

/** A way to a server that keeps what goes over it. */
async function tap(t: TestContext, server: Server): Promise<Wire> {
  const said = { client: [] as string[], server: [] as string[] };
  const { port } = server.addresses[0]!;
  const listener = createTcpServer((socket) => {
    const onward = connectTcp({ host: "127.0.0.1", port });
    socket.on("data", (chunk) => said.client.push(chunk.toString("latin1"))).pipe(onward);
    onward.on("data", (chunk) => said.server.push(chunk.toString("latin1"))).pipe(socket);
    for (const each of [socket, onward]) t.after(() => each.destroy());
    for (const each of [socket, onward]) each.on("error", () => {});
  });
  t.after(() => listener.close());
  await once(listener.listen(0, "127.0.0.1"), "listening");
  return { url: `tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`, ...said };
}

describe("a session over TCP", () => {
  test("begins by one write of each side, where its client names one protocol", async (t) => {
    const server = await createServer({ listen: "tcp://127.0.0.1:0" }, {});
    t.after(() => server.close({ graceful: false }));
    const { url, ...wire } = await tap(t, server);
    const client = await connect(url, { token: "sesame" });
    assert.match(wire.client[0]!, /^MILLRACE millrace\/1\n.+sesame/s);
    assert.match(wire.server[0]!, /^MILLRACE millrace\/1\n.+session/s);
    assert.equal(wire.server.length, 1);
    await client.close();
  });

  test("says hello when its server has chosen between several", async (t) => {
    const server = await createServer({ listen: "tcp://127.0.0.1:0", codecs: [jsonCodec] }, {});
    t.after(() => server.close({ graceful: false }));
    const { url, ...wire } = await tap(t, server);
    const client = await connect(url, { codecs });
    assert.equal(wire.client[0], "MILLRACE millrace/1 millrace-json/1\n");
    assert.equal((await client.sendAcked("well")).status, "acknowledged");
    await client.close();
  });
});
