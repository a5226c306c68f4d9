/**
 * A QUIC client by hand: it does the handshake, and then sends whatever frames it is told to, which no library
 * would. It trusts every certificate and never retransmits.
 */
import {
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";
import { clientHello, usualParameters } from "./client_hello.js";
import { ackFrame, cryptoFrame, FrameType, type ReadFrame, readFrames } from "./quic_frame.js";
import {
  expandLabel,
  hkdfExtract,
  initialKeys,
  minInitialBytes,
  openPacket,
  type PacketHeader,
  type PacketKeys,
  PacketType,
  packetKeys,
  readHeaders,
  sealPacket,
} from "./quic_packet.js";
import { UdpAttacker } from "./udp_attacker.js";
import { until } from "./until.js";

export interface HandClientOptions {
  readonly alpn: string;
  /** The address to send from, one of 127.0.0.0/8. */
  readonly source?: string;
  /** The transport parameters, of the client's source connection id. */
  readonly parameters?: (source: Buffer) => readonly Uint8Array[];
}

type Level = typeof PacketType.initial | typeof PacketType.handshake | typeof PacketType.short;

/** A packet number space (RFC 9000 section 12.3), and what has come of its CRYPTO stream. */
interface Space {
  send: PacketKeys;
  receive: PacketKeys;
  nextNumber: number;
  received: number[];
  crypto: Buffer;
}

const noHash = createHash("sha256").digest();
const idBytes = 8;
/** A larger hello takes several packets. */
const helloPieceBytes = 1_000;
const x25519Prefix = Buffer.from("302a300506032b656e032100", "hex");

export class HandClient {
  /** How many frames of each type have come. */
  readonly heard = new Map<number, number>();
  /** The server's CONNECTION_CLOSE. */
  closed: ReadFrame | undefined;
  /** Called for each frame that comes once the handshake is done. */
  onFrame: (frame: ReadFrame) => void = () => {};
  /** Whether what comes is acknowledged. */
  acknowledges = true;
  connected = false;
  datagramsReceived = 0;
  readonly source = randomBytes(idBytes);
  readonly #udp: UdpAttacker;
  readonly #keyPair = generateKeyPairSync("x25519");
  readonly #spaces = new Map<Level, Space>();
  readonly #hello: Buffer;
  #transcript: Buffer[] = [];
  #handshakeSecret: Buffer = Buffer.alloc(0);
  #clientHandshakeSecret: Buffer = Buffer.alloc(0);
  #destination: Buffer = randomBytes(idBytes);
  #token: Buffer = Buffer.alloc(0);
  #read = 0;

  private constructor(udp: UdpAttacker, { alpn, parameters = defaultParameters }: HandClientOptions) {
    this.#udp = udp;
    const publicKey = this.#keyPair.publicKey.export({ type: "spki", format: "der" }).subarray(-32);
    this.#hello = clientHello({ alpn, publicKey, parameters: parameters(this.source) });
  }

  /** Resolves when the handshake is done or the server has refused it. */
  static async open(port: number, options: HandClientOptions): Promise<HandClient> {
    const client = new HandClient(await UdpAttacker.open(port, options.source), options);
    client.#udp.onDatagram = () => client.#readAll();
    client.#begin();
    await until("the handshake is over", () => client.connected || client.closed !== undefined);
    return client;
  }

  /** Sends frames in one packet of 1-RTT; resolves when the kernel has it. */
  send(...frames: Uint8Array[]): Promise<void> {
    return this.#send(PacketType.short, Buffer.concat(frames));
  }

  close(): Promise<void> {
    return this.#udp.close();
  }

  #begin(): void {
    const keys = initialKeys(this.#destination);
    const space = {
      send: keys.client,
      receive: keys.server,
      nextNumber: 0,
      received: [],
      crypto: Buffer.alloc(0),
    };
    this.#spaces.set(PacketType.initial, space);
    for (let at = 0; at < this.#hello.length; at += helloPieceBytes) {
      void this.#send(PacketType.initial, cryptoFrame(at, this.#hello.subarray(at, at + helloPieceBytes)));
    }
  }

  #send(type: Level, frames: Buffer): Promise<void> {
    const space = this.#spaces.get(type)!;
    const packetNumber = space.nextNumber++;
    const { source } = this;
    const packet = { type, destination: this.#destination, source, token: this.#token, packetNumber };
    const isInitial = type === PacketType.initial;
    const missing = isInitial
      ? minInitialBytes - sealPacket({ ...packet, payload: frames }, space.send).length
      : 0;
    const payload = Buffer.concat([frames, Buffer.alloc(Math.max(0, missing))]);
    return this.#udp.send(sealPacket({ ...packet, payload }, space.send));
  }

  #readAll(): void {
    for (; this.#read < this.#udp.received.length; this.#read++) {
      const datagram = this.#udp.received[this.#read]!;
      this.datagramsReceived += 1;
      for (const header of readHeaders(datagram, idBytes)) this.#readPacket(datagram, header);
    }
    this.#udp.received.length = 0;
    this.#read = 0;
  }

  #readPacket(datagram: Buffer, header: PacketHeader): void {
    if (header.type === PacketType.retry) this.#retry(header);
    const space = this.#spaces.get(header.type as Level);
    if (space === undefined) return;
    const packet = openPacket(datagram, header, space.receive, space.received.at(-1) ?? -1);
    if (packet === undefined) return;
    if (header.type === PacketType.initial) this.#destination = Buffer.from(header.source);
    insert(space.received, packet.packetNumber);
    const frames = readFrames(packet.payload);
    for (const frame of frames) this.#onFrame(header.type as Level, space, frame);
    const wantsAck = frames.some(({ type }) => type !== FrameType.ack && type !== FrameType.connectionClose);
    if (wantsAck && this.acknowledges) void this.#send(header.type as Level, ackFrame(space.received));
  }

  #retry(header: PacketHeader): void {
    this.#destination = Buffer.from(header.source);
    this.#token = Buffer.from(header.token);
    this.#begin();
  }

  #onFrame(level: Level, space: Space, frame: ReadFrame): void {
    this.heard.set(frame.type, (this.heard.get(frame.type) ?? 0) + 1);
    if (frame.type === FrameType.connectionClose || frame.type === FrameType.applicationClose)
      this.closed = frame;
    if (frame.type === FrameType.crypto && level !== PacketType.short) {
      const offset = Number(frame.numbers[0]);
      if (offset > space.crypto.length) return; // no test of ours loses packets here
      space.crypto = Buffer.concat([space.crypto.subarray(0, offset), frame.bytes]);
      this.#onCrypto(level, space);
    }
    if (level === PacketType.short) this.onFrame(frame);
  }

  #onCrypto(level: Level, space: Space): void {
    const bytes = space.crypto;
    let at = 0;
    const messages: Buffer[] = [];
    while (at + 4 <= bytes.length && at + 4 + bytes.readUIntBE(at + 1, 3) <= bytes.length) {
      const end = at + 4 + bytes.readUIntBE(at + 1, 3);
      messages.push(bytes.subarray(at, end));
      at = end;
    }
    if (level === PacketType.initial && messages.length === 1 && !this.#spaces.has(PacketType.handshake)) {
      this.#onServerHello(messages[0]!);
    }
    const finished = 20;
    if (level === PacketType.handshake && messages.at(-1)?.[0] === finished && !this.connected) {
      this.#onFinished(messages);
    }
  }

  #onServerHello(serverHello: Buffer): void {
    this.#transcript = [this.#hello, serverHello];
    const key = Buffer.concat([x25519Prefix, shareOf(serverHello)]);
    const publicKey = createPublicKey({ key, type: "spki", format: "der" });
    const shared = diffieHellman({ privateKey: this.#keyPair.privateKey, publicKey });
    const early = hkdfExtract(Buffer.alloc(32), Buffer.alloc(32));
    this.#handshakeSecret = hkdfExtract(expandLabel(early, "derived", 32, noHash), shared);
    const hash = this.#hash();
    this.#clientHandshakeSecret = expandLabel(this.#handshakeSecret, "c hs traffic", 32, hash);
    const server = expandLabel(this.#handshakeSecret, "s hs traffic", 32, hash);
    this.#openSpace(PacketType.handshake, this.#clientHandshakeSecret, server);
  }

  #onFinished(messages: readonly Buffer[]): void {
    this.#transcript.push(...messages);
    const hash = this.#hash();
    const master = hkdfExtract(expandLabel(this.#handshakeSecret, "derived", 32, noHash), Buffer.alloc(32));
    const client = expandLabel(master, "c ap traffic", 32, hash);
    this.#openSpace(PacketType.short, client, expandLabel(master, "s ap traffic", 32, hash));
    const finishedKey = expandLabel(this.#clientHandshakeSecret, "finished", 32);
    const verify = createHmac("sha256", finishedKey).update(hash).digest();
    void this.#send(
      PacketType.handshake,
      cryptoFrame(0, Buffer.concat([Buffer.from([20, 0, 0, 32]), verify])),
    );
    this.connected = true;
  }

  #openSpace(level: Level, send: Buffer, receive: Buffer): void {
    this.#spaces.set(level, {
      send: packetKeys(send),
      receive: packetKeys(receive),
      nextNumber: 0,
      received: [],
      crypto: Buffer.alloc(0),
    });
  }

  #hash(): Buffer {
    return createHash("sha256").update(Buffer.concat(this.#transcript)).digest();
  }
}

function defaultParameters(source: Buffer): readonly Uint8Array[] {
  return [Buffer.concat(usualParameters(source))];
}

/** The server's X25519 share (RFC 8446 section 4.2.8). */
function shareOf(serverHello: Buffer): Buffer {
  let at = 4 + 2 + 32;
  at += 1 + serverHello[at]! + 2 + 1 + 2;
  while (at < serverHello.length) {
    const type = serverHello.readUInt16BE(at);
    const bytes = serverHello.readUInt16BE(at + 2);
    if (type === 51) return serverHello.subarray(at + 8, at + 4 + bytes);
    at += 4 + bytes;
  }
  throw new Error("the server's hello has no key share");
}

/** Into an ascending list, of which the newest are kept. */
function insert(numbers: number[], number: number): void {
  let at = numbers.length;
  while (at > 0 && numbers[at - 1]! > number) at -= 1;
  if (numbers[at - 1] !== number) numbers.splice(at, 0, number);
  if (numbers.length > 256) numbers.shift();
}
