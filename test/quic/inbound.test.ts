import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Connection } from "millrace";
import { loadAddon } from "#internal/native/addon.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { until } from "../kit/until.js";
import type { PeerHashes, PeerTask } from "./peer_worker.js";
import type { PoisonFindings, PoisonTask } from "./poison_worker.js";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Enough connections that what each may leave unread (256 KiB) is more than the rings hold. */
const manyConnections = 40;

const loopback = await Loopback.make();

/** Hashes what each connection sends, and counts connections as they come and go. */
class Witness {
  readonly hashes: Hash[] = [];
  readonly sequences: number[] = [];
  bytes = 0;
  opened = 0;
  closed = 0;

  readonly open = (): void => {
    this.opened += 1;
  };

  readonly message = (_: Connection, message: Uint8Array): void => {
    const view = new DataView(message.buffer, message.byteOffset);
    const index = view.getUint32(0, true);
    const sequence = this.sequences[index] ?? 0;
    assert.equal(view.getUint32(4, true), sequence, `connection ${index}`);
    this.sequences[index] = sequence + 1;
    this.hashes[index] ??= createHash("sha256");
    this.hashes[index].update(message);
    this.bytes += message.length;
  };

  readonly close = (): void => {
    this.closed += 1;
  };
}

type Sizes = Pick<PeerTask, "connections" | "messages" | "messageBytes" | "churn">;

/** Starts a peer in a worker, and blocks this thread until the peer is done or `ms` have passed. */
async function standStill(t: TestContext, url: string, sizes: Sizes, ms: number): Promise<PeerRun> {
  const done = new SharedArrayBuffer(4);
  const workerData: PeerTask = { url, ca: loopback.ca, done, ...sizes };
  const worker = new Worker(new URL("./peer_worker.js", import.meta.url), { workerData });
  t.after(() => worker.terminate());
  const hashes = once(worker, "message").then(([message]) => message as PeerHashes);
  await once(worker, "online");
  return { outcome: Atomics.wait(new Int32Array(done), 0, 0, ms), hashes };
}

interface PeerRun {
  readonly outcome: "ok" | "timed-out" | "not-equal";
  readonly hashes: Promise<PeerHashes>;
}

test("a thread that stands still while more is sent than its rings hold loses nothing afterwards", async (t) => {
  const witness = new Witness();
  const listener = await loopback.listen(t, witness, { idleTimeoutMs: 60_000 });
  const before = process.memoryUsage.rss();
  let most = before;
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 10);
  t.after(() => clearInterval(sampling));
  const sizes = { connections: manyConnections, messages: 512, messageBytes: 16 * KiB, churn: 0 };
  const { outcome, hashes } = await standStill(t, listener.urls[0]!, sizes, 1_000);
  assert.equal(outcome, "timed-out", "the peer is held back");
  most = Math.max(most, process.memoryUsage.rss());

  const sent = await hashes;
  await until("everything has arrived", () => witness.bytes === 320 * MiB);
  assert.deepEqual(
    witness.hashes.map((hash) => hash.digest("hex")),
    sent,
  );
  // The sender's queues and the worker itself are in it as well: 200 is above both, and far below 320.
  assert.ok(most - before < 200 * MiB, `${(most - before) / MiB} MiB more for 320 MiB`);
});

test("no opening and no closing is lost while the ring is full", async (t) => {
  const witness = new Witness();
  const listener = await loopback.listen(t, witness, { idleTimeoutMs: 60_000 });
  const sizes = { connections: manyConnections, messages: 24, messageBytes: 16 * KiB, churn: 500 };
  const { outcome, hashes } = await standStill(t, listener.urls[0]!, sizes, 60_000);
  assert.equal(outcome, "ok", "the peer opens and closes without this thread's help");
  assert.equal(witness.opened, 0);
  await until("all have opened", () => witness.opened === manyConnections + 500);
  await hashes;
  await until("all have closed", () => witness.closed === manyConnections + 500);
  assert.equal(listener.connectionCount, 0);
  assert.equal(witness.bytes, manyConnections * 24 * 16 * KiB);
});

