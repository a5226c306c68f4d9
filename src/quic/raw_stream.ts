import { InvalidArgumentError, StreamClosedError, StreamLimitError } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import { CommandKind, EventKind, Flag } from "../native/constants.js";
import type { Engine, EngineResource } from "../native/engine.js";
import type { NativeConnectionOptions } from "../native/environment.js";
import type { RingReader } from "../native/ring.js";
import type { SendResult } from "../transport/connection.js";
import type { QuicBehaviour } from "./behaviour.js";
import type { QuicConnection } from "./connection.js";
import { SendQueue } from "./send_queue.js";
import type { QuicStream } from "./stream.js";

const NO_BYTES = new Uint8Array(0);

/** What a stream needs of its connection. */
export interface StreamHost extends QuicConnection {
  readonly behaviour: QuicBehaviour;
  readonly options: NativeConnectionOptions;
  /** Runs a handler; what it throws is the application's. */
  call(handler: () => void): void;
  report(cause: unknown): void;
}

/** A {@link QuicStream} on the engine's. */
export class RawStream implements QuicStream, EngineResource {
  readonly slot: number;
  readonly generation: number;
  readonly connection: StreamHost;
  readonly direction: "bidirectional" | "unidirectional";
  readonly initiator: "local" | "peer";
  data: unknown = undefined;
  readonly #engine: Engine;
  readonly #queue = new SendQueue();
  #canSend: boolean;
  #canReceive: boolean;
  #consumedBytes = 0;
  #paused = false;
  /** Chunks that came while paused; null stands for the peer's FIN. */
  #backlog: (Uint8Array | null)[] | undefined;
  #closed = false;
  #finished = false;

  constructor(
    engine: Engine,
    slot: number,
    generation: number,
    connection: StreamHost,
    direction: QuicStream["direction"],
    initiator: QuicStream["initiator"],
  ) {
    this.#engine = engine;
    this.slot = slot;
    this.generation = generation;
    this.connection = connection;
    this.direction = direction;
    this.initiator = initiator;
    const bidirectional = direction === "bidirectional";
    this.#canSend = bidirectional || initiator === "local";
    this.#canReceive = bidirectional || initiator === "peer";
  }

  get bytesQueued(): number {
    return this.#closed ? 0 : this.#queue.bytesQueued(this.#engine, this.slot);
  }

  get writable(): boolean {
    return this.#canSend && this.connection.state === "open";
  }

  get readable(): boolean {
    return this.#canReceive;
  }

  write(bytes: Uint8Array): SendResult {
    assertBytes(bytes);
    this.#assertWritable();
    const mark = this.connection.options.highWaterMarkBytes;
    return this.#queue.send(this.#engine, this, mark, CommandKind.writeStream, 0, bytes);
  }

