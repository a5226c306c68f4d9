import type { Duplex } from "node:stream";
import {
  ConnectionClosedError,
  type MillraceError,
  StreamResetError,
  StreamStoppedError,
} from "../../errors.js";
import { EventKind } from "../../native/constants.js";
import type { Engine, EngineResource } from "../../native/engine.js";
import type { RingRecord } from "../../native/ring.js";
import type { SendResult } from "../../transport/connection.js";
import type { WaitOptions } from "../../transport/wait.js";
import { checkCode, checkPriority, DEFAULT_PRIORITY } from "../argument.js";
import { publishStreamClose } from "../diagnostics.js";
import { Promised } from "../promised.js";
import { ChunkIterator } from "./chunk_iterator.js";
import { toDuplex } from "./duplex.js";
import { ReceivingSide } from "./receiving_side.js";
import { SendingSide } from "./sending_side.js";
import type { QuicStream, StreamCloseInfo, WebStreams } from "./stream.js";
import { StreamOpening, startError } from "./stream_opening.js";
import type { SideHost, StreamHost } from "./stream_side.js";
import { toWebStreams } from "./web_streams.js";

/** Disposing of a stream waits so long for the peer. */
const DISPOSE_DEADLINE_MS = 5_000;

/** A {@link QuicStream} on the engine's. */
export class RawStream implements QuicStream, SideHost, EngineResource {
  readonly slot: number;
  readonly generation: number;
  readonly engine: Engine;
  readonly connection: StreamHost;
  readonly direction: QuicStream["direction"];
  readonly initiator: QuicStream["initiator"];
  readonly early: boolean;
  data: unknown = undefined;
  readonly sending: SendingSide;
  readonly receiving: ReceivingSide;
  #ended = false;
  #priority = DEFAULT_PRIORITY;
  #opening: StreamOpening | undefined;
  #resetCode: number | undefined;
  #stopCode: number | undefined;
  #error: MillraceError | undefined;
  #closeInfo: StreamCloseInfo | undefined;
  #closed: Promised<StreamCloseInfo> | undefined;

  constructor(
    engine: Engine,
    slot: number,
    generation: number,
    connection: StreamHost,
    direction: QuicStream["direction"],
    initiator: QuicStream["initiator"],
    early = false,
  ) {
    this.engine = engine;
    this.slot = slot;
    this.generation = generation;
    this.connection = connection;
    this.direction = direction;
    this.initiator = initiator;
    this.early = early;
    const bidirectional = direction === "bidirectional";
    this.sending = new SendingSide(this, bidirectional || initiator === "local");
    this.receiving = new ReceivingSide(this, bidirectional || initiator === "peer");
  }

  get ended(): boolean {
    return this.#ended;
  }

  get opened(): Promise<void> {
    return this.#awaitOpening().promise;
  }

