import type { X509Certificate } from "node:crypto";
import { ConnectionClosedError, type MillraceError, ReaderLockedError } from "../errors.js";
import { DatagramOutcome, EventKind, Flag } from "../native/constants.js";
import type { Engine } from "../native/engine.js";
import type { NativeConnectionOptions } from "../native/environment.js";
import type { RingReader } from "../native/ring.js";
import { watchAbort } from "../transport/abort_watch.js";
import { formatAddress } from "../transport/address.js";
import type { CloseInfo } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import { readWait, throwIfAborted, type WaitOptions, within } from "../transport/wait.js";
import type { QuicBehaviour } from "./behaviour.js";
import type {
  DatagramsOptions,
  OutcomeOfDatagram,
  QuicCloseOptions,
  QuicConnection,
  SendDatagramOptions,
} from "./connection.js";
import { Datagrams } from "./datagram/datagrams.js";
import {
  publishConnectionClose,
  publishConnectionOpen,
  publishError,
  publishFailedHandshake,
  publishStreamOpen,
} from "./diagnostics.js";
import { EngineConnection, type Opening } from "./engine_connection.js";
import { updateKeys } from "./key_update.js";
import { Opened } from "./opened.js";
import { readQuicCloseOptions } from "./options/close_options.js";
import { Promised } from "./promised.js";
import type { ServerTickets } from "./resumption/client_resumption.js";
import { type QuicStatistics, StatisticsReader } from "./statistics.js";
import { EarlyStreams } from "./stream/early_streams.js";
import { readOpenStreamOptions } from "./stream/open_stream.js";
import { RawStream } from "./stream/raw_stream.js";
import type { OpenStreamOptions, QuicStream } from "./stream/stream.js";
import { openError } from "./stream/stream_opening.js";
import type { StreamHost } from "./stream/stream_side.js";
import { type Authenticator, readPeer } from "./tls/authentication.js";

const outcomes: readonly OutcomeOfDatagram[] = (() => {
  const { sent, acknowledged, lost, cancelled } = DatagramOutcome;
  const names: OutcomeOfDatagram[] = [];
  names[sent] = "sent";
  names[acknowledged] = "acknowledged";
  names[lost] = "lost";
  names[cancelled] = "cancelled";
  return names;
})();

/** What a connection has besides, as it was opened by us or by the peer, and judged or not. */
export interface RawConnectionExtras {
  readonly opening?: Opening;
  readonly onEnd?: () => void;
  readonly authenticator?: Authenticator | undefined;
  readonly tickets?: ServerTickets | undefined;
}

/** A {@link QuicConnection} on the engine's. */
export class RawConnection extends EngineConnection implements QuicConnection, StreamHost {
  data: unknown = undefined;
  readonly behaviour: QuicBehaviour;
  readonly options: NativeConnectionOptions;
  /** From the first one on that is sent or read: of many idle connections few have any. */
  #datagrams: Datagrams | undefined;
  #maxDatagramBytes = 0;
  #datagramsDropped = 0;
  readonly #onEnd: (() => void) | undefined;
  readonly #authenticator: Authenticator | undefined;
  /** A peer opened it: the behaviour is told when it is open. */
  #isAccepted = false;
  #peerCertificate: X509Certificate | undefined;
  readonly #tickets: ServerTickets | undefined;
  readonly #opened = new Opened();
  #early: EarlyStreams | undefined;
  #closed: Promised<CloseInfo> | undefined;
  #closeInfo: CloseInfo | undefined;
  #closeError: MillraceError | undefined;
  #statistics: StatisticsReader | undefined;
  /** Streams that have ended and were not read to their end. */
  #lingering: Set<RawStream> | undefined;
  /** Streams that have ended with the connection, whose own end comes right behind and says why. */
  #ending: Map<RawStream, () => void> | undefined;

  constructor(
    engine: Engine,
    slot: number,
    generation: number,
    behaviour: QuicBehaviour,
    options: NativeConnectionOptions,
    { opening, onEnd, authenticator, tickets }: RawConnectionExtras = {},
  ) {
    super(engine, slot, generation, opening);
    this.behaviour = behaviour;
    this.options = options;
    this.#onEnd = onEnd;
    this.#authenticator = authenticator;
    this.#tickets = tickets;
  }

  get maxDatagramBytes(): number {
    return this.#maxDatagramBytes;
  }

  get datagramsDropped(): number {
    if (this.state !== "closed") this.#datagramsDropped = this.engine.droppedDatagrams(this.slot);
    return this.#datagramsDropped + (this.#datagrams?.dropped ?? 0);
  }

  get peerCertificate(): X509Certificate | undefined {
    if (this.#peerCertificate === undefined && this.#opened.is && this.state !== "closed") {
      this.#peerCertificate = this.certificateShown();
    }
    return this.#peerCertificate;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get resumed(): boolean {
    return this.#opened.resumed;
  }

