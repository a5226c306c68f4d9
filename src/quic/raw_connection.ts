import { InvalidArgumentError } from "../errors.js";
import { CommandKind, EventKind } from "../native/constants.js";
import type { Engine } from "../native/engine.js";
import type { NativeConnectionOptions } from "../native/environment.js";
import type { RingReader } from "../native/ring.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import type { QuicBehaviour } from "./behaviour.js";
import type { QuicConnection } from "./connection.js";
import { EngineConnection, type Opening } from "./engine_connection.js";
import { assertBytes, RawStream, type StreamHost, startError } from "./raw_stream.js";
import { SendQueue } from "./send_queue.js";
import { type QuicStatistics, StatisticsReader } from "./statistics.js";
import type { OpenStreamOptions, QuicStream } from "./stream.js";

/** A {@link QuicConnection} on the engine's. */
export class RawConnection extends EngineConnection implements QuicConnection, StreamHost {
  data: unknown = undefined;
  readonly behaviour: QuicBehaviour;
  readonly options: NativeConnectionOptions;
  readonly #datagrams = new SendQueue();
  #maxDatagramBytes = 0;
  #datagramsDropped = 0;
  readonly #onEnd: (() => void) | undefined;
  #closedPromise: Promise<CloseInfo> | undefined;
  #resolveClosed: ((info: CloseInfo) => void) | undefined;
  #closeInfo: CloseInfo | undefined;
  #statistics: StatisticsReader | undefined;

  constructor(
    engine: Engine,
    slot: number,
    generation: number,
    behaviour: QuicBehaviour,
    options: NativeConnectionOptions,
    { opening, onEnd }: { opening?: Opening; onEnd?: () => void } = {},
  ) {
    super(engine, slot, generation, opening);
    this.behaviour = behaviour;
    this.options = options;
    this.#onEnd = onEnd;
  }

  get maxDatagramBytes(): number {
    return this.#maxDatagramBytes;
  }

  get datagramsDropped(): number {
    if (this.state !== "closed") this.#datagramsDropped = this.engine.droppedDatagrams(this.slot);
    return this.#datagramsDropped;
  }

  get closed(): Promise<CloseInfo> {
    this.#closedPromise ??= new Promise((resolve) => {
      if (this.#closeInfo !== undefined) resolve(this.#closeInfo);
      else this.#resolveClosed = resolve;
    });
    return this.#closedPromise;
  }

  statistics(): Promise<QuicStatistics> {
    this.#statistics ??= new StatisticsReader();
    return this.#statistics.read(this.engine, this);
  }

  openStream({ direction = "bidirectional", failWhenBlocked = false }: OpenStreamOptions = {}): QuicStream {
    this.assertOpen();
    if (direction !== "bidirectional" && direction !== "unidirectional") {
      throw new InvalidArgumentError(
        `direction must be bidirectional or unidirectional, and not ${String(direction)}`,
      );
    }
    const unidirectional = direction === "unidirectional";
    this.engine.outbox.flush();
    const handle = this.engine.native.openStream(this.slot, this.generation, unidirectional, failWhenBlocked);
    if (typeof handle === "number") throw startError(handle);
    const stream = new RawStream(this.engine, handle[0], handle[1], this, direction, "local");
    this.engine.register(stream);
    return stream;
  }

  sendDatagram(bytes: Uint8Array): SendResult {
    assertBytes(bytes);
    this.assertOpen();
    if (bytes.length > this.#maxDatagramBytes) {
      throw new InvalidArgumentError(
        `a datagram of ${bytes.length} bytes is above the limit of ${this.#maxDatagramBytes}; use a stream`,
      );
    }
    const mark = this.options.highWaterMarkBytes;
    return this.#datagrams.send(this.engine, this, mark, CommandKind.sendDatagram, 0, bytes);
  }

  override close(options?: CloseOptions): Promise<CloseInfo> {
    super.close(options);
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  call(handler: () => void): void {
    try {
      handler();
    } catch (cause) {
      this.report(cause);
    }
  }

  report(cause: unknown): void {
    const { error } = this.behaviour;
    queueMicrotask(() => {
      if (error === undefined) throw cause;
      error.call(this.behaviour, this, cause);
    });
  }

  /** Called by the listener for a connection that has just opened. */
  accepted(record: RingReader): void {
    this.#maxDatagramBytes = record.uint32(4);
    this.onOpened(record);
    this.call(() => this.behaviour.open?.(this));
  }

  onEvent(record: RingReader): void {
    switch (record.kind) {
      case EventKind.streamOpened:
        this.#onStreamOpened(record);
        break;
      case EventKind.datagram: {
        const bytes = record.bytes();
        this.call(() => this.behaviour.datagram?.(this, bytes));
        break;
      }
      case EventKind.datagramState:
        this.#maxDatagramBytes = record.uint32(0);
        break;
      case EventKind.connectionOpened:
        this.#maxDatagramBytes = record.uint32(4);
        this.onOpened(record);
        break;
      case EventKind.statistics:
        this.#statistics ??= new StatisticsReader();
        this.#statistics.onEvent(record);
        break;
      case EventKind.connectionClosed:
        this.#onConnectionClosed(record);
        break;
    }
  }

  protected override peerError(): undefined {
    return undefined;
  }

  #onStreamOpened(record: RingReader): void {
    const direction = record.uint32(8) === 1 ? "unidirectional" : "bidirectional";
    const stream = new RawStream(this.engine, record.slot, record.generation, this, direction, "peer");
    this.engine.register(stream);
    this.call(() => this.behaviour.stream?.(stream));
  }

  #onConnectionClosed(record: RingReader): void {
    this.#datagramsDropped = this.engine.droppedDatagrams(this.slot);
    this.#statistics ??= new StatisticsReader();
    this.#statistics.onClosed();
    const info = this.onClosed(record);
    this.engine.release(this);
    this.#onEnd?.();
    if (info === undefined) return;
    this.#closeInfo = info;
    this.#resolveClosed?.(info);
    this.call(() => this.behaviour.close?.(this, info));
  }
}