  end(): void {
    if (!this.#canSend) return;
    this.#canSend = false;
    this.#engine.outbox.write(CommandKind.writeStream, Flag.sendFin, this, NO_BYTES);
  }

  reset(code = 0): void {
    assertCode(code);
    if (this.#closed) return;
    this.#canSend = false;
    this.#engine.outbox.flush();
    this.#engine.native.resetStream(this.slot, this.generation, code);
  }

  stopSending(code = 0): void {
    assertCode(code);
    if (this.#closed || !this.#canReceive) return;
    this.#canReceive = false;
    this.#backlog = undefined;
    this.#engine.outbox.flush();
    this.#engine.native.stopSending(this.slot, this.generation, code);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#backlog !== undefined) queueMicrotask(() => this.#deliverBacklog());
  }

  onEvent(record: RingReader): void {
    const behaviour = this.connection.behaviour;
    switch (record.kind) {
      case EventKind.streamData:
        this.#onData(record, behaviour);
        break;
      case EventKind.drain:
        if (
          this.#queue.onDrain(this.#engine, this.slot, this.connection.options.highWaterMarkBytes) &&
          this.writable
        ) {
          this.connection.call(() => behaviour.drain?.(this));
        }
        break;
      case EventKind.streamReset: {
        const code = record.uint64(0);
        this.#canReceive = false;
        this.#backlog = undefined; // RFC 9000 section 3.2: what was not yet delivered may be discarded
        this.connection.call(() => behaviour.reset?.(this, code));
        break;
      }
      case EventKind.streamStopped: {
        const code = record.uint64(0);
        // RFC 9000 section 3.5: the answer to STOP_SENDING is a reset with the same code.
        if (this.#canSend) this.reset(code);
        this.connection.call(() => behaviour.stopped?.(this, code));
        break;
      }
      case EventKind.streamClosed:
        this.#onClosed(record.int32(0), behaviour);
        break;
    }
  }

  #onData(record: RingReader, behaviour: QuicBehaviour): void {
    const fin = (record.flags & Flag.receiveFin) !== 0;
    if (!this.#canReceive) {
      this.#consumed(record.length);
      return;
    }
    if (this.#paused || this.#backlog !== undefined) {
      this.#backlog ??= [];
      if (record.length > 0) this.#backlog.push(record.bytes().slice());
      if (fin) this.#backlog.push(null);
      return;
    }
    const bytes = record.length;
    if (bytes > 0) this.#deliver(behaviour, record.bytes());
    this.#consumed(bytes);
    if (fin) this.#deliverEnd(behaviour);
  }

  #deliver(behaviour: QuicBehaviour, chunk: Uint8Array): void {
    try {
      behaviour.data?.(this, chunk);
    } catch (cause) {
      this.connection.report(cause);
    }
  }

  #deliverEnd(behaviour: QuicBehaviour): void {
    this.#canReceive = false;
    this.connection.call(() => behaviour.end?.(this));
  }

  #consumed(bytes: number): void {
    this.#consumedBytes += bytes;
    // Steps of a quarter: see native/quic/receive_credit.h.
    if (this.#closed || this.#consumedBytes < this.connection.options.receiveCreditBytes / 4) return;
    this.#engine.outbox.credit(this, this.#consumedBytes);
    this.#consumedBytes = 0;
  }

  #deliverBacklog(): void {
    const behaviour = this.connection.behaviour;
    while (!this.#paused && this.#backlog !== undefined) {
      const next = this.#backlog.shift();
      if (this.#backlog.length === 0) this.#backlog = undefined;
      if (next === null) this.#deliverEnd(behaviour);
      else if (next !== undefined) {
        this.#deliver(behaviour, next);
        this.#consumed(next.length);
      }
    }
    if (this.#closed && this.#backlog === undefined) this.#finish(behaviour);
  }

  #onClosed(startStatus: number, behaviour: QuicBehaviour): void {
    this.#closed = true;
    this.#canSend = false;
    this.#engine.release(this);
    // A stream that its connection's end overtook is no error of its own: `close` says how that came.
    if (startStatus === loadAddon().constants.status!.streamLimit) {
      this.connection.report(startError(startStatus));
    }
    if (this.#backlog === undefined) this.#finish(behaviour);
  }

  #finish(behaviour: QuicBehaviour): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#canReceive = false;
    this.connection.call(() => behaviour.streamClose?.(this));
  }

  #assertWritable(): void {
    if (this.writable) return;
    const what = this.#canSend
      ? `the stream's connection is ${this.connection.state}`
      : "its sending side has ended";
    throw new StreamClosedError(`nothing can be written to the stream: ${what}`);
  }
}

/** Why a stream could not be opened, from msquic's status. */
export function startError(status: number): Error {
  if (status === loadAddon().constants.status!.streamLimit) {
    return new StreamLimitError("the peer allows no further stream for now; wait until one has closed");
  }
  return new StreamClosedError("the connection ended before the stream was opened");
}

/** @throws InvalidArgumentError */
export function assertBytes(bytes: unknown): void {
  if (bytes instanceof Uint8Array) return;
  throw new InvalidArgumentError(`bytes must be a Uint8Array, and not ${typeof bytes}`);
}

function assertCode(code: number): void {
  if (Number.isSafeInteger(code) && code >= 0) return;
  throw new InvalidArgumentError(
    `code must be an integer from 0 to ${Number.MAX_SAFE_INTEGER}, and not ${code}`,
  );
}
