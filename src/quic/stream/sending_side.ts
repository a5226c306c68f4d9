import { type MillraceError, ReaderLockedError, StreamClosedError } from "../../errors.js";
import { CommandKind, Flag } from "../../native/constants.js";
import type { SendResult } from "../../transport/connection.js";
import { checkBytes, checkCode, readChunks } from "../argument.js";
import { SendQueue } from "./send_queue.js";
import type { SideHost } from "./stream_side.js";

const NO_BYTES = new Uint8Array(0);

/** Who writes a stream in place of the application: an adapter. */
export interface StreamWriter {
  /** It waits for `drained` or `failed`. */
  readonly waiting: boolean;
  /** The queue is below half of its mark again. */
  drained(): void;
  /** Nothing more can be written. */
  failed(error: MillraceError): void;
}

/** The half of a stream that we write. */
export class SendingSide {
  /** False after FIN, a reset, the peer's stop, and where only the peer writes. */
  open: boolean;
  /** What `write` accepted. */
  bytesSent = 0;
  /** Why the peer ended it. */
  failure: MillraceError | undefined;
  #writer: StreamWriter | undefined;
  readonly #stream: SideHost;
  readonly #queue = new SendQueue();

  constructor(stream: SideHost, open: boolean) {
    this.#stream = stream;
    this.open = open;
  }

  get bytesQueued(): number {
    const { ended, engine, slot } = this.#stream;
    return ended ? 0 : this.#queue.bytesQueued(engine, slot);
  }

  get writable(): boolean {
    return this.open && this.#stream.connection.state === "open";
  }

  /** Somebody has to be told when nothing will drain any more. */
  get isAwaited(): boolean {
    return this.#writer?.waiting === true;
  }

  /**
   * Drain and failure go to the writer from here on.
   * @throws ReaderLockedError where there is one.
   */
  setWriter(writer: StreamWriter): void {
    if (this.#writer !== undefined) {
      throw new ReaderLockedError("the stream is written by an adapter; use that one");
    }
    this.#writer = writer;
  }

  write(bytes: Uint8Array): SendResult {
    checkBytes(bytes);
    this.#assertWritable();
    const stream = this.#stream;
    const result = this.#queue.send(stream.engine, stream, this.#mark, CommandKind.writeStream, 0, bytes);
    if (result !== "dropped") this.bytesSent += bytes.length;
    return result;
  }

  writev(chunks: readonly Uint8Array[]): SendResult {
    const list = readChunks(chunks);
    this.#assertWritable();
    const { engine } = this.#stream;
    const result = this.#queue.admit(engine, this.#stream.slot, this.#mark, list.bytes);
    if (result === "dropped") return result;
    engine.outbox.writev(this.#stream, list.chunks, list.bytes);
    this.bytesSent += list.bytes;
    return result;
  }

  /** Counts a publication's bytes as queued. False where it is not accepted. */
  admit(bytes: number): boolean {
    if (!this.writable) return false;
    const { engine, slot } = this.#stream;
    if (this.#queue.admit(engine, slot, this.#mark, bytes) === "dropped") return false;
    this.bytesSent += bytes;
    return true;
  }

  end(): void {
    if (!this.open) return;
    this.open = false;
    this.#stream.engine.outbox.write(CommandKind.writeStream, Flag.sendFin, this.#stream, NO_BYTES);
  }

  /** Also after FIN, which may not have been delivered yet. */
  reset(code: number): void {
    checkCode(code);
    const { direction, ended, engine, initiator, slot, generation } = this.#stream;
    if (ended || (direction === "unidirectional" && initiator === "peer")) return;
    this.open = false;
    engine.outbox.flush();
    engine.native.resetStream(slot, generation, code);
    if (this.isAwaited) this.fail(new StreamClosedError("the stream's sending side was reset by this side"));
  }

  onDrain(): void {
    const { connection, engine, slot } = this.#stream;
    if (!this.#queue.onDrain(engine, slot, this.#mark) || connection.state !== "open") return;
    if (this.#writer !== undefined)
      this.#writer.drained(); // also after FIN: it waits for what came before
    else if (this.open) connection.call(() => connection.behaviour.drain?.(this.#stream), this.#stream);
  }

  /** The peer wants no more; or the connection has ended. */
  fail(error: MillraceError): void {
    if (this.open) this.failure = error;
    else if (!this.isAwaited) return;
    this.open = false;
    this.#writer?.failed(error);
  }

  get #mark(): number {
    return this.#stream.connection.options.highWaterMarkBytes;
  }

  #assertWritable(): void {
    if (this.writable) return;
    const what = this.open
      ? `the stream's connection is ${this.#stream.connection.state}`
      : "its sending side has ended";
    throw new StreamClosedError(`nothing can be written to the stream: ${what}`, { cause: this.failure });
  }
}
