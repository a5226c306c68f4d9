import type { X509Certificate } from "node:crypto";
import { FrameTooLargeError, type MillraceError } from "../errors.js";
import {
  CommandKind,
  DATAGRAM_OVERHEAD_BYTES,
  EventKind,
  Flag,
  Lane,
  MAX_LANES,
} from "../native/constants.js";
import { type Engine, sharedEngine } from "../native/engine.js";
import type { RingReader } from "../native/ring.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import { peerCloseError } from "../transport/close_error.js";
import type {
  ConnectionFigures,
  ConnectionState,
  Publisher,
  SendResult,
  TransportBehaviour,
  TransportConnection,
} from "../transport/connection.js";
import { callGuarded, throwUncaught } from "../transport/uncaught.js";
import { checkInteger } from "./argument.js";
import { EngineConnection, type Opening } from "./engine_connection.js";
import { earlyDataAccepted } from "./opened.js";
import type { FramedOptions } from "./options/framed_options.js";
import type { ServerTickets } from "./resumption/client_resumption.js";
import { StatisticsReader } from "./statistics.js";
import { SendQueue } from "./stream/send_queue.js";

/** What a paused connection keeps: frames, and then perhaps its end. */
interface Backlog {
  readonly frames: Uint8Array[];
  closed: CloseInfo | undefined;
}

/** What a connection has that we opened, or a listener. */
interface FramedExtras {
  readonly opening?: Opening;
  readonly onEnd?: () => void;
  readonly tickets?: ServerTickets | undefined;
}

/** A QUIC connection that carries frames: `lanes` of frames in the engine, one transport connection here. */
export class FramedConnection extends EngineConnection implements TransportConnection {
  owner: unknown = undefined;
  readonly #behaviour: TransportBehaviour;
  readonly #options: FramedOptions;
  readonly #queue = new SendQueue();
  #consumedBytes = 0;
  /** 0 where the peer takes none. */
  #maxDatagramBytes = 0;
  #datagramsDropped = 0;
  #paused = false;
  #backlog: Backlog | undefined;
  /** Made when it is asked for. */
  #statistics: StatisticsReader | undefined;
  readonly #onEnd: (() => void) | undefined;
  readonly #tickets: ServerTickets | undefined;
  /** The application has it before its handshake is complete. */
  #isEarly = false;
  /** Of the event that says that it is. */
  #openedFlags = 0;

  constructor(
    engine: Engine,
    slot: number,
    generation: number,
    behaviour: TransportBehaviour,
    options: FramedOptions,
    { opening, onEnd, tickets }: FramedExtras = {},
  ) {
    super(engine, slot, generation, opening);
    this.#behaviour = behaviour;
    this.#options = options;
    this.#onEnd = onEnd;
    this.#tickets = tickets;
  }

  get framesVerified(): boolean {
    return true;
  }

  /** Closed only when that is told, which is behind what waits. */
  override get state(): ConnectionState {
    return this.#endWaits ? "closing" : super.state;
  }

  get isEarly(): boolean {
    return this.#isEarly;
  }

