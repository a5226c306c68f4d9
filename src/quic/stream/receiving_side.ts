import { type MillraceError, ReaderLockedError, StreamClosedError } from "../../errors.js";
import { Flag } from "../../native/constants.js";
import type { RingRecord } from "../../native/ring.js";
import { Backlog } from "./backlog.js";
import type { SideHost } from "./stream_side.js";

/** Who reads a stream in place of its connection's behaviour: an iterator, or an adapter. */
export interface StreamReader {
  /** There are bytes to take, or the end, or a failure. */
  changed(): void;
}

/** The half of a stream that the peer writes. */
export class ReceivingSide {
  /** False once the peer's FIN was read, after its reset, `stopSending`, and where only we write. */
  open: boolean;
  /** What came, read or not. */
  bytesReceived = 0;
  /** Of these, what came as early data. */
  earlyBytes = 0;
  /** Why it ended without the peer's FIN. */
  failure: MillraceError | undefined;
  readonly #stream: SideHost;
  #reader: StreamReader | undefined;
  #paused = false;
  /** The behaviour was given bytes. */
  #delivered = false;
  #backlog: Backlog | undefined;
  /** The peer's FIN came and waits behind the backlog. */
  #finWaits = false;
  #consumedBytes = 0;

  constructor(stream: SideHost, open: boolean) {
    this.#stream = stream;
    this.open = open;
  }

  /** Bytes, or the end, wait to be read. */
  get hasUnread(): boolean {
    return this.#backlog !== undefined || this.#finWaits;
  }

  /**
   * Bytes go to the reader from here on, and what waits is its own.
   * @throws ReaderLockedError, StreamClosedError where only we write.
   */
  lock(reader: StreamReader): void {
    const { direction, initiator } = this.#stream;
    if (direction === "unidirectional" && initiator === "local") {
      throw new StreamClosedError("nothing can be read from the stream: only this side writes it");
    }
    if (this.#reader !== undefined) throw new ReaderLockedError("the stream has a reader; use that one");
    if (this.#delivered) {
      throw new ReaderLockedError("the behaviour's data handler has read from the stream; read there on");
    }
    this.#reader = reader;
  }

  /** What waits, for the reader that has locked it; its memory is the caller's. */
  take(): Uint8Array[] {
    const backlog = this.#backlog;
    if (backlog === undefined && !this.#finWaits) return [];
    this.#backlog = undefined;
    if (this.#finWaits || this.failure !== undefined) this.open = false;
    this.#finWaits = false;
    if (backlog !== undefined) this.#consumed(backlog.bytes);
    this.#stream.onAllRead();
    return backlog?.takeAll() ?? [];
  }

  pause(): void {
    this.#assertUnlocked();
    this.#paused = true;
  }

  resume(): void {
    this.#assertUnlocked();
    this.#paused = false;
    if (this.#backlog !== undefined || this.#finWaits) queueMicrotask(() => this.#deliverBacklog());
  }

  onData(record: RingRecord): void {
    const bytes = record.length;
    const fin = (record.flags & Flag.receiveFin) !== 0;
    this.bytesReceived += bytes;
    if ((record.flags & Flag.receiveEarly) !== 0) this.earlyBytes += bytes;
    if (!this.open) {
      this.#consumed(bytes);
    } else if (this.#isHeld(bytes)) {
      this.#hold(bytes === 0 ? undefined : record.bytes(), fin);
    } else {
      if (bytes > 0) this.#deliver(record.bytes());
      this.#consumed(bytes);
      if (fin) this.#deliverEnd();
    }
  }

  /** We want no more of it. */
  stop(): void {
    this.open = false;
    this.#drop();
    this.#reader?.changed();
  }

  /**
   * The peer has reset it, or never let it be opened: what was not yet delivered may be discarded (RFC 9000 section
   * 3.2).
   */
  abort(error: MillraceError): void {
    this.open = false;
    this.failure = error;
    this.#drop();
    this.#reader?.changed();
  }

  /** Nothing more comes, and no FIN came. What waits can still be read. */
  fail(error: MillraceError): void {
    if (!this.open || this.#finWaits) return;
    this.failure = error;
    if (this.#backlog === undefined) this.open = false;
    this.#reader?.changed();
  }

  #isHeld(bytes: number): boolean {
    if (this.#paused || this.#reader !== undefined || this.#backlog !== undefined) return true;
    // Where the behaviour does not read, bytes wait for one who does.
    const { behaviour } = this.#stream.connection;
    return bytes > 0 && behaviour.data === undefined && behaviour.end === undefined;
  }

  #hold(chunk: Uint8Array | undefined, fin: boolean): void {
    if (chunk !== undefined) {
      this.#backlog ??= new Backlog();
      this.#backlog.add(chunk);
    }
    if (fin) {
      // A reader has nothing to take: it has read the end.
      if (this.#reader !== undefined && this.#backlog === undefined) this.open = false;
      else this.#finWaits = true;
    }
    this.#reader?.changed();
  }

  #drop(): void {
    this.#backlog = undefined;
    this.#finWaits = false;
    this.#stream.onAllRead();
  }

  #deliver(chunk: Uint8Array): void {
    this.#delivered = true;
    const { connection } = this.#stream;
    try {
      connection.heed(connection.behaviour.data?.(this.#stream, chunk), this.#stream);
    } catch (cause) {
      connection.report(cause, this.#stream);
    }
  }

  #deliverEnd(): void {
    this.open = false;
    const { connection } = this.#stream;
    connection.call(() => connection.behaviour.end?.(this.#stream), this.#stream);
  }

  #consumed(bytes: number): void {
    this.#consumedBytes += bytes;
    const { connection, ended, engine } = this.#stream;
    // Steps of a quarter: see native/quic/receive_credit.h.
    if (ended || this.#consumedBytes < connection.options.receiveCreditBytes / 4) return;
    engine.outbox.credit(this.#stream, this.#consumedBytes);
    this.#consumedBytes = 0;
  }

  #deliverBacklog(): void {
    while (!this.#paused && this.#reader === undefined && this.#backlog !== undefined) {
      const block = this.#backlog.shift();
      if (this.#backlog.bytes === 0) this.#backlog = undefined;
      if (block === undefined) break;
      this.#deliver(block);
      this.#consumed(block.length);
    }
    if (this.#paused || this.#reader !== undefined || this.#backlog !== undefined) return;
    if (this.#finWaits) {
      this.#finWaits = false;
      this.#deliverEnd();
    } else if (this.failure !== undefined) {
      this.open = false;
    }
    this.#stream.onAllRead();
  }

  #assertUnlocked(): void {
    if (this.#reader === undefined) return;
    throw new ReaderLockedError("the stream is paused by not reading on: it is iterated or adapted");
  }
}
