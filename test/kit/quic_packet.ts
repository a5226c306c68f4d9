/** QUIC packets written and read by hand (RFC 9000 section 17, RFC 9001 section 5), so that tests can send any. */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";

export const quicVersion1 = 1;
/** Less than this no client may send in its first datagrams (RFC 9000 section 14.1). */
export const minInitialBytes = 1200;

/** The types of long headers (RFC 9000 section 17.2). */
export const PacketType = { initial: 0, early: 1, handshake: 2, retry: 3, short: -1 } as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/** What protects one direction at one level, with AEAD_AES_128_GCM. */
export interface PacketKeys {
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly headerProtection: Buffer;
}

/** What can be read of a packet without its keys; offsets are within the datagram. */
export interface PacketHeader {
  readonly type: PacketType;
  readonly version: number;
  readonly destination: Buffer;
  readonly source: Buffer;
  readonly token: Buffer;
  readonly start: number;
  readonly packetNumberAt: number;
  readonly end: number;
}

export interface OpenedPacket extends PacketHeader {
  readonly packetNumber: number;
  readonly payload: Buffer;
}

const initialSalt = Buffer.from("38762cf7f55934b34d179ae6a4c80cadccbb7f0a", "hex");
const tagBytes = 16;

export function hkdfExtract(salt: Uint8Array, secret: Uint8Array): Buffer {
  return createHmac("sha256", salt).update(secret).digest();
}

/** HKDF-Expand-Label (RFC 8446 section 7.1) with SHA-256, of at most 32 bytes. */
export function expandLabel(
  secret: Uint8Array,
  label: string,
  bytes: number,
  context: Uint8Array = Buffer.alloc(0),
): Buffer {
  const full = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([
    Buffer.from([0, bytes, full.length]),
    full,
    Buffer.from([context.length]),
    context,
    Buffer.from([1]),
  ]);
  return createHmac("sha256", secret).update(info).digest().subarray(0, bytes);
}

export function packetKeys(secret: Uint8Array): PacketKeys {
  return {
    key: expandLabel(secret, "quic key", 16),
    iv: expandLabel(secret, "quic iv", 12),
    headerProtection: expandLabel(secret, "quic hp", 16),
  };
}

/** The keys of Initial packets, which anybody can derive who has seen the client's first destination id. */
export function initialKeys(destination: Uint8Array): { client: PacketKeys; server: PacketKeys } {
  const secret = hkdfExtract(initialSalt, destination);
  return {
    client: packetKeys(expandLabel(secret, "client in", 32)),
    server: packetKeys(expandLabel(secret, "server in", 32)),
  };
}

/** A variable-length integer (RFC 9000 section 16). */
export function varint(value: number | bigint): Buffer {
  const big = BigInt(value);
  const sizes = [1, 2, 4, 8];
  const exponent = sizes.findIndex((size) => big < 1n << BigInt(size * 8 - 2));
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(big);
  const encoded = bytes.subarray(8 - sizes[exponent]!);
  encoded[0]! |= exponent << 6;
  return encoded;
}

/** @returns the value and where it ends. */
export function readVarint(bytes: Buffer, at: number): [value: bigint, end: number] {
  const size = 1 << (bytes[at]! >> 6);
  let value = BigInt(bytes[at]! & 0x3f);
  for (let i = 1; i < size; i++) value = (value << 8n) | BigInt(bytes[at + i]!);
  return [value, at + size];
}

/** What a packet is made of. `payload` is padded where it is too short to be protected. */
export interface Packet {
  readonly type: PacketType;
  readonly destination: Uint8Array;
  readonly source?: Uint8Array;
  readonly token?: Uint8Array;
  readonly version?: number;
  readonly packetNumber: number;
  readonly payload: Uint8Array;
}

/** A protected packet, its packet number in four bytes. */
export function sealPacket(packet: Packet, keys: PacketKeys): Buffer {
  const payload = Buffer.concat([packet.payload, Buffer.alloc(Math.max(0, 4 - packet.payload.length))]);
  const header = writeHeader(packet, payload.length);
  const nonce = nonceOf(keys.iv, packet.packetNumber);
  const cipher = createCipheriv("aes-128-gcm", keys.key, nonce);
  cipher.setAAD(header);
  const sealed = Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  maskHeader(sealed, 0, header.length - 4, 4, keys);
  return sealed;
}

function writeHeader(packet: Packet, payloadBytes: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(packet.packetNumber);
  if (packet.type === PacketType.short)
    return Buffer.concat([Buffer.from([0x43]), packet.destination, number]);
  const { destination, source = Buffer.alloc(0), token = Buffer.alloc(0), version = quicVersion1 } = packet;
  const versionBytes = Buffer.alloc(4);
  versionBytes.writeUInt32BE(version);
  return Buffer.concat([
    Buffer.from([0xc3 | (packet.type << 4)]),
    versionBytes,
    Buffer.from([destination.length]),
    destination,
    Buffer.from([source.length]),
    source,
    ...(packet.type === PacketType.initial ? [varint(token.length), token] : []),
    varint(4 + payloadBytes + tagBytes),
    number,
  ]);
}