  get closed(): Promise<StreamCloseInfo> {
    if (this.#closed === undefined) {
      this.#closed = new Promised();
      if (this.#closeInfo !== undefined) this.#closed.resolve(this.#closeInfo);
    }
    return this.#closed.promise;
  }

  get bytesSent(): number {
    return this.sending.bytesSent;
  }

  get bytesReceived(): number {
    return this.receiving.bytesReceived;
  }

  get earlyBytes(): number {
    return this.receiving.earlyBytes;
  }

  get bytesQueued(): number {
    return this.sending.bytesQueued;
  }

  get writable(): boolean {
    return this.sending.writable;
  }

  get readable(): boolean {
    return this.receiving.open;
  }

  get priority(): number {
    return this.#priority;
  }

  set priority(priority: number) {
    checkPriority(priority);
    if (priority === this.#priority) return;
    this.#priority = priority;
    if (!this.#ended) this.engine.native.setPriority(this.slot, this.generation, priority);
  }

  write(bytes: Uint8Array): SendResult {
    return this.sending.write(bytes);
  }

  writev(chunks: readonly Uint8Array[]): SendResult {
    return this.sending.writev(chunks);
  }

  end(): void {
    this.sending.end();
  }

  reset(code = 0): void {
    this.sending.reset(code);
  }

  stopSending(code = 0): void {
    checkCode(code);
    if (!this.receiving.open) return;
    this.receiving.stop();
    if (this.#ended) return;
    this.engine.outbox.flush();
    this.engine.native.stopSending(this.slot, this.generation, code);
  }

  pause(): void {
    this.receiving.pause();
  }

  resume(): void {
    this.receiving.resume();
  }

  toDuplex(): Duplex {
    return toDuplex(this);
  }

  toWebStreams(): WebStreams {
    return toWebStreams(this);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array[], undefined> {
    return new ChunkIterator(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    this.stopSending();
    const deadline = setTimeout(() => this.reset(), DISPOSE_DEADLINE_MS);
    await this.closed;
    clearTimeout(deadline);
  }

  /** Of a stream that we have just opened: what the caller chose for it. */
  begin(priority: number, wait: WaitOptions): void {
    this.#priority = priority;
    if (wait.signal === undefined && wait.timeoutMs === undefined) return;
    this.#awaitOpening().watch(wait, (error) => this.#giveUp(error));
  }

  onEvent(record: RingRecord): void {
    switch (record.kind) {
      case EventKind.streamData:
        this.receiving.onData(record);
        break;
      case EventKind.drain:
        this.sending.onDrain();
        break;
      case EventKind.streamAccepted:
        this.#opening?.accepted();
        break;
      case EventKind.streamReset:
        this.#onReset(record.uint64(0));
        break;
      case EventKind.streamStopped:
        this.#onStopped(record.uint64(0));
        break;
      case EventKind.streamClosed:
        this.#onClosed(record.int32(0), record.uint32(4) === 1);
        break;
    }
  }

  onAllRead(): void {
    if (this.#ended && !this.receiving.hasUnread) this.#finish();
  }

  #awaitOpening(): StreamOpening {
    if (this.#opening === undefined) {
      this.#opening = new StreamOpening();
      const known = this.initiator === "peer" || this.#ended;
      if (known || this.engine.awaitAccepted(this.slot)) this.#opening.accepted();
    }
    return this.#opening;
  }

  /** The caller has waited long enough for the peer's leave: whoever reads or writes is told why. */
  #giveUp(error: MillraceError): void {
    if (this.#ended) return;
    const { slot, generation } = this;
    this.engine.outbox.flush();
    this.engine.native.resetStream(slot, generation, 0);
    if (this.direction === "bidirectional") this.engine.native.stopSending(slot, generation, 0);
    this.sending.fail(error);
    if (this.receiving.open) this.receiving.abort(error);
  }

  #onReset(code: number): void {
    this.#resetCode = code;
    this.receiving.abort(
      new StreamResetError(`the peer reset the stream with code ${code}`, { applicationCode: code }),
    );
    const { behaviour } = this.connection;
    this.connection.call(() => behaviour.reset?.(this, code), this);
  }

  #onStopped(code: number): void {
    this.#stopCode = code;
    // RFC 9000 section 3.5: the answer to STOP_SENDING is a reset with the same code.
    if (this.sending.open) this.engine.native.resetStream(this.slot, this.generation, code);
    this.sending.fail(
      new StreamStoppedError(`the peer asked to send no more, with code ${code}`, { applicationCode: code }),
    );
    const { behaviour } = this.connection;
    this.connection.call(() => behaviour.stopped?.(this, code), this);
  }

  /** The engine's last word. Why a connection ended, where we have not closed it, comes with its own end. */
  #onClosed(startStatus: number, connectionEnded: boolean): void {
    const isUsed = this.sending.open || this.receiving.open;
    if (connectionEnded && isUsed && this.connection.state === "open") {
      this.connection.awaitClose(this, () => this.#onEnded(startStatus, true));
    } else this.#onEnded(startStatus, connectionEnded);
  }

  /** Bytes may wait to be read. */
  #onEnded(startStatus: number, connectionEnded: boolean): void {
    const isOurs = this.initiator === "local";
    // Looked up while the slot is ours.
    const opened = !isOurs || (startStatus === 0 && this.engine.isAccepted(this.slot));
    const { closeError } = this.connection;
    const because = closeError === undefined ? undefined : { cause: closeError };
    this.#error = this.#opening?.failure ?? (opened ? undefined : startError(startStatus, because));
    if (connectionEnded && (this.sending.open || this.receiving.open)) {
      this.#error ??= new ConnectionClosedError(
        "the stream's connection ended before the stream did",
        because,
      );
    }
    if (!opened) {
      this.#opening ??= new StreamOpening();
      this.#opening.failed(this.#error!);
    } else this.#opening?.accepted();
    this.#ended = true;
    // Made only where somebody gets it: an error's stack costs more than all else that a stream does.
    if (this.sending.open || this.receiving.open || this.sending.isAwaited) {
      const failure = this.#error ?? new ConnectionClosedError("the stream has ended");
      this.sending.fail(failure);
      this.receiving.fail(failure);
    }
    if (this.receiving.hasUnread) this.connection.linger(this);
    else this.#finish();
  }

  /** Once: whoever is told of a failure may destroy what reads the stream, and so have been here already. */
  #finish(): void {
    if (this.#closeInfo !== undefined) return;
    this.receiving.open = false;
    const info: StreamCloseInfo = {
      ...(this.#resetCode === undefined ? undefined : { resetCode: this.#resetCode }),
      ...(this.#stopCode === undefined ? undefined : { stopCode: this.#stopCode }),
      ...(this.#error === undefined ? undefined : { error: this.#error }),
    };
    this.#closeInfo = info;
    this.connection.letGo(this);
    this.#closed?.resolve(info);
    publishStreamClose(this, info);
    const { behaviour } = this.connection;
    this.connection.call(() => behaviour.streamClose?.(this, info), this);
  }
}