  get earlyDataAccepted(): boolean | undefined {
    return earlyDataAccepted(this.#openedFlags);
  }

  get bytesQueued(): number {
    return super.state === "closed" ? 0 : this.#queue.bytesQueued(this.engine, this.slot);
  }

  send(head: Uint8Array, payload?: Uint8Array, lane: number = Lane.normal): SendResult {
    if (this.#endWaits) return "dropped"; // who answers what waited cannot know
    this.assertOpen();
    if ((lane & (MAX_LANES - 1)) !== lane) checkInteger("lane", lane, 0, MAX_LANES - 1);
    return this.#queue.send(
      this.engine,
      this,
      this.#options.highWaterMarkBytes,
      CommandKind.sendFrame,
      lane,
      head,
      payload,
    );
  }

  sendEarly(head: Uint8Array, payload?: Uint8Array): SendResult {
    this.assertOpen();
    const mark = this.#options.highWaterMarkBytes;
    const lane = Lane.normal | Flag.laneEarly;
    return this.#queue.send(this.engine, this, mark, CommandKind.sendFrame, lane, head, payload);
  }

  sendDatagram(head: Uint8Array, payload?: Uint8Array): "sent" | "dropped" {
    if (this.#endWaits) return "dropped"; // as send
    this.assertOpen();
    const bytes = payload === undefined ? head.length : head.length + payload.length;
    if (bytes > this.#maxDatagramBytes) throw datagramTooLarge(bytes, this.#maxDatagramBytes);
    if (!this.admit(bytes + DATAGRAM_OVERHEAD_BYTES)) return "dropped";
    this.engine.outbox.write(CommandKind.sendDatagram, 0, this, head, payload);
    return "sent";
  }

  get maxDatagramBytes(): number | undefined {
    return this.#maxDatagramBytes === 0 ? undefined : this.#maxDatagramBytes;
  }

  get datagramsDropped(): number {
    if (super.state !== "closed") this.#datagramsDropped = this.engine.droppedDatagrams(this.slot);
    return this.#datagramsDropped;
  }

  get peerCertificate(): X509Certificate | undefined {
    return super.state === "closed" ? undefined : this.certificateShown();
  }

  async measure(): Promise<ConnectionFigures> {
    this.#statistics ??= new StatisticsReader(super.state === "closed");
    const read = await this.#statistics.read(this.engine, this);
    return {
      roundTripMs: read.roundTripMs,
      packetsSent: read.retransmittablePacketsSent,
      packetsLost: read.packetsSuspectedLost - read.packetsSpuriouslyLost,
    };
  }

  get publisher(): Publisher {
    return publisher;
  }

  /** Counts bytes as queued that are not given to `send`. False where they are not accepted. */
  admit(bytes: number): boolean {
    if (this.state !== "open") return false;
    return this.#queue.admit(this.engine, this.slot, this.#options.highWaterMarkBytes, bytes) !== "dropped";
  }

  pause(): boolean {
    this.#paused = this.state === "open"; // what is closing has no reader to hold back
    return true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#backlog !== undefined) queueMicrotask(() => this.#deliverBacklog());
  }

  override close(options?: CloseOptions): void {
    super.close(options);
    if (this.#backlog === undefined) return;
    // Nobody reads on: what waits would hold the end back.
    this.#backlog.frames.length = 0;
    this.resume();
  }

  onEvent(record: RingReader): void {
    switch (record.kind) {
      case EventKind.frame:
        this.#onFrame(record);
        break;
      case EventKind.drain:
        if (this.#queue.onDrain(this.engine, this.slot, this.#options.highWaterMarkBytes))
          callGuarded(() => this.#behaviour.drain(this));
        break;
      case EventKind.connectionReady:
        this.#isEarly = true;
        this.onReady();
        break;
      case EventKind.connectionOpened:
        this.#onOpened(record);
        this.#confirm();
        break;
      case EventKind.ticket:
        void this.#tickets?.keep(this.remoteAddress.address, record.bytes().slice(8), record.uint32(0));
        break;
      case EventKind.datagramState:
        this.#maxDatagramBytes = record.uint32(0);
        break;
      case EventKind.pathChanged:
        this.takePathChange(); // `remoteAddress` says where it is; the next move is told again
        break;
      case EventKind.statistics:
        this.#statistics ??= new StatisticsReader();
        this.#statistics.onEvent(record, this.earlyDataAccepted);
        break;
      case EventKind.connectionClosed:
        this.#onConnectionClosed(record);
        break;
    }
  }

  protected override peerError(code: number, reason: string): MillraceError | undefined {
    return peerCloseError(code, reason);
  }

  /** Called by the listener for a connection that has just opened, or begun with early data. */
  accepted(record: RingReader): void {
    this.#isEarly = record.kind === EventKind.connectionEarly;
    this.#onOpened(record);
    callGuarded(() => this.#behaviour.open(this)); // it is there, whatever was thrown
  }

  #onOpened(record: RingReader): void {
    this.#maxDatagramBytes = record.uint32(4);
    this.#openedFlags = record.flags;
    this.onOpened(record);
  }

  #confirm(): void {
    if (!this.#isEarly) return;
    this.#isEarly = false;
    callGuarded(() => this.#behaviour.confirmed?.(this));
  }

  #onFrame(record: RingReader): void {
    if (this.state !== "open") {
      this.#consumed(record.length); // so that the peer's end, behind it, can come
      return;
    }
    if (this.#paused || this.#backlog !== undefined) {
      // Copied out, so that the ring is free for others; the credit is returned when it was delivered.
      this.#backlog ??= { frames: [], closed: undefined };
      this.#backlog.frames.push(record.bytes().slice());
      return;
    }
    const bytes = record.length;
    try {
      if (this.#behaviour.placedFrame !== undefined) this.#behaviour.placedFrame(this, record);
      else this.#behaviour.frame(this, record.bytes());
    } catch (cause) {
      throwUncaught(cause); // the credit is the peer's all the same
    }
    this.#consumed(bytes);
  }

  /** The peer has ended it, and frames from before that are still to be delivered. */
  get #endWaits(): boolean {
    return this.#backlog?.closed !== undefined && this.#backlog.frames.length > 0;
  }

  #consumed(bytes: number): void {
    this.#consumedBytes += bytes;
    // Steps of a quarter: see native/quic/receive_credit.h.
    if (this.#consumedBytes < this.#options.receiveCreditBytes / 4) return;
    this.engine.outbox.credit(this, this.#consumedBytes);
    this.#consumedBytes = 0;
  }

  #deliverBacklog(): void {
    const backlog = this.#backlog;
    if (backlog === undefined) return;
    let delivered = 0;
    while (!this.#paused && delivered < backlog.frames.length) {
      const frame = backlog.frames[delivered]!;
      delivered += 1;
      try {
        this.#behaviour.frame(this, frame);
      } catch (cause) {
        throwUncaught(cause);
      }
      this.#consumed(frame.length);
    }
    backlog.frames.splice(0, delivered);
    if (backlog.frames.length > 0 || this.#paused) return;
    this.#backlog = undefined;
    if (backlog.closed !== undefined) this.#behaviour.close(this, backlog.closed);
  }

  #onConnectionClosed(record: RingReader): void {
    this.#datagramsDropped = this.engine.droppedDatagrams(this.slot);
    this.#statistics?.onClosed();
    const info = this.onClosed(record);
    this.engine.release(this);
    this.#onEnd?.();
    if (info === undefined) return;
    if (this.#backlog === undefined) {
      callGuarded(() => this.#behaviour.close(this, info));
      return;
    }
    this.#backlog.closed = info;
    // Who paused until there is room would wait for ever.
    if (this.#queue.onEnd()) callGuarded(() => this.#behaviour.drain(this));
  }
}

function datagramTooLarge(bytes: number, limit: number): FrameTooLargeError {
  if (limit === 0) return new FrameTooLargeError("the peer of this connection takes no datagrams");
  return new FrameTooLargeError(
    `this connection's datagrams take frames of at most ${limit} bytes now, and this one has ${bytes}`,
  );
}

/** One native call and one buffer for all: the engine keeps a reference a connection (native/quic/outbox.cc). */
const publisher: Publisher = {
  publish(connections, head, payload) {
    const bytes = head.length + payload.length;
    const admitted = (connections as readonly FramedConnection[]).filter((connection) =>
      connection.admit(bytes),
    );
    if (admitted.length === 0) return 0;
    const handles = new Uint32Array(admitted.length * 2);
    admitted.forEach((connection, index) => {
      handles[index * 2] = connection.slot;
      handles[index * 2 + 1] = connection.generation;
    });
    const engine = sharedEngine();
    engine.outbox.flush();
    return engine.native.publish(CommandKind.sendFrame, Lane.normal, handles, head, payload);
  },
};