  get earlyDataAccepted(): boolean | undefined {
    return this.#tickets?.earlyData === true ? this.#opened.earlyDataAccepted : undefined;
  }

  get closed(): Promise<CloseInfo> {
    if (this.#closed === undefined) {
      this.#closed = new Promised();
      if (this.#closeInfo !== undefined) this.#closed.resolve(this.#closeInfo);
    }
    return this.#closed.promise;
  }

  async updateKeys(options?: WaitOptions): Promise<void> {
    this.assertOpen();
    await updateKeys(this.engine, this, options);
  }

  async statistics(options: WaitOptions = {}): Promise<QuicStatistics> {
    const wait = readWait(options);
    this.#statistics ??= new StatisticsReader();
    return within(this.#statistics.read(this.engine, this), "asking for statistics", wait);
  }

  openStream(options?: OpenStreamOptions): QuicStream {
    const read = readOpenStreamOptions(options);
    this.assertOpen();
    throwIfAborted("opening a stream", read.signal);
    this.engine.outbox.flush();
    const handle = this.engine.native.openStream(
      this.slot,
      this.generation,
      read.direction === "unidirectional",
      read.whenBlocked === "fail",
      read.priority,
      read.idempotent,
    );
    if (typeof handle === "number") throw openError(handle);
    const stream = new RawStream(this.engine, handle[0], handle[1], this, read.direction, "local");
    this.engine.register(stream);
    stream.begin(read.priority, read);
    publishStreamOpen(stream);
    return stream;
  }

  sendDatagram(bytes: Uint8Array, options?: SendDatagramOptions): SendResult {
    this.assertOpen();
    return this.#ownDatagrams.send(this.engine, this, this.options.highWaterMarkBytes, bytes, options);
  }

  datagrams(options: DatagramsOptions = {}): AsyncIterableIterator<Uint8Array, undefined> {
    if (this.behaviour.datagram !== undefined) {
      throw new ReaderLockedError("the behaviour's datagram handler reads them; leave that out to iterate");
    }
    const reader = this.#ownDatagrams.read(options);
    if (this.state === "closed") reader.end();
    return reader;
  }

  /** Counts a publication's datagram as queued. False where it is not accepted. */
  admitDatagram(bytes: number): boolean {
    if (this.state !== "open" || bytes > this.maxDatagramBytes) return false;
    const mark = this.options.highWaterMarkBytes;
    return this.#ownDatagrams.admit(this.engine, this.slot, mark, bytes) !== "dropped";
  }

  override close(options: QuicCloseOptions = {}): Promise<CloseInfo> {
    const { signal, ...read } = readQuicCloseOptions(options);
    const atOnce = () => this.closeWith({ ...read, graceful: false });
    if (signal?.aborted) atOnce();
    else this.closeWith(read);
    if (signal !== undefined && this.state === "closing") {
      void this.closed.then(watchAbort(signal, atOnce));
    }
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  call(handler: () => unknown, stream?: QuicStream): void {
    try {
      this.heed(handler(), stream);
    } catch (cause) {
      this.report(cause, stream);
    }
  }

  heed(returned: unknown, stream?: QuicStream): void {
    if (returned instanceof Promise) returned.then(undefined, (cause) => this.report(cause, stream));
  }

  report(cause: unknown, stream?: QuicStream): void {
    publishError(this, cause, stream);
    const { error } = this.behaviour;
    queueMicrotask(() => {
      if (error === undefined) throw cause;
      error.call(this.behaviour, this, cause, stream);
    });
  }

  get closeError(): MillraceError | undefined {
    return this.#closeError;
  }

  awaitClose(stream: RawStream, end: () => void): void {
    this.#ending ??= new Map();
    this.#ending.set(stream, end);
  }

  linger(stream: RawStream): void {
    if (this.state === "closed") return; // its place is given back already
    this.#lingering ??= new Set();
    this.#lingering.add(stream);
  }

  letGo(stream: RawStream): void {
    this.#lingering?.delete(stream);
    if (this.state !== "closed") this.engine.release(stream); // else that was done already
  }

  /** Called by the listener for a peer's connection, with its first event. */
  accepted(record: RingReader): void {
    this.#isAccepted = true;
    this.onEvent(record);
  }

  onEvent(record: RingReader): void {
    switch (record.kind) {
      case EventKind.streamOpened:
        this.#onStreamOpened(record);
        break;
      case EventKind.datagram:
        this.#onDatagram(record);
        break;
      case EventKind.datagramState:
        this.#maxDatagramBytes = record.uint32(0);
        this.call(() => this.behaviour.datagramLimit?.(this, this.maxDatagramBytes));
        break;
      case EventKind.datagramOutcome: {
        const tag = record.uint32(0);
        const outcome = outcomes[record.uint32(4)]!;
        this.call(() => this.behaviour.datagramOutcome?.(this, tag, outcome));
        break;
      }
      case EventKind.drain:
        if (this.#datagrams?.onDrain(this.engine, this.slot, this.options.highWaterMarkBytes)) {
          this.call(() => this.behaviour.datagramDrain?.(this));
        }
        break;
      case EventKind.peerCertificate:
        void this.#authenticate(record);
        break;
      case EventKind.connectionReady:
        this.onReady();
        break;
      case EventKind.connectionEarly:
        this.onOpened(record);
        break;
      case EventKind.connectionOpened:
        this.#onOpened(record);
        break;
      case EventKind.ticket:
        this.#tickets?.keep(this.remoteAddress.address, record.bytes().slice(8), record.uint32(0));
        break;
      case EventKind.statistics:
        this.#statistics ??= new StatisticsReader();
        this.#statistics.onEvent(record, this.earlyDataAccepted);
        break;
      case EventKind.pathChanged:
        this.#onPathChanged();
        break;
      case EventKind.connectionClosed:
        this.#onConnectionClosed(record);
        break;
    }
  }

  get #ownDatagrams(): Datagrams {
    this.#datagrams ??= new Datagrams();
    return this.#datagrams;
  }

  protected override peerError(): undefined {
    return undefined;
  }

  #onOpened(record: RingReader): void {
    this.#maxDatagramBytes = record.uint32(4);
    if (!this.onOpened(record)) return;
    this.#opened.complete(record.flags);
    publishConnectionOpen(this);
    if (!this.#isAccepted) return;
    this.call(() => this.behaviour.open?.(this));
    this.#early?.confirm();
  }

  async #authenticate(record: RingReader): Promise<void> {
    const peer = readPeer(record, this.remoteAddress);
    this.#peerCertificate = peer.certificate;
    const refusal = await this.#authenticator?.ask(peer);
    if (this.state === "closed") return;
    if (refusal === undefined) {
      this.engine.native.authenticate(this.slot, this.generation, true, 0);
      return;
    }
    this.engine.native.authenticate(this.slot, this.generation, false, refusal.alert);
    this.refusedPeer = refusal.error;
    if (this.#isAccepted && refusal.error.cause !== undefined) this.report(refusal.error.cause);
  }

  #onDatagram(record: RingReader): void {
    const bytes = record.bytes();
    if (this.#datagrams?.onDatagram(bytes) !== true) this.call(() => this.behaviour.datagram?.(this, bytes));
  }

  #onStreamOpened(record: RingReader): void {
    const direction = record.uint32(8) === 1 ? "unidirectional" : "bidirectional";
    const early = (record.flags & Flag.streamEarly) !== 0;
    const stream = new RawStream(this.engine, record.slot, record.generation, this, direction, "peer", early);
    if (early && !this.#opened.is) {
      this.#early ??= new EarlyStreams(this, this.engine);
      this.#early.add(stream);
      return;
    }
    this.engine.register(stream);
    publishStreamOpen(stream);
    this.call(() => this.behaviour.stream?.(stream), stream);
  }

  #onPathChanged(): void {
    const change = this.takePathChange();
    if (change !== undefined) this.call(() => this.behaviour.pathChange?.(this, change));
  }

