import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { type Connection, connect } from "millrace";
import { Outgoing } from "#internal/tcp/outgoing.js";
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

/** The memory of what a socket was given, whoever else has it. */
function watchWritten(socket: Duplex): Set<ArrayBufferLike> {
  const memories = new Set<ArrayBufferLike>();
  const write = socket.write.bind(socket);
  socket.write = (chunk: Uint8Array, written?: unknown) => {
    memories.add(chunk.buffer);
    return write(chunk, written as () => void);
  };
  return memories;
}

/** What is sent over a stream. @param takes whether it takes anything. */
function outgoingOver(takes: boolean, makeTls = false) {
  const stream = new Duplex({
    read() {},
    write(_chunk, _encoding, taken) {
      if (takes) taken();
    },
  });
  const socket = makeTls ? new TLSSocket(stream) : (stream as Socket);
  const memories = watchWritten(socket);
  const outgoing = new Outgoing(socket, 16 * 1024 * 1024, { onDrain() {} });
  return { outgoing, heldBytes: () => [...memories].reduce((sum, { byteLength }) => sum + byteLength, 0) };
}

/** Leaves the largest memory there is to whoever sends next. */
function leaveLarge(): void {
  const { outgoing } = outgoingOver(true);
  for (let i = 0; i < 4; i += 1) outgoing.copy(new Uint8Array(15_000));
  outgoing.flush();
}

const small = new Uint8Array(60);
/** The first may lie in the largest memory. */
const largest = 64 * 1024;

test("small messages that wait for a slow reader hold no more than themselves, though a quick one frees large memory", () => {
  leaveLarge();
  const { outgoing, heldBytes } = outgoingOver(false);
  for (let i = 0; i < 1_000; i += 1) {
    outgoing.copy(small);
    outgoing.flush();
    leaveLarge();
  }
  assert.equal(outgoing.bytesQueued, 60_000);
  assert.ok(heldBytes() <= largest + 60_000, `${heldBytes()} bytes`);
});

test("small messages between publications hold no more than themselves", () => {
  const { outgoing, heldBytes } = outgoingOver(false);
  const publication = new Uint8Array(15_000);
  for (let i = 0; i < 50; i += 1) {
    leaveLarge();
    outgoing.copy(small);
    outgoing.add(publication);
  }
  outgoing.flush();
  assert.ok(heldBytes() <= largest + outgoing.bytesQueued, `${heldBytes()} bytes`);
});

test("what TLS is given holds no more than itself", () => {
  for (let i = 0; i < 20; i += 1) {
    leaveLarge();
    const { outgoing, heldBytes } = outgoingOver(false, true);
    outgoing.copy(small);
    outgoing.flush();
    assert.equal(outgoing.bytesQueued, 60);
    assert.equal(heldBytes(), 60);
  }
});
