import type { RemoteInfo, Socket } from "node:dgram";
import { ConnectionClosedError, FrameTooLargeError } from "../errors.js";
import { encodeFrame, Kind } from "../frame/frame.js";
import { checkBytes } from "../options/bytes.js";
import { readOptions } from "../options/read.js";
import { integer, object, option, optional, withDefault } from "../options/schema.js";
import type { SocketAddress } from "../transport/address.js";
import { socketAddress } from "../transport/socket_address.js";
import { type Counters, noCounters, type UdpCounters } from "./counters.js";
import { maxFrameBytes } from "./envelope.js";
import { type Admitted, Gate, type Verdict } from "./gate.js";
import { Inbox } from "./inbox.js";
import { type BroadcastOptions, type ResolvedBroadcastOptions, readBroadcastOptions } from "./options.js";
import { closeSocket, openReceiver, openSenders, type Sender, senderOf } from "./sockets.js";

/** What goes with a message. */
export interface BroadcastMessageOptions {
  /** The application's message type, 0..2^32-1; 0 by default. */
  readonly type?: number | undefined;
  /** What it is about: text for the application. */
  readonly subject?: string | undefined;
}

/** A message of somebody's who has the secret. */
export interface BroadcastMessage {
  /** The reader's own. */
  readonly payload: Uint8Array;
  readonly type: number;
  readonly subject: string | undefined;
  readonly from: SocketAddress;
  /** When it was sent, by the sender's clock: milliseconds since 1970. */
  readonly sentAtMs: number;
}

/** Small messages to all on the LAN, and from all: the iterator has what others send. */
export interface Broadcast extends AsyncIterable<BroadcastMessage>, AsyncDisposable {
  /** Where messages are heard, with the port that was bound. */
  readonly address: SocketAddress;
  readonly counters: UdpCounters;
  /**
   * Sends to all, unreliably: it may be lost, and two may change their order.
   * @param payload about 1,100 bytes at most, less with a subject; copied.
   * @returns `dropped` where the operating system has not yet taken what was sent before.
   * @throws InvalidArgumentError, FrameTooLargeError, ConnectionClosedError
   */
  send(payload: Uint8Array, options?: BroadcastMessageOptions): "sent" | "dropped";
  /** Hears and sends no more; the iterator ends. Idempotent. @returns resolves when the port is free. */
  close(): Promise<void>;
}

const messageOptions = object({
  type: withDefault(integer(0, 0xffff_ffff), 0),
  subject: optional(option<string>("a string", (value) => typeof value === "string")),
} satisfies Record<keyof BroadcastMessageOptions, unknown>);

/**
 * Sends messages to all on the LAN who have the secret, and hears theirs.
 * @throws InvalidArgumentError, AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export async function openBroadcast(options: BroadcastOptions): Promise<Broadcast> {
  const read = readBroadcastOptions(options);
  const party = new Party(read);
  party.receiver = await openReceiver(read, read.port, read.address, (datagram, from) =>
    party.onDatagram(datagram, from),
  );
  try {
    // Nobody is answered, so what comes to these is for nobody.
    party.senders = await openSenders(read, () => {});
  } catch (error) {
    await party.close();
    throw error;
  }
  return party;
}

class Party implements Broadcast {
  #receiver!: Socket;
  senders: readonly Sender[] = [];
  readonly #counters: Counters = noCounters();
  readonly #gate: Gate;
  readonly #inbox: Inbox<BroadcastMessage>;
  readonly #highWaterMarkBytes: number;
  #bytesQueued = 0;
  /** Asked of the system once. */
  #port = 0;
  #closed: Promise<void> | undefined = undefined;

  constructor(options: ResolvedBroadcastOptions) {
    this.#gate = new Gate(options, this.#counters);
    this.#highWaterMarkBytes = options.highWaterMarkBytes;
    this.#inbox = new Inbox(options.maxQueued, () => {
      this.#counters.overtaken += 1;
    });
  }

  set receiver(receiver: Socket) {
    this.#receiver = receiver;
    this.#port = receiver.address().port;
  }

  get address(): SocketAddress {
    const { address, port } = this.#receiver.address();
    return socketAddress(address, port);
  }

  get counters(): UdpCounters {
    return { ...this.#counters };
  }

  send(payload: Uint8Array, options: BroadcastMessageOptions = {}): "sent" | "dropped" {
    checkBytes(payload, "a message");
    const { type, subject } = readOptions(messageOptions, options);
    if (this.#closed !== undefined) throw new ConnectionClosedError("the broadcast is closed");
    const header = { kind: Kind.Message, flags: 0, channel: 0, type, seq: 0, ref: 0 };
    const frame = payload.length > maxFrameBytes ? payload : encodeFrame(header, payload, { subject });
    if (frame.length > maxFrameBytes) {
      throw new FrameTooLargeError(
        `the message takes ${frame.length} bytes; a datagram holds ${maxFrameBytes}`,
      );
    }
    if (this.#bytesQueued >= this.#highWaterMarkBytes) return "dropped";
    const datagram = this.#gate.seal(frame);
    for (const sender of this.senders) this.#sendBy(sender, datagram);
    return "sent";
  }

  close(): Promise<void> {
    this.#closed ??= Promise.all([
      closeSocket(this.#receiver),
      ...this.senders.map(({ socket }) => closeSocket(socket)),
    ]).then(() => this.#inbox.end());
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [Symbol.asyncIterator](): AsyncGenerator<BroadcastMessage, void, undefined> {
    return this.#inbox.read();
  }

  onDatagram(datagram: Uint8Array, from: RemoteInfo): void {
    this.#gate.admit(datagram, (admitted) => this.#take(admitted, from));
  }

  #sendBy(sender: Sender, datagram: Uint8Array): void {
    this.#bytesQueued += datagram.length;
    sender.send(datagram, this.#port, (error) => {
      this.#bytesQueued -= datagram.length;
      this.#counters[error === null ? "sent" : "unsent"] += 1;
    });
  }

  #take({ frame, timeMs }: Admitted, from: RemoteInfo): Verdict {
    if (frame.kind !== Kind.Message) return "ignored";
    this.#inbox.push({
      payload: frame.payload.slice(),
      type: frame.type,
      subject: frame.subject,
      from: senderOf(from),
      sentAtMs: timeMs,
    });
    return "taken";
  }
}