  #onConnectionClosed(record: RingReader): void {
    this.#datagramsDropped = this.engine.droppedDatagrams(this.slot);
    this.#statistics ??= new StatisticsReader();
    this.#statistics.onClosed();
    const info = this.onClosed(record);
    this.#closeError = info?.error;
    for (const [stream, end] of this.#ending ?? []) {
      end(); // while its place is its own
      this.engine.release(stream);
    }
    this.#ending = undefined;
    // What they hold can still be read; their places in the engine mean nothing any more.
    for (const stream of this.#lingering ?? []) this.engine.release(stream);
    this.#lingering = undefined;
    this.engine.release(this);
    this.#onEnd?.();
    this.#datagrams?.end();
    this.#early?.discard();
    if (!this.#opened.is) this.#opened.fail(info?.error ?? neverOpened());
    if (info === undefined) return; // whoever waits for it tells
    if (!this.#opened.is) this.#publishFailure(this.refusedPeer ?? info.error ?? neverOpened());
    this.#closeInfo = info;
    this.#closed?.resolve(info);
    // Else the behaviour has never heard of it.
    const isKnown = this.#opened.is || !this.#isAccepted || this.#early?.asked === true;
    if (!isKnown) return;
    publishConnectionClose(this, info);
    this.call(() => this.behaviour.close?.(this, info));
  }

  #publishFailure(error: Error): void {
    publishFailedHandshake(() => ({
      side: this.#isAccepted ? "server" : "client",
      localAddress: this.localAddress,
      remote: formatAddress(this.remoteAddress),
      error,
      missed: 0,
    }));
  }
}

function neverOpened(): ConnectionClosedError {
  return new ConnectionClosedError("the connection ended before its handshake had completed");
}