test("a paused raw stream stops neither its connection's other streams nor other connections", async (t) => {
  let pausedBytes = 0;
  const listener = await loopback.listenRaw(t, {
    data(stream, chunk) {
      if (chunk[0] !== 9) {
        stream.write(chunk);
        return;
      }
      pausedBytes += chunk.length;
      stream.pause();
      stream.data = "paused";
      paused.resolve(() => stream.resume());
    },
  });
  const paused = deferred<() => void>();
  const echoed = { own: 0, other: 0 };
  const first = await loopback.connectRaw(
    t,
    listener.address.port,
    {
      data: (_, chunk) => {
        echoed.own += chunk.length;
      },
    },
    { highWaterMarkBytes: 16 * MiB },
  );
  const second = await loopback.connectRaw(t, listener.address.port, {
    data: (_, chunk) => {
      echoed.other += chunk.length;
    },
  });
  const held = first.openStream();
  for (let i = 0; i < 64; i++) held.write(new Uint8Array(60 * KiB).fill(9));
  await paused.promise;
  for (const connection of [first, second]) {
    const stream = connection.openStream();
    for (let i = 0; i < 8; i++) stream.write(new Uint8Array(60 * KiB).fill(1));
  }
  await until("the others' bytes have come back", () => {
    return echoed.own === 480 * KiB && echoed.other === 480 * KiB;
  });
  assert.ok(pausedBytes <= 64 * KiB);
  assert.ok(held.bytesQueued > 2 * MiB, "the rest waits at the sender");
});

test("a paused framed connection does not stop another", async (t) => {
  let heard = 0;
  const held = deferred<Connection>();
  const listener = await loopback.listen(t, {
    message(connection, message) {
      if (message[0] === 9) {
        heard += 1;
        connection.pause();
        held.resolve(connection);
      } else connection.send(message);
    },
  });
  const first = await loopback.connect(t, listener.urls[0]!, {}, { highWaterMarkBytes: 16 * MiB });
  for (let i = 0; i < 200; i++) first.send(new Uint8Array(60 * KiB).fill(9));
  const paused = await held.promise;
  const second = await loopback.connect(t, listener.urls[0]!);
  for (let i = 0; i < 20; i++) {
    second.send(new Uint8Array(10 * KiB).fill(i === 9 ? 0 : i));
    for await (const _ of second) break;
  }
  assert.equal(heard, 1);
  assert.ok(first.bytesQueued > 8 * MiB, "the rest waits at the sender");
  assert.equal(paused.state, "open");
});

test("frames are verified on threads that are not JavaScript's", async (t) => {
  const { threadCounters, currentThreadId } = loadAddon();
  const verified = () => {
    const mine = currentThreadId();
    let here = 0;
    let elsewhere = 0;
    for (const { threadId, verifiedBytes } of threadCounters()) {
      if (threadId === mine) here += verifiedBytes;
      else elsewhere += verifiedBytes;
    }
    return { here, elsewhere };
  };
  const witness = new Witness();
  const listener = await loopback.listen(t, {
    message: (_, bytes) => {
      witness.bytes += bytes.length;
    },
  });
  const connection = await loopback.connect(t, listener.urls[0]!, {}, { highWaterMarkBytes: 16 * MiB });
  const before = verified();
  for (let i = 0; i < 100; i++) connection.send(new Uint8Array(10 * KiB));
  await until("all has arrived", () => witness.bytes === 1_000 * KiB);
  const after = verified();
  assert.equal(after.here, before.here);
  assert.ok(after.elsewhere - before.elsewhere >= 1_000 * KiB);
});

test("a burst of messages costs a few wakes, not one each", async (t) => {
  const count = 20_000;
  let heard = 0;
  const listener = await loopback.listen(t, {
    message: () => {
      heard += 1;
    },
  });
  const connection = await loopback.connect(t, listener.urls[0]!, {}, { highWaterMarkBytes: 16 * MiB });
  const { processCounters } = loadAddon();
  const before = processCounters().wakes;
  for (let i = 0; i < count; i++) assert.equal(connection.send(new Uint8Array(64)), "sent");
  await until("all have arrived", () => heard === count);
  // None at all when the thread was still awake from connecting.
  assert.ok(before > 0, "connecting woke this thread");
  const wakes = processCounters().wakes - before;
  assert.ok(wakes < count / 10, `${wakes} wakes for ${count} messages`);
});

test("a view that is kept past its call shows poison; copies and iterated messages do not", async (t) => {
  const workerData: PoisonTask = { ...loopback.identity, ca: loopback.ca };
  const worker = new Worker(new URL("./poison_worker.js", import.meta.url), {
    workerData,
    env: { ...process.env, MILLRACE_POISON: "1" },
  });
  t.after(() => worker.terminate());
  const [findings] = (await once(worker, "message")) as [PoisonFindings];
  assert.deepEqual(findings, { during: 1, after: 0xdb, copied: 1, iterated: 1 });
});
