import { createHmac, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { TestContext } from "node:test";
import { type AnnounceOptions, announce, type UdpCounters } from "millrace/udp";

export const secret = "a secret of sixteen bytes or more";

/** Groups of one machine: on Linux its loopback interface takes part in groups of IPv4, and in none of IPv6. */
export const loopbacks = [
  { family: "IPv4", group: "239.255.77.82", interface: "lo", address: "127.0.0.1" },
  { family: "IPv6", group: "::1", address: "::1" },
] as const;

/** Parts of a datagram that are not as they should be. */
export interface Parts {
  readonly magic?: string;
  readonly version?: number;
  readonly reserved?: number;
  readonly timeMs?: number;
  readonly nonce?: Uint8Array;
  readonly key?: string | Uint8Array;
}

/** A datagram by docs/wire.md section 11, written by hand. */
export function datagram(frame: Uint8Array, parts: Parts = {}): Buffer {
  const head = Buffer.alloc(16);
  head.write(parts.magic ?? "MRUD", "latin1");
  head[4] = parts.version ?? 1;
  head[5] = parts.reserved ?? 0;
  head.writeBigUInt64LE(BigInt(parts.timeMs ?? Date.now()), 8);
  const signed = Buffer.concat([head, parts.nonce ?? randomBytes(16), frame]);
  return Buffer.concat([
    signed,
    createHmac("sha256", parts.key ?? secret)
      .update(signed)
      .digest(),
  ]);
}

/** A hot frame by docs/wire.md section 4, written by hand. */
export function hotFrame(kind: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(48);
  const words = [44 + payload.length, 16, 0, 0x0018_0008, 0x0014_0004, 8, kind, 0, 0, 0, 4, payload.length];
  words.forEach((word, index) => {
    head.writeUInt32LE(word, index * 4);
  });
  return Buffer.concat([head, payload]);
}

export const requestKind = 5;

/** A query for all names, of so many bytes. */
export function query(bytes = 1232, parts: Parts = {}): Buffer {
  return datagram(hotFrame(requestKind, new Uint8Array(bytes - 64 - 48)), parts);
}

/** A socket that sends what it likes, and keeps what comes. */
export class Stranger {
  readonly received: Buffer[] = [];
  readonly #socket: Socket;

  static async open(t: TestContext, address: string): Promise<Stranger> {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    socket.bind(0, address);
    await once(socket, "listening");
    t.after(() => socket.close());
    return new Stranger(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (message) => this.received.push(message));
  }

  get bytesReceived(): number {
    return this.received.reduce((sum, { length }) => sum + length, 0);
  }

  send(message: Uint8Array, port: number, address: string): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#socket.send(message, port, address, (error) => (error === null ? resolve() : reject(error))),
    );
  }
}

/** An announcement that ends with its test. */
export async function announced(t: TestContext, options: Partial<AnnounceOptions> = {}) {
  const announcement = await announce({
    name: "room",
    urls: ["tcp://127.0.0.1:1"],
    secret,
    port: 0,
    ...options,
  });
  t.after(() => announcement.close());
  return announcement;
}

/** Every datagram has become one thing, and one only. */
export function fates(counters: UdpCounters): number {
  const { taken, malformed, late, forged, own, replayed, ignored, dropped } = counters;
  return taken + malformed + late + forged + own + replayed + ignored + dropped;
}
