import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type Connection, connect } from "millrace";
import { until } from "../kit/until.js";
import { RawPeer, serve } from "./kit.js";

const headBytes = 48;
/** Of all sizes in which messages are gathered, and above: alone and together. */
const sizes = [1, 100, 900, 3_000, 15_000, 20_000, 70_000];

test("what waits for a slow reader stays as it was sent, while others send from the same memory", async (t) => {
  const connections: Connection[] = [];
  const listener = await serve(
    t,
    { open: (connection) => void connections.push(connection) },
    { highWaterMarkBytes: 16 * 1024 * 1024 },
  );
  const slow = await RawPeer.dialFrames(t, listener);
  const quick = await RawPeer.dialFrames(t, listener);
  await until("both are there", () => connections.length === 2);
  const [toSlow, toQuick] = connections;
  slow.socket.pause();

  const sent: { readonly size: number; readonly fill: number }[] = [];
  for (let count = 0; toSlow!.bytesQueued < 512 * 1024; count += 1) {
    for (let together = count % 4; together >= 0; together -= 1) {
      const message = { size: sizes[(count + together) % sizes.length]!, fill: sent.length & 0xff };
      sent.push(message);
      toSlow!.send(new Uint8Array(message.size).fill(message.fill));
    }
    toQuick!.send(new Uint8Array(sizes[count % 3]!).fill(0xee));
    await turn();
    toQuick!.send(new Uint8Array(sizes[count % 3]!).fill(0xdd));
    await turn();
  }

  slow.socket.resume();
  const bytes = sent.reduce((sum, { size }) => sum + headBytes + size, 0);
  await until("all has come", () => slow.received.length === bytes);
  let at = 0;
  for (const { size, fill } of sent) {
    const frame = slow.received.subarray(at, at + headBytes + size);
    assert.equal(frame.readUInt32LE(0), frame.length - 4);
    assert.ok(frame.subarray(headBytes).every((byte) => byte === fill));
    at += frame.length;
  }
  assert.ok(quick.received.length > 0);
});

test("what ends a handshake is not dropped with what is queued behind it: its peer learns why it is closed", async (t) => {
  const listener = await serve(t, {
    open: (connection) => {
      connection.send(new Uint8Array(100));
      connection.close({ code: 300, reason: "not now", graceful: false });
    },
  });
  const peer = await RawPeer.dialFrames(t, listener);
  await until("it is closed", () => peer.ended);
  assert.equal(peer.received.length, headBytes + "not now".length, "a close frame, and nothing else");
  const connection = await connect(listener.urls[0]!);
  const { by, code, reason } = await connection.closed;
  assert.deepEqual({ by, code, reason }, { by: "peer", code: 300, reason: "not now" });
});
