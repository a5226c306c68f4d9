import { randomBytes } from "node:crypto";
import { clientHello, usualParameters } from "./client_hello.js";
import { cryptoFrame } from "./quic_frame.js";
import { initialKeys, minInitialBytes, PacketType, sealPacket } from "./quic_packet.js";

export interface InitialOptions {
  readonly alpn: string;
  readonly destination?: Uint8Array;
  readonly source?: Buffer;
  /** From a Retry, whose source id `destination` is then. */
  readonly token?: Uint8Array;
}

/** A client's first datagram, whole and right: it begins a handshake. */
export function initialDatagram({
  alpn,
  destination = randomBytes(8),
  source = randomBytes(8),
  token = Buffer.alloc(0),
}: InitialOptions): Buffer {
  const hello = clientHello({ alpn, parameters: [Buffer.concat(usualParameters(source))] });
  const frames = cryptoFrame(0, hello);
  const packet = { type: PacketType.initial, destination, source, token, packetNumber: 0 } as const;
  const keys = initialKeys(destination).client;
  const missing = minInitialBytes - sealPacket({ ...packet, payload: frames }, keys).length;
  return sealPacket({ ...packet, payload: Buffer.concat([frames, Buffer.alloc(missing)]) }, keys);
}
