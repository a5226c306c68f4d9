import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { createRelay, type Relay, type RelayOptions } from "millrace/testing";
import { AddressInUseError, AddressUnavailableError, InvalidArgumentError } from "#internal/errors.js";
import { until } from "../kit/until.js";
import { refusesEach } from "./refusals.js";

interface Received {
  readonly text: string;
  readonly from: string;
}

/** A UDP socket that keeps what it gets. */
class Peer {
  readonly received: Received[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (bytes, { address, port }) => {
      this.received.push({ text: bytes.toString(), from: `${address}:${port}` });
    });
  }

  static async open(t: TestContext, address = "127.0.0.1", echo = false): Promise<Peer> {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.bind(0, address);
    await once(socket, "listening");
    t.after(() => socket.close());
    if (echo) socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address));
    return new Peer(socket);
  }

  get address() {
    return this.#socket.address();
  }

  get texts(): string[] {
    return this.received.map(({ text }) => text);
  }

  send(text: string, to: { readonly address: string; readonly port: number }): void {
    this.#socket.send(text, to.port, to.address);
  }
}

async function relayTo(t: TestContext, target: Peer, options: Partial<RelayOptions> = {}): Promise<Relay> {
  const relay = await createRelay({ target: target.address, ...options });
  t.after(() => relay.close());
  return relay;
}

