import type { UnderlyingByteSource, UnderlyingSink } from "node:stream/web";
import { InvalidArgumentError, type MillraceError } from "../../errors.js";
import { show } from "../../options/read.js";
import { codeOf } from "../argument.js";
import { Promised } from "../promised.js";
import type { RawStream } from "./raw_stream.js";
import type { StreamReader } from "./receiving_side.js";
import type { StreamWriter } from "./sending_side.js";
import type { WebStreams } from "./stream.js";

/** What a stream receives, as the source of a byte stream. */
class Source implements UnderlyingByteSource, StreamReader {
  readonly type = "bytes";
  readonly #stream: RawStream;
  #controller!: ReadableByteStreamController;
  #pulled: Promised<void> | undefined;
  #over = false;

  constructor(stream: RawStream) {
    stream.receiving.lock(this);
    this.#stream = stream;
  }

  start(controller: ReadableByteStreamController): void {
    this.#controller = controller;
  }

  pull(): Promise<void> {
    this.#pulled = new Promised();
    const { promise } = this.#pulled;
    this.changed();
    return promise;
  }

  cancel(reason: unknown): void {
    this.#over = true;
    this.#stream.stopSending(codeOf(reason));
  }

  changed(): void {
    const { receiving } = this.#stream;
    if (this.#over) return;
    const pulled = this.#pulled;
    const chunks = pulled === undefined ? [] : receiving.take();
    for (const chunk of chunks) this.#controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
    if (!receiving.open) this.#finish();
    else if (chunks.length === 0) return;
    this.#pulled = undefined;
    pulled?.resolve();
  }

  #finish(): void {
    this.#over = true;
    const { failure } = this.#stream.receiving;
    if (failure !== undefined) {
      this.#controller.error(failure);
      return;
    }
    this.#controller.close();
    // Older types of Node say that there is never one.
    const asked = this.#controller.byobRequest as { respond(bytes: number): void } | null | undefined;
    asked?.respond(0);
  }
}

/** What a stream sends, as the sink of a WritableStream. */
class Sink implements UnderlyingSink<Uint8Array>, StreamWriter {
  readonly #stream: RawStream;
  #controller!: WritableStreamDefaultController;
  #drained: Promised<void> | undefined;

  constructor(stream: RawStream) {
    this.#stream = stream;
  }

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller;
    this.#stream.sending.setWriter(this);
    if (this.#stream.sending.failure !== undefined) controller.error(this.#stream.sending.failure);
    // `abort` is called behind the write that is under way, which may wait for a peer that never reads. (Older types of
    // Node do not know of the signal.)
    const { signal } = controller as unknown as { readonly signal: AbortSignal };
    signal.addEventListener("abort", () => this.#drained?.reject(signal.reason));
  }

  get waiting(): boolean {
    return this.#drained !== undefined;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (!(chunk instanceof Uint8Array)) {
      throw new InvalidArgumentError(`chunks must be Uint8Array, and not ${show(chunk)}`);
    }
    for (;;) {
      const result = this.#stream.write(chunk);
      if (result === "sent") return;
      this.#drained = new Promised();
      await this.#drained.promise.finally(() => {
        this.#drained = undefined;
      });
      if (result === "blocked") return;
    }
  }

  close(): void {
    this.#stream.end();
  }

  abort(reason: unknown): void {
    this.#stream.reset(codeOf(reason));
  }

  drained(): void {
    this.#drained?.resolve();
  }

  failed(error: MillraceError): void {
    this.#drained?.reject(error);
    this.#controller.error(error);
  }
}

/** @throws ReaderLockedError */
export function toWebStreams(stream: RawStream): WebStreams {
  const reads = stream.direction === "bidirectional" || stream.initiator === "peer";
  const writes = stream.direction === "bidirectional" || stream.initiator === "local";
  // No queue of its own: the stream has one on either side.
  const source = reads ? new Source(stream) : undefined;
  const readable =
    source === undefined ? undefined : new ReadableStream<Uint8Array>(source as never, { highWaterMark: 0 });
  source?.changed();
  const writable = writes ? new WritableStream(new Sink(stream), { highWaterMark: 1 }) : undefined;
  return {
    ...(readable === undefined ? undefined : { readable }),
    ...(writable === undefined ? undefined : { writable }),
  };
}
