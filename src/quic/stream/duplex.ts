import { Duplex, type DuplexOptions } from "node:stream";
import type { MillraceError } from "../../errors.js";
import { codeOf } from "../argument.js";
import type { RawStream } from "./raw_stream.js";
import type { StreamReader } from "./receiving_side.js";
import type { StreamWriter } from "./sending_side.js";

type Callback = (error?: Error | null) => void;

/** A stream as a Node stream: see `QuicStream.toDuplex`. */
class StreamDuplex extends Duplex implements StreamReader, StreamWriter {
  readonly #stream: RawStream;
  /** Node has asked for bytes and got none yet. */
  #wanted = false;
  /** Goes on when the queue has drained. */
  #blocked: { retry(): void; callback: Callback } | undefined;

  constructor(stream: RawStream, readable: boolean, writable: boolean) {
    // Node's types do not know that these are options, though its documentation does.
    const sides: DuplexOptions & { readable: boolean; writable: boolean } = { readable, writable };
    super(sides);
    this.#stream = stream;
  }

  override _read(): void {
    this.#wanted = true;
    this.#pull();
  }

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    this.#writeAll([chunk], callback);
  }

  override _writev(items: { chunk: Buffer }[], callback: Callback): void {
    this.#writeAll(
      items.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    this.#stream.end();
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    const code = codeOf(error);
    const blocked = this.#blocked;
    this.#blocked = undefined; // it is told this error, and not that the stream was reset for it
    if (this.#stream.writable) this.#stream.reset(code);
    if (this.#stream.readable) this.#stream.stopSending(code);
    blocked?.callback(error);
    callback(error);
  }

  get waiting(): boolean {
    return this.#blocked !== undefined;
  }

  changed(): void {
    if (this.#wanted || !this.#stream.readable) this.#pull();
  }

  drained(): void {
    const blocked = this.#blocked;
    this.#blocked = undefined;
    blocked?.retry();
  }

  failed(error: MillraceError): void {
    const blocked = this.#blocked;
    this.#blocked = undefined;
    if (blocked !== undefined) blocked.callback(error);
    // Where it is read as well, the readable side says how that ended.
    else if (this.#stream.direction === "unidirectional") this.destroy(error);
  }

  #pull(): void {
    const { receiving } = this.#stream;
    for (const chunk of receiving.take()) {
      this.#wanted = this.push(chunk) && this.#wanted;
    }
    if (receiving.open || this.readableEnded || this.destroyed) return;
    if (receiving.failure === undefined) this.push(null);
    else this.destroy(receiving.failure);
  }

  #writeAll(chunks: readonly Buffer[], callback: Callback): void {
    const { sending } = this.#stream;
    if (sending.failure !== undefined) {
      callback(sending.failure);
      return;
    }
    try {
      const result = chunks.length === 1 ? sending.write(chunks[0]!) : sending.writev(chunks);
      if (result === "sent") callback();
      else if (result === "blocked") this.#blocked = { callback, retry: () => callback() };
      else this.#blocked = { callback, retry: () => this.#writeAll(chunks, callback) };
    } catch (error) {
      callback(error as Error);
    }
  }
}

/** @throws ReaderLockedError */
export function toDuplex(stream: RawStream): Duplex {
  const readable = stream.direction === "bidirectional" || stream.initiator === "peer";
  const writable = stream.direction === "bidirectional" || stream.initiator === "local";
  const duplex = new StreamDuplex(stream, readable, writable);
  if (readable) stream.receiving.lock(duplex);
  if (writable) stream.sending.setWriter(duplex);
  if (stream.sending.failure !== undefined) duplex.failed(stream.sending.failure);
  duplex.changed();
  return duplex;
}
