import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode } from "millrace";
import { createRelay, type Relay } from "millrace/testing";
import { ConnectionClosedError, FrameMalformedError, FrameTooLargeError } from "#internal/errors.js";
import { hotHeadBytes } from "#internal/frame/codec.js";
import {
  connectFramed,
  type FramedEnd,
  type FramedPairOptions,
  numberedFrame,
  openFramed,
} from "../kit/framed_pair.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();
const { identity, ca } = loopback;
const url = "quic://127.0.0.1:0";

function open(t: TestContext, options: Partial<FramedPairOptions> = {}) {
  return openFramed(t, url, { identity, ca, ...options });
}

/** Sends until one is heard: a datagram may be lost, on the loopback as well. */
async function heardOf(from: FramedEnd, to: FramedEnd, lane: number): Promise<void> {
  await until("a datagram is heard", () => {
    assert.equal(from.connection.sendDatagram!(numberedFrame(lane, 1)), "sent");
    return to.of(lane).length > 0;
  });
}

describe("a frame as a datagram", () => {
  test("goes both ways from the moment the connection is open, in one part or two", async (t) => {
    const { client, server } = await open(t);
    assert.ok(client.connection.maxDatagramBytes! > 1_000);
    assert.ok(server.connection.maxDatagramBytes! > 1_000);
    await heardOf(client, server, 40);
    await heardOf(server, client, 41);
    const frame = numberedFrame(42, 7, 500);
    await until("one in two parts is heard", () => {
      client.connection.sendDatagram!(frame.subarray(0, 48), frame.subarray(48));
      return server.of(42).length > 0;
    });
    assert.equal(server.of(42)[0], 7);
  });

  test("is delivered while all that is reliable waits for what was lost", async (t) => {
    let relay!: Relay;
    const { client, server } = await open(t, {
      way: async (target) => {
        relay = await createRelay({ target });
        t.after(() => relay.close());
        return relay.address.port;
      },
    });
    relay.set({ toServer: { maxDatagramBytes: 900 } });
    client.send(0, 0, 1_000);
    await heardOf(client, server, 50);
    assert.deepEqual(server.of(0), []);
    relay.set({ toServer: { maxDatagramBytes: 1_500 } });
    await until("the other is heard as well", () => server.of(0).length === 1);
  });

  test("of exactly the limit goes; of a byte more it is refused, with the limit, and the connection stays", async (t) => {
    const { client, server } = await open(t);
    const frameOf = (bytes: number) => numberedFrame(3, 9, bytes - hotHeadBytes);
    let most = 0;
    await until("the largest is heard", () => {
      most = client.connection.maxDatagramBytes!; // grows as the path's MTU is found
      most -= most % 4;
      client.connection.sendDatagram!(frameOf(most));
      return server.of(3).length > 0;
    });
    const limit = client.connection.maxDatagramBytes!;
    assert.throws(
      () => client.connection.sendDatagram!(new Uint8Array(limit), new Uint8Array(1)),
      (error: unknown) => error instanceof FrameTooLargeError && error.message.includes(`${limit}`),
    );
    client.send(0, 0);
    await until("the lanes are as before", () => server.of(0).length === 1);
  });

  test("is refused where the peer takes none, and there is no limit to ask for", async (t) => {
    const { address } = await loopback.listenRaw(t, {}, { alpn: ["millrace/1"], datagrams: false });
    const client = await connectFramed(t, url, { identity, ca }, address.port);
    assert.equal(client.connection.maxDatagramBytes, undefined);
    assert.throws(() => client.connection.sendDatagram!(numberedFrame(0, 0)), FrameTooLargeError);
  });

  test("cannot be sent when the connection has ended", async (t) => {
    const { client, server } = await open(t);
    server.connection.close();
    await client.closed.promise;
    assert.throws(() => client.connection.sendDatagram!(numberedFrame(0, 0)), ConnectionClosedError);
  });

  test("is dropped when the queue is at its mark, which it fills as other frames do, and drain is told", async (t) => {
    const { client, server } = await open(t, { client: { highWaterMarkBytes: 4_096 } });
    let drained = false;
    client.onDrain = () => {
      drained = true;
    };
    const frame = numberedFrame(0, 0, 1_000);
    const results = Array.from({ length: 10 }, () => client.connection.sendDatagram!(frame));
    const sent = results.indexOf("dropped");
    assert.ok(sent > 0 && sent <= 4, `${results}`);
    assert.ok(client.connection.bytesQueued >= 4_096);
    assert.equal(client.send(0, 1), "dropped");
    await until("there is room again", () => drained);
    assert.equal(client.send(0, 2), "sent");
    await until("that is heard", () => server.of(0).includes(2));
  });
});

describe("a framed connection whose peer sends datagrams by hand", () => {
  const faults: readonly (readonly [what: string, bytes: Uint8Array, code: number])[] = [
    ["that are no frame", new Uint8Array(60).fill(0xff), CloseCode.frameMalformed],
    ["of half a frame", numberedFrame(0, 0, 100).subarray(0, 100), CloseCode.frameMalformed],
    [
      "with a byte behind the frame",
      Buffer.concat([numberedFrame(0, 0), new Uint8Array(1)]),
      CloseCode.frameMalformed,
    ],
    ["with two frames", Buffer.concat([numberedFrame(0, 0), numberedFrame(0, 1)]), CloseCode.frameMalformed],
    ["that are empty", new Uint8Array(0), CloseCode.frameMalformed],
    ["above the limit of frames", numberedFrame(0, 0, 600), CloseCode.frameTooLarge],
  ];
  for (const [what, bytes, code] of faults) {
    test(`and ${what} closes it with ${code}`, async (t) => {
      const { client, server } = await open(t, { server: { maxFrameBytes: 500 } });
      const { port } = client.connection.remoteAddress;
      const accepted = server.connection;
      const peer = await loopback.connectRaw(t, port, {}, { alpn: ["millrace/1"] });
      const sending = setInterval(() => {
        if (peer.state === "open") peer.sendDatagram(bytes); // again: it may be lost
      }, 5);
      t.after(() => clearInterval(sending));
      const info = await peer.closed;
      assert.deepEqual({ by: info.by, code: info.code }, { by: "peer", code });
      const { error } = await server.closed.promise;
      assert.ok(
        error instanceof (code === CloseCode.frameMalformed ? FrameMalformedError : FrameTooLargeError),
      );
      assert.equal(accepted.state, "open"); // another's is not touched
    });
  }

  test("faster than they are read loses some, counted, and holds back no lane", async (t) => {
    const { client, server } = await open(t);
    const datagrams = 2_000;
    server.connection.pause();
    const frame = numberedFrame(20, 0, 1_000);
    let sent = 0;
    await until("some are dropped", () => {
      for (let i = 0; i < 100; i++) if (client.connection.sendDatagram!(frame) === "sent") sent += 1;
      return sent >= datagrams && server.connection.datagramsDropped! > 0;
    });
    // All that is reliable arrives, behind no more than half of the credit.
    for (let number = 0; number < 100; number++) client.send(0, number, 1_000);
    await until("the engine has all of it", () => client.connection.bytesQueued === 0);
    assert.deepEqual(server.heard, []);
    server.connection.resume();
    await until("the lane is heard", () => server.of(0).length === 100);
    assert.deepEqual(server.of(0), [...Array(100).keys()]);
    const heard = server.of(20).length;
    assert.ok(heard * frame.length <= 128 * 1024 + frame.length, `${heard} were kept`);
    assert.ok(heard + server.connection.datagramsDropped! <= sent);
  });
});
