import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Connection, ConnectionLostError, connect, listen, type Transport } from "millrace";
import { deferred } from "../kit/deferred.js";
import { describeTransport } from "./suite.js";

type MemoryTransport = Transport & { plugged: boolean };

const example = new URL("../../../examples/transport/memory.js", import.meta.url);
const { MemoryTransport } = (await import(example.href)) as { MemoryTransport: new () => MemoryTransport };

// Nothing in memory keeps a process alive.
const alive = setInterval(() => {}, 1_000);
after(() => clearInterval(alive));

const network = new MemoryTransport();

describeTransport("A transport in memory, by the public contract", {
  url: "memory://127.0.0.1:0",
  secureUrl: undefined,
  serverPauses: true,
  tellsClientPort: true,
  transports: [network],
  async silentPeer() {
    network.plugged = false;
    return {
      port: 1,
      async close() {
        network.plugged = true;
      },
    };
  },
});

async function pair(network: MemoryTransport, idleTimeoutMs = 0) {
  const opened = deferred<Connection>();
  const options = { transports: [network], idleTimeoutMs };
  const listener = await listen("memory://a:1", { open: (server) => opened.resolve(server) }, options);
  const client = await connect("memory://a:1", {}, options);
  return { listener, client, server: await opened.promise };
}

test("a cable that is pulled is noticed at both ends of a connection in memory", async () => {
  const network = new MemoryTransport();
  const { client, server } = await pair(network, 100);
  client.send(new Uint8Array(1));
  network.plugged = false;
  for (const { by, error } of await Promise.all([client.closed, server.closed])) {
    assert.equal(by, "transport");
    assert.ok(error instanceof ConnectionLostError);
  }
});

test("a connection in memory on which nothing is said outlives its idle timeout many times", async () => {
  const { listener, client, server } = await pair(new MemoryTransport(), 20);
  let beats = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (++beats < 40) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
  assert.deepEqual([client.state, server.state], ["open", "open"]);
  await listener.close();
});

test("what is sent while the cable is out comes in order when it is in again", async () => {
  const network = new MemoryTransport();
  const { listener, client, server } = await pair(network);
  network.plugged = false;
  for (const byte of [1, 2, 3]) client.send(Uint8Array.of(byte));
  server.send(Uint8Array.of(4));
  network.plugged = true;
  client.send(Uint8Array.of(5));
  const received = [];
  for await (const message of server) {
    received.push(message[0]);
    if (received.length === 4) break;
  }
  assert.deepEqual(received, [1, 2, 3, 5]);
  for await (const message of client) {
    assert.deepEqual([...message], [4]);
    break;
  }
  await listener.close();
});

test("a client that gives up before it is answered leaves no connection behind", async () => {
  const network = new MemoryTransport();
  const opened = deferred<Connection>();
  const options = { transports: [network] };
  const listener = await listen("memory://a:1", { open: (server) => opened.resolve(server) }, options);
  network.plugged = false;
  await assert.rejects(connect("memory://a:1", {}, { ...options, handshakeTimeoutMs: 10 }), {
    code: "ERR_MILLRACE_HANDSHAKE_TIMEOUT",
  });
  network.plugged = true;
  const { by, error } = await (await opened.promise).closed;
  assert.equal(by, "transport");
  assert.ok(error instanceof ConnectionLostError);
  assert.equal(listener.connectionCount, 0);
  await listener.close();
});

test("an end whose deadline passes is told to both sides as a loss", async () => {
  const { client, server } = await pair(new MemoryTransport());
  server.pause();
  client.send(new Uint8Array(1));
  const own = await client.close({ code: 300, deadlineMs: 20 });
  assert.deepEqual([own.by, own.code, own.error?.code], ["local", 300, "ERR_MILLRACE_CONNECTION_LOST"]);
  const peers = await server.closed;
  assert.deepEqual([peers.by, peers.error?.code], ["transport", "ERR_MILLRACE_CONNECTION_LOST"]);
});
