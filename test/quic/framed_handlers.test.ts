import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransportBehaviour } from "millrace";
import { quicTransport } from "millrace/quic";
import { encodeFrame, Kind } from "#internal/frame/frame.js";
import { Loopback } from "../kit/loopback.js";
import { collectUncaught } from "../kit/uncaught.js";
import { until } from "../kit/until.js";

test("a frame handler that throws gives the peer its credit back all the same", async (t) => {
  const loopback = await Loopback.make();
  const uncaught = collectUncaught(t);
  const frames = 100; // of 64 KiB: several times what may be unread
  const limits = {
    protocols: ["millrace/1"],
    maxFrameBytes: 1 << 20,
    highWaterMarkBytes: 1 << 24,
    idleTimeoutMs: 30_000,
    handshakeTimeoutMs: 10_000,
  };
  let got = 0;
  const throwing: TransportBehaviour = {
    open() {},
    frame() {
      got += 1;
      throw new Error("mine");
    },
    drain() {},
    close() {},
  };
  const url = { scheme: "quic", host: "127.0.0.1", port: 0, path: "/" };
  const listener = await quicTransport.listen(
    { ...limits, url, tls: loopback.identity, http: undefined },
    throwing,
  );
  t.after(() => listener.close());
  const client = await quicTransport.connect(
    { ...limits, url: { ...url, port: listener.address.port }, tls: { ca: loopback.ca }, signal: undefined },
    throwing,
  );
  t.after(() => client.close({ graceful: false }));
  const header = { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 };
  const frame = encodeFrame(header, new Uint8Array(64 * 1024));
  for (let i = 0; i < frames; i++) assert.equal(client.send(frame), "sent");
  await until("every frame came", () => got === frames);
  await until("every exception was told", () => uncaught.length === frames);
});
