import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect, listen } from "millrace";
import { Authority } from "millrace/testing";
import { messageHead } from "#internal/frame/unit.js";
import { CommandKind } from "#internal/native/constants.js";
import type { NativeEnvironment } from "#internal/native/environment.js";
import { Outbox } from "#internal/native/outbox.js";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";

describe("a message over QUIC", () => {
  it("lies aligned to 8 in what the handler is given, so that numbers are read in place", async (t) => {
    const authority = await Authority.make();
    const seen: number[][] = [];
    const done = deferred<void>();
    const listener = await listen(
      "quic://127.0.0.1:0",
      {
        message(_connection, { buffer, byteOffset, byteLength }) {
          seen.push([...new Float64Array(buffer, byteOffset, byteLength / 8)]); // throws unless aligned
          if (seen.length === 20) done.resolve();
        },
        error: (_connection, cause) => done.reject(cause as Error),
      },
      { tls: await authority.issue() },
    );
    t.after(() => listener.close({ graceful: false }));
    const client = await connect(listener.urls[0]!, {}, { tls: { ca: authority.certificate } });
    const sent = Array.from({ length: 20 }, (_, count) =>
      Array.from({ length: count }, () => Math.PI * count),
    );
    for (const numbers of sent) client.send(new Uint8Array(Float64Array.from(numbers).buffer));
    await done.promise;
    assert.deepEqual(seen, sent);
  });
});

describe("a message that is sent", () => {
  const messages = 4_000;

  /** What the heap grew by for each message, at its least: a collection in between would hide some of it. */
  async function heapBytesPerMessage(send: () => unknown, settled = async () => {}): Promise<number> {
    const grown: number[] = [];
    for (let round = 0; round < 20; round++) {
      await settled();
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < messages; i++) send();
      const bytes = process.memoryUsage().heapUsed - before;
      if (bytes >= 0) grown.push(bytes / messages);
    }
    return Math.min(...grown);
  }

  it("is written into the outbound slab without allocating", async () => {
    let flushed = 0;
    const outbox = new Outbox();
    const flush = (bytes: number) => {
      flushed += bytes;
      return true;
    };
    outbox.attach({ flush } as unknown as NativeEnvironment);
    const target = { slot: 1, generation: 1 };
    const payload = new Uint8Array(256).fill(7);
    const send = () => outbox.write(CommandKind.sendFrame, 0, target, messageHead(payload), payload);
    const bytes = await heapBytesPerMessage(send);
    assert.ok(bytes < 4, `${bytes} bytes a message`);
    assert.ok(flushed > 1_000_000, "all of it went through the slab");
    let kept: unknown;
    const allocating = await heapBytesPerMessage(() => {
      kept = new Uint8Array(1);
    });
    assert.ok(kept !== undefined && allocating > 32, "one small array for each would be seen");
  });

  it("over an open connection costs the heap next to nothing either", async (t) => {
    const authority = await Authority.make();
    let came = 0;
    const listener = await listen(
      "quic://127.0.0.1:0",
      {
        message: () => {
          came += 1;
        },
      },
      { tls: await authority.issue() },
    );
    t.after(() => listener.close({ graceful: false }));
    const client = await connect(
      listener.urls[0]!,
      {},
      { tls: { ca: authority.certificate }, highWaterMarkBytes: 8 * 1024 * 1024 },
    );
    t.after(() => client.close({ graceful: false }));
    const payload = new Uint8Array(256).fill(7);
    let sent = 0;
    let dropped = 0;
    const send = () => {
      sent += 1;
      if (client.send(payload) === "dropped") dropped += 1;
    };
    const bytes = await heapBytesPerMessage(send, () => until("all has come", () => came === sent));
    assert.equal(dropped, 0);
    assert.ok(bytes < 4, `${bytes} bytes a message`);
  });
});
