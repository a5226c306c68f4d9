import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  nextConnectionId,
  type Transport,
  type TransportBehaviour,
  type TransportConnection,
} from "millrace";
import { createServer } from "millrace/server";
import { encodeAck } from "#internal/delivery/ack.js";
import { encodeCommit } from "#internal/delivery/commit.js";
import { encodeHello } from "#internal/delivery/hello.js";
import { encodeFrame, type FrameContents, Kind } from "#internal/frame/frame.js";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

const nothing = new Uint8Array(0);
const address = { address: "127.0.0.1", family: "ipv4", port: 1 } as const;

/** The server's end of a connection to nobody, which takes all that is sent. */
class Blind implements TransportConnection {
  readonly id = nextConnectionId();
  readonly transport = "blind";
  readonly state = "open";
  readonly remoteAddress = address;
  readonly localAddress = address;
  readonly protocol = "millrace/1";
  readonly bytesQueued = 0;
  readonly roundTripMs = undefined;
  readonly framesVerified = false;
  owner: unknown = undefined;

  send(): "sent" {
    return "sent";
  }

  pause(): boolean {
    return true;
  }

  resume(): void {}
  close(): void {}
}

/** A server that echoes, and what its transport calls. */
async function serve(t: TestContext): Promise<TransportBehaviour> {
  let frames: TransportBehaviour | undefined;
  const url = "blind://127.0.0.1:1";
  const transport: Transport = {
    name: "blind",
    schemes: ["blind"],
    async listen(_options, behaviour) {
      frames = behaviour;
      return { transport: "blind", address, url, connectionCount: 0, async close() {} };
    },
    connect: () => Promise.reject(new Error("nobody connects here")),
  };
  const server = await createServer(
    { listen: url, transports: [transport] },
    { message: (session, { payload }) => void session.send(payload) },
  );
  t.after(async () => {
    for (const session of connections.splice(0)) frames!.close(session, { by: "peer", code: 0, reason: "" });
    await server.close({ graceful: false });
  });
  return frames!;
}

const connections: Blind[] = [];

function whole(contents: FrameContents): Uint8Array {
  return encodeFrame(contents, contents.payload, contents);
}

const hello = whole(
  encodeHello({
    ...{ version: 1, clientId: undefined, token: nothing, heartbeatMs: 15_000 },
    ...{ windowBytes: 262_144, maxMessageBytes: 1_048_576, resumption: undefined, meta: [] },
  }),
);
const commit = whole(encodeCommit());
const burst = 16;
const messages = Array.from({ length: burst }, (_, index) =>
  encodeFrame(
    { kind: Kind.Message, flags: 0, channel: 0, type: 0, seq: index + 1, ref: index },
    new Uint8Array(64),
  ),
);
const ack = encodeFrame(encodeAck({ lane: 0, sequence: burst }), nothing);

/** Bytes of the heap for each of many, at the least: V8 makes compiled code whenever it comes to it. */
function bytesEach(make: () => Blind): number {
  const part = 8_000;
  const bytes: number[] = [];
  for (let round = 0; round < 6; round++) {
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < part; i++) connections.push(make());
    gc();
    bytes.push((process.memoryUsage().heapUsed - before) / part);
  }
  return Math.min(...bytes.slice(1)); // the first pays what a server needs once
}

describe("an idle session of a server", () => {
  const join = (frames: TransportBehaviour, sent: readonly Uint8Array[]) => {
    const connection = new Blind();
    frames.open(connection);
    for (const frame of [hello, commit, ...sent]) frames.frame(connection, frame);
    return connection;
  };

  it("takes 480 bytes of the heap at most beside its connection, while it has sent nothing", async (t) => {
    const frames = await serve(t);
    const bare = bytesEach(() => new Blind());
    connections.length = 0;
    const quiet = bytesEach(() => join(frames, [])) - bare;
    assert.ok(quiet <= 480, `${quiet} bytes`);
  });

  it("takes 600 at most after messages both ways", async (t) => {
    const frames = await serve(t);
    const bare = bytesEach(() => new Blind());
    connections.length = 0;
    const used = bytesEach(() => join(frames, [...messages, ack])) - bare;
    assert.ok(used <= 600, `${used} bytes`);
  });
});
