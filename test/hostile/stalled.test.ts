import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { type CloseInfo, ConnectionLostError } from "millrace";
import {
  type QuicBehaviour,
  type QuicConnection,
  type QuicListener,
  type QuicStream,
  quicCounters,
} from "millrace/quic";
import { loadAddon } from "#internal/native/addon.js";
import { Bystander } from "../kit/bystander.js";
import { HandClient } from "../kit/hand_client.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";
import { residentBytes } from "../kit/memory.js";
import { FrameType, frame, streamFrame } from "../kit/quic_frame.js";
import { until } from "../kit/until.js";
import type { DatagramFlood } from "./datagram_flood.js";
import type { VanishingTask } from "./vanishing_peer.js";

const KiB = 1024;
const MiB = 1024 * KiB;

const loopback = await Loopback.make();

async function victim(
  t: TestContext,
  behaviour: QuicBehaviour,
  options: Parameters<Loopback["listenRaw"]>[2] = {},
): Promise<{ listener: QuicListener; bystander: Bystander }> {
  const listener = await loopback.listenRaw(
    t,
    {
      data: (stream, chunk) => {
        if (stream.writable) stream.write(chunk);
      },
      ...behaviour,
    },
    options,
  );
  return { listener, bystander: await Bystander.open(t, loopback, listener.address.port) };
}

describe("peers that do not read", () => {
  test("hold no more than a mark each, a hundred of them, and drop nothing that was accepted", async (t) => {
    const mark = 64 * KiB;
    const pieceBytes = 16 * KiB;
    const filled: { readonly stream: QuicStream; readonly bytes: number }[] = [];
    const { listener, bystander } = await victim(
      t,
      {
        data(stream, chunk) {
          if (chunk[0] !== 0xff) {
            stream.write(chunk);
            return;
          }
          let bytes = 0;
          while (stream.write(new Uint8Array(pieceBytes)) !== "dropped") bytes += pieceBytes;
          filled.push({ stream, bytes });
        },
      },
      { highWaterMarkBytes: mark },
    );
    const rss = residentBytes();
    const readers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        let heard = 0;
        const client = await loopback.connectRaw(
          t,
          listener.address.port,
          {
            data: (_, chunk) => {
              heard += chunk.length;
            },
          },
          { streamWindowBytes: 4 * KiB },
        );
        const stream = client.openStream();
        stream.pause();
        stream.write(Uint8Array.of(0xff));
        return { stream, heard: () => heard };
      }),
    );
    await until("all queues are full", () => filled.length === 100);
    await bystander.assertUnharmed();
    for (const { stream } of filled) assert.ok(stream.bytesQueued < mark + pieceBytes);
    assert.ok(residentBytes() - rss < 256 * MiB); // of both sides
    for (const { stream } of readers) stream.resume();
    const accepted = filled.reduce((sum, { bytes }) => sum + bytes, 0);
    await until("what was accepted has come", () => {
      return readers.reduce((sum, { heard }) => sum + heard(), 0) === accepted;
    });
  });
});

describe("a peer that vanishes", () => {
  test("without a word, in a process that was killed, leaves nothing behind", async (t) => {
    const ends: CloseInfo[] = [];
    const { listener, bystander } = await victim(
      t,
      { close: (_, info) => void ends.push(info) },
      { idleTimeoutMs: 1_500, disconnectTimeoutMs: 1_500 },
    );
    const task: VanishingTask = {
      port: listener.address.port,
      ca: loopback.ca,
      alpn: rawAlpn,
      connections: 50,
    };
    const child = fork(new URL("./vanishing_peer.js", import.meta.url), [JSON.stringify(task)]);
    await once(child, "message");
    await until("all are open, with a stream each", () => listener.connectionCount === 51);
    child.kill("SIGKILL");
    await once(child, "exit");
    await until("all have ended", () => ends.length === 50);
    for (const { by, error } of ends) {
      assert.equal(by, "transport");
      assert.ok(error instanceof ConnectionLostError);
    }
    await bystander.assertUnharmed();
    await until("all their memory is given back", () => {
      const { connections, streams } = loadAddon().processCounters();
      return connections === 2 && streams === 2 && quicCounters().connectionsAllocated === 2;
    });
  });
});

describe("a flood of datagrams", () => {
  test("is dropped and counted beyond what the reader takes, without a queue that grows", async (t) => {
    const task: DatagramFlood = { port: 0, alpn: rawAlpn, done: new SharedArrayBuffer(8) };
    const done = new Int32Array(task.done);
    let flooded: QuicConnection | undefined;
    let heard = 0;
    const { listener, bystander } = await victim(t, {
      datagram(connection) {
        flooded = connection;
        heard += 1;
        // A reader that stands still while all of it comes: the engine alone decides what becomes of it.
        if (heard === 1) Atomics.wait(done, 0, 0, 120_000);
      },
    });
    const rss = residentBytes();
    const workerData: DatagramFlood = { ...task, port: listener.address.port };
    const worker = new Worker(new URL("./datagram_flood.js", import.meta.url), { workerData });
    await once(worker, "exit");
    const sent = Atomics.load(done, 1);
    assert.equal(Atomics.load(done, 0), 1);
    await until("the rest was heard", () => flooded !== undefined && heard > 1);
    await bystander.assertUnharmed();
    const { datagramsDropped } = flooded!;
    assert.ok(datagramsDropped > 0 && datagramsDropped + heard <= sent);
    assert.ok(residentBytes() - rss < 256 * MiB);
  });
});

test("a stream half of which never comes is let go with its connection", async (t) => {
  const { listener, bystander } = await victim(t, {}, { idleTimeoutMs: 1_500 });
  const client = await HandClient.open(listener.address.port, { alpn: rawAlpn });
  t.after(() => client.close());
  // All of a window but its first byte: nothing can be delivered, and it is held.
  for (let at = 1; at < 200 * KiB; at += 1_000) await client.send(streamFrame(0, at, Buffer.alloc(1_000)));
  await until("the stream is there", () => loadAddon().processCounters().streams === 3);
  await client.send(frame(FrameType.applicationClose, [0, 0]));
  await until("it has gone", () => loadAddon().processCounters().streams === 2);
  await bystander.assertUnharmed();
});
