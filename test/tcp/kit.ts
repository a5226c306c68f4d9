import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { type Behaviour, type Codec, frameCodec, type Listener, type ListenOptions, listen } from "millrace";
import { until } from "../kit/until.js";

export const echo: Behaviour = {
  message(connection, bytes) {
    connection.send(bytes);
  },
};

/** A listener on clear TCP that ends with its test. */
export async function serve(
  t: TestContext,
  behaviour: Behaviour,
  options: ListenOptions = {},
): Promise<Listener> {
  const listener = await listen("tcp://127.0.0.1:0", behaviour, options);
  t.after(() => listener.close({ graceful: false }));
  return listener;
}

/** One who speaks TCP by hand, and keeps what is answered. */
export class RawPeer {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  /** The other side has sent its FIN. */
  ended = false;
  /** Nothing is left of the connection. */
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("close", () => {
      this.closed = true;
    });
  }

  static async dial(t: TestContext, { addresses }: Listener): Promise<RawPeer> {
    const socket = connectTcp({ host: "127.0.0.1", port: addresses[0]!.port });
    const peer = new RawPeer(socket);
    t.after(() => socket.destroy());
    await once(socket, "connect");
    return peer;
  }

  /** Greets as one who speaks frames. */
  static async dialFrames(t: TestContext, listener: Listener): Promise<RawPeer> {
    const peer = await RawPeer.dial(t, listener);
    peer.write("MILLRACE millrace/1\n");
    await until("the server has answered", () => peer.text.includes("\n"));
    peer.received = peer.received.subarray(peer.received.indexOf("\n") + 1); // what came with the answer
    return peer;
  }

  get text(): string {
    return this.received.toString();
  }

  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  async hears(text: string): Promise<void> {
    await until(`"${text}" is heard`, () => this.text.includes(text));
  }

  async isEnded(): Promise<void> {
    await until("the other side has ended", () => this.ended || this.closed);
  }
}

/** A frame of a kind, with a type and a payload. */
export function frame(payload: string | Uint8Array, kind = 4, type = 0): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  return Buffer.from(frameCodec.encode({ kind, flags: 0, channel: 0, type, seq: 0, ref: 0, payload: bytes }));
}

export const Kind = { ping: 8, pong: 9, close: 16 } as const;

/** The contents of frames received. */
export function framesIn(bytes: Buffer): { kind: number; type: number; text: string }[] {
  const frames = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = 4 + bytes.readUInt32LE(at);
    if (at + length > bytes.length) break;
    const { kind, type, payload } = frameCodec.decode(new Uint8Array(bytes.subarray(at, at + length)));
    frames.push({ kind, type, text: Buffer.from(payload).toString() });
    at += length;
  }
  return frames;
}

/** A codec whose units are lines of plain text. */
export const plainLines: Codec = {
  name: "plain",
  text: true,
  lines: true,
  maxUnitBytes: (payloadBytes) => payloadBytes + 1,
  encode: ({ payload }) => payload.slice(),
  decode: (unit) => ({
    kind: 4,
    flags: 0,
    channel: 0,
    type: 0,
    seq: 0,
    ref: 0,
    payload: unit.at(-1) === 0x0a ? unit.slice(0, -1) : unit.slice(),
  }),
};