/** The packets that a datagram holds (RFC 9000 section 12.2); `shortIdBytes` is the length of our own ids. */
export function readHeaders(datagram: Buffer, shortIdBytes: number): PacketHeader[] {
  const headers: PacketHeader[] = [];
  let at = 0;
  while (at < datagram.length) {
    const header = readHeader(datagram, at, shortIdBytes);
    headers.push(header);
    at = header.end;
  }
  return headers;
}

function readHeader(datagram: Buffer, start: number, shortIdBytes: number): PacketHeader {
  const none = Buffer.alloc(0);
  const first = datagram[start]!;
  const end = datagram.length;
  if ((first & 0x80) === 0) {
    const packetNumberAt = start + 1 + shortIdBytes;
    const destination = datagram.subarray(start + 1, packetNumberAt);
    return {
      type: PacketType.short,
      version: 0,
      destination,
      source: none,
      token: none,
      start,
      packetNumberAt,
      end,
    };
  }
  const version = datagram.readUInt32BE(start + 1);
  let at = start + 5;
  const destination = datagram.subarray(at + 1, at + 1 + datagram[at]!);
  at += 1 + destination.length;
  const source = datagram.subarray(at + 1, at + 1 + datagram[at]!);
  at += 1 + source.length;
  const type = ((first >> 4) & 3) as PacketType;
  if (version === 0 || type === PacketType.retry) {
    const token = version === 0 ? none : datagram.subarray(at, end - tagBytes);
    return { type, version, destination, source, token, start, packetNumberAt: at, end };
  }
  let token: Buffer = none;
  if (type === PacketType.initial) {
    const [bytes, tokenAt] = readVarint(datagram, at);
    token = datagram.subarray(tokenAt, tokenAt + Number(bytes));
    at = tokenAt + token.length;
  }
  const [length, packetNumberAt] = readVarint(datagram, at);
  return {
    type,
    version,
    destination,
    source,
    token,
    start,
    packetNumberAt,
    end: packetNumberAt + Number(length),
  };
}

/**
 * Removes a packet's protection; undefined where these are not its keys.
 * @param largest the highest packet number that was opened so far, -1 for none
 */
export function openPacket(
  datagram: Buffer,
  header: PacketHeader,
  keys: PacketKeys,
  largest = -1,
): OpenedPacket | undefined {
  const bytes = Buffer.from(datagram.subarray(header.start, header.end));
  const numberAt = header.packetNumberAt - header.start;
  if (bytes.length < numberAt + 4 + tagBytes) return undefined;
  const numberBytes = maskHeader(bytes, 0, numberAt, undefined, keys);
  const packetNumber = wholeNumber(bytes.readUIntBE(numberAt, numberBytes), numberBytes, largest);
  const decipher = createDecipheriv("aes-128-gcm", keys.key, nonceOf(keys.iv, packetNumber));
  decipher.setAAD(bytes.subarray(0, numberAt + numberBytes));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    const payload = decipher.update(bytes.subarray(numberAt + numberBytes, -tagBytes));
    decipher.final();
    return { ...header, packetNumber, payload };
  } catch {
    return undefined;
  }
}

/** RFC 9000 appendix A.3. */
function wholeNumber(truncated: number, bytes: number, largest: number): number {
  const window = 2 ** (bytes * 8);
  const near = Math.floor((largest + 1) / window) * window + truncated;
  if (near <= largest + 1 - window / 2) return near + window;
  return near > largest + 1 + window / 2 && near >= window ? near - window : near;
}

function nonceOf(iv: Buffer, packetNumber: number): Buffer {
  const nonce = Buffer.from(iv);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ packetNumber) >>> 0, 8); // no test sends 2^32 packets
  return nonce;
}

/**
 * Applies or removes header protection in place (RFC 9001 section 5.4).
 * @returns the length of the packet number: as given, or as read once the first byte is in clear.
 */
function maskHeader(
  bytes: Buffer,
  firstAt: number,
  numberAt: number,
  numberBytes: number | undefined,
  keys: PacketKeys,
): number {
  const sample = bytes.subarray(numberAt + 4, numberAt + 20);
  const mask = createCipheriv("aes-128-ecb", keys.headerProtection, null).update(sample);
  bytes[firstAt]! ^= mask[0]! & ((bytes[firstAt]! & 0x80) !== 0 ? 0x0f : 0x1f);
  const length = numberBytes ?? (bytes[firstAt]! & 3) + 1;
  for (let i = 0; i < length; i++) bytes[numberAt + i]! ^= mask[1 + i]!;
  return length;
}