describe("a relay", () => {
  for (const address of ["127.0.0.1", "::1"]) {
    test(`carries datagrams both ways over ${address}, each client's to that client`, async (t) => {
      const server = await Peer.open(t, address, true);
      const relay = await relayTo(t, server);
      assert.equal(relay.address.address, address);
      const clients = [await Peer.open(t, address), await Peer.open(t, address)];
      clients[0]!.send("one", relay.address);
      clients[1]!.send("two", relay.address);
      await until("both have their answers", () => clients.every(({ received }) => received.length === 1));
      assert.deepEqual(
        clients.map(({ texts }) => texts),
        [["one"], ["two"]],
      );
      assert.equal(relay.flows.length, 2);
      assert.deepEqual(
        relay.flows.map(({ client }) => client.port),
        clients.map((client) => client.address.port),
      );
      for (const { received, forwarded, dropped, receivedBytes, forwardedBytes } of [
        relay.counters.toServer,
        relay.counters.toClient,
      ]) {
        assert.deepEqual([received, forwarded, dropped, receivedBytes, forwardedBytes], [2, 2, 0, 6, 6]);
      }
    });
  }

  test("has faults of its own in each direction, which set changes", async (t) => {
    const server = await Peer.open(t, "127.0.0.1", true);
    const relay = await relayTo(t, server, { toServer: { duplicateRate: 1 }, toClient: { lossRate: 1 } });
    const client = await Peer.open(t);
    client.send("first", relay.address);
    await until("both answers are lost", () => relay.counters.toClient.dropped === 2);
    assert.deepEqual(server.texts, ["first", "first"]);
    relay.set({ toClient: { lossRate: 0 } });
    client.send("second", relay.address);
    await until("both answers arrive", () => client.received.length === 2);
    assert.equal(relay.counters.toServer.duplicated, 2);
    relay.set({ duplicateRate: 0 });
    client.send("third", relay.address);
    await until("one answer arrives", () => client.texts.at(-1) === "third");
    assert.equal(server.received.length, 5);
  });

  test("that is rebound comes from another port, and loses what goes to the old one", async (t) => {
    const server = await Peer.open(t);
    const relay = await relayTo(t, server);
    const client = await Peer.open(t);
    client.send("before", relay.address);
    await until("the server has the first", () => server.received.length === 1);
    const old = relay.flows[0]!.source!;
    await relay.rebind();
    assert.notEqual(relay.flows[0]!.source!.port, old.port);
    server.send("to the old port", { address: "127.0.0.1", port: old.port });
    client.send("after", relay.address);
    await until("the server has the second", () => server.received.length === 2);
    const [before, after] = server.received;
    assert.notEqual(before!.from, after!.from);
    server.send("to the new port", { address: "127.0.0.1", port: relay.flows[0]!.source!.port });
    await until("the client has an answer", () => client.received.length > 0);
    assert.deepEqual(client.texts, ["to the new port"]);
  });

  test("can be rebound to another address", async (t) => {
    const server = await Peer.open(t);
    const relay = await relayTo(t, server);
    const client = await Peer.open(t);
    client.send("before", relay.address);
    await until("the server has the first", () => server.received.length === 1);
    await relay.rebind({ address: "127.0.0.9" });
    client.send("after", relay.address);
    await until("the server has the second", () => server.received.length === 2);
    assert.match(server.received[1]!.from, /^127\.0\.0\.9:/);
    await assert.rejects(relay.rebind({ address: "192.0.2.1" }), AddressUnavailableError);
    await assert.rejects(relay.rebind({ address: "::1" }), InvalidArgumentError);
  });

  test("blocks UDP in one direction or both, until it is unblocked", async (t) => {
    const server = await Peer.open(t, "127.0.0.1", true);
    const relay = await relayTo(t, server);
    const client = await Peer.open(t);
    relay.block();
    client.send("blocked", relay.address);
    await until("it is dropped", () => relay.counters.toServer.droppedBy.blocked === 1);
    relay.unblock("toServer");
    client.send("half", relay.address);
    await until("its answer is dropped", () => relay.counters.toClient.droppedBy.blocked === 1);
    relay.unblock();
    client.send("whole", relay.address);
    await until("it is answered", () => client.received.length === 1);
    assert.deepEqual(client.texts, ["whole"]);
    assert.deepEqual(server.texts, ["half", "whole"]);
  });

  test("takes clients to another server, as after a restart at the same address", async (t) => {
    const [first, second] = [await Peer.open(t), await Peer.open(t, "127.0.0.1", true)];
    const relay = await relayTo(t, first);
    const client = await Peer.open(t);
    client.send("before", relay.address);
    await until("the first has it", () => first.received.length === 1);
    await relay.retarget(second.address);
    client.send("after", relay.address);
    await until("the second answers", () => client.received.length === 1);
    assert.deepEqual([first.texts, second.texts], [["before"], ["after"]]);
    await assert.rejects(relay.retarget({ address: "::1", port: 1 }), InvalidArgumentError);
    await assert.rejects(relay.retarget({ address: "127.0.0.1", port: 0 }), InvalidArgumentError);
  });

  test("records what comes in, with its fate, as far as it may", async (t) => {
    const server = await Peer.open(t, "127.0.0.1", true);
    const relay = await relayTo(t, server, { record: true, maxRecordedBytes: 8, maxDatagramBytes: 3 });
    const client = await Peer.open(t);
    client.send("ab", relay.address);
    await until("it is answered", () => client.received.length === 1);
    client.send("long", relay.address);
    client.send("c", relay.address);
    await until("the last is answered", () => client.received.length === 2);
    const seen = relay.recorded.map(({ direction, bytes, fate }) => [
      direction,
      Buffer.from(bytes).toString(),
      fate,
    ]);
    assert.deepEqual(seen, [
      ["toServer", "ab", "forwarded"],
      ["toClient", "ab", "forwarded"],
      ["toServer", "long", "size"],
    ]);
    assert.equal(relay.unrecorded, 2);
    assert.equal(relay.recorded[0]!.client.port, client.address.port);
  });

  test("lets no more than maxClients pass at once", async (t) => {
    const server = await Peer.open(t, "127.0.0.1", true);
    const relay = await relayTo(t, server, { maxClients: 1 });
    const [first, second] = [await Peer.open(t), await Peer.open(t)];
    first.send("first", relay.address);
    await until("it is answered", () => first.received.length === 1);
    second.send("second", relay.address);
    await until("the second is dropped", () => relay.counters.toServer.droppedBy.flows === 1);
    assert.deepEqual(server.texts, ["first"]);
  });

  test("is closed once and for all by close or its end of scope, whatever is under way", async (t) => {
    const server = await Peer.open(t);
    const relay = await createRelay({ target: server.address, delayMs: 60_000 });
    const client = await Peer.open(t);
    client.send("never", relay.address);
    await until("it is under way", () => relay.counters.toServer.received === 1);
    await Promise.all([relay.close(), relay.close(), relay[Symbol.asyncDispose]()]);
    const again = await createRelay({ target: server.address, listen: { port: relay.address.port } });
    await again.close();
    assert.deepEqual(server.received, []);
  });

  test("says what is wrong with its options", async (t) => {
    const server = await Peer.open(t);
    const target = server.address;
    const refused: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /options/],
      [{}, /target/],
      [{ target: { address: "", port: 1 } }, /target\.address/],
      [{ target: { address: "127.0.0.1", port: 0 } }, /target\.port/],
      [{ target, listen: { port: 65_536 } }, /listen\.port/],
      [{ target, lossRate: 1.1 }, /lossRate must be a number from 0 to 1, and not 1.1/],
      [{ target, reorderRate: Number.NaN }, /reorderRate/],
      [{ target, delayMs: -1 }, /delayMs/],
      [{ target, jitterMs: "1" }, /jitterMs/],
      [{ target, toServer: { duplicateRate: 2 } }, /toServer\.duplicateRate/],
      [{ target, toClient: { lost: 1 } }, /toClient\.lost/],
      [{ target, toClient: 1 }, /toClient/],
      [{ target, losRate: 1 }, /no option "losRate"; did you mean lossRate\?/],
      [{ target, bytesPerSecond: 0 }, /bytesPerSecond/],
      [{ target, seed: 1.5 }, /seed/],
      [{ target, record: 1 }, /record/],
      [{ target, maxClients: 0 }, /maxClients/],
      [{ target, maxRecordedBytes: -1 }, /maxRecordedBytes/],
      [{ target, sourceAddress: 1 }, /sourceAddress/],
      [{ target, sourceAddress: "::1" }, /sourceAddress/],
    ];
    await refusesEach(createRelay, refused);
    const listen = { port: target.port };
    await assert.rejects(createRelay({ target, listen }), AddressInUseError);
    await assert.rejects(createRelay({ target, listen: { address: "192.0.2.1" } }), AddressUnavailableError);
    const relay = await relayTo(t, server, { lossRate: 0.5 });
    assert.throws(() => relay.set({ lossRate: 0, toClient: { delayMs: -1 } }), InvalidArgumentError);
    assert.throws(() => relay.block("up" as "toServer"), InvalidArgumentError);
  });
});
