/** A TLS 1.3 ClientHello for QUIC, written by hand (RFC 8446 section 4.1.2, RFC 9000 section 18). */
import { randomBytes } from "node:crypto";
import { varint } from "./quic_packet.js";

/** Transport parameters (RFC 9000 section 18.2). */
export const Parameter = {
  originalDestinationConnectionId: 0x00,
  maxIdleTimeout: 0x01,
  statelessResetToken: 0x02,
  maxUdpPayloadSize: 0x03,
  initialMaxData: 0x04,
  initialMaxStreamDataBidiLocal: 0x05,
  initialMaxStreamDataBidiRemote: 0x06,
  initialMaxStreamDataUni: 0x07,
  initialMaxStreamsBidi: 0x08,
  initialMaxStreamsUni: 0x09,
  ackDelayExponent: 0x0a,
  maxAckDelay: 0x0b,
  disableActiveMigration: 0x0c,
  preferredAddress: 0x0d,
  activeConnectionIdLimit: 0x0e,
  initialSourceConnectionId: 0x0f,
  retrySourceConnectionId: 0x10,
  maxDatagramFrameSize: 0x20,
} as const;

/** One parameter: {varint id, varint length, value}. A number becomes a varint. */
export function parameter(id: number, value: Uint8Array | number | bigint): Buffer {
  const bytes = value instanceof Uint8Array ? value : varint(value);
  return Buffer.concat([varint(id), varint(bytes.length), bytes]);
}

/** What a client usually says, generous in what it takes. */
export function usualParameters(source: Uint8Array): Buffer[] {
  return [
    parameter(Parameter.initialSourceConnectionId, source),
    parameter(Parameter.maxIdleTimeout, 30_000),
    parameter(Parameter.initialMaxData, 1 << 24),
    parameter(Parameter.initialMaxStreamDataBidiLocal, 1 << 20),
    parameter(Parameter.initialMaxStreamDataBidiRemote, 1 << 20),
    parameter(Parameter.initialMaxStreamDataUni, 1 << 20),
    parameter(Parameter.initialMaxStreamsBidi, 100),
    parameter(Parameter.initialMaxStreamsUni, 100),
    parameter(Parameter.maxDatagramFrameSize, 65_535),
  ];
}

export interface ClientHello {
  readonly alpn: string;
  /** The client's share of the key exchange, X25519. */
  readonly publicKey?: Uint8Array;
  /** The body of the transport parameters' extension, or several of them, or none. */
  readonly parameters: readonly Uint8Array[];
  readonly serverName?: string;
}

/** The handshake message, with its header. */
export function clientHello({ alpn, publicKey, parameters, serverName = "localhost" }: ClientHello): Buffer {
  const name = Buffer.from(serverName);
  const protocol = Buffer.from(alpn);
  const extensions = [
    extension(0, sized(2, Buffer.concat([Buffer.from([0]), sized(2, name)]))),
    extension(10, sized(2, Buffer.from([0x00, 0x1d]))),
    extension(13, sized(2, Buffer.from("040308040401", "hex"))),
    extension(16, sized(2, sized(1, protocol))),
    extension(43, sized(1, Buffer.from([0x03, 0x04]))),
    extension(45, sized(1, Buffer.from([1]))),
    extension(
      51,
      sized(2, Buffer.concat([Buffer.from([0x00, 0x1d]), sized(2, publicKey ?? randomBytes(32))])),
    ),
    ...parameters.map((body) => extension(0x39, body)),
  ];
  const body = Buffer.concat([
    Buffer.from([0x03, 0x03]),
    randomBytes(32),
    sized(1, Buffer.alloc(0)),
    sized(2, Buffer.from([0x13, 0x01])),
    sized(1, Buffer.from([0])),
    sized(2, Buffer.concat(extensions)),
  ]);
  return Buffer.concat([Buffer.from([1]), sized(3, body)]);
}

function extension(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 0xff]), sized(2, body)]);
}

/** Bytes behind their length, which takes `width` bytes. */
function sized(width: number, bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(width);
  length.writeUIntBE(bytes.length, 0, width);
  return Buffer.concat([length, bytes]);
}
