import { InvalidArgumentError } from "../errors.js";
import { checkBytes } from "../options/bytes.js";
import { show } from "../options/read.js";

/** A `ReadableStream` of the Web, of bytes. */
export interface ByteStream {
  /** Takes hold of the stream. */
  getReader(): {
    /** The next bytes. */
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
    /** Says that no more are wanted. */
    cancel(reason?: unknown): Promise<void>;
  };
}

/** A `Blob`, or a `File`. */
export interface ByteBlob {
  readonly size: number;
  /** Its bytes. */
  stream(): ByteStream;
}

/**
 * Where a large message comes from: bytes, which are not to be changed until all are taken; text, sent as UTF-8; a `Blob`
 * or `File`; a `ReadableStream`; or anything that can be iterated and gives bytes, as Node.js's streams do.
 */
export type LargeSource =
  | Uint8Array
  | string
  | ByteBlob
  | ByteStream
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** What Node.js's streams have of their own. */
interface NodeStream extends AsyncIterable<unknown> {
  on(event: "error", listener: (cause: unknown) => void): unknown;
  destroy(): unknown;
}

interface Steps {
  next(): unknown;
  return?(): unknown;
}

const nothing = new Uint8Array(0);
const encoder = new TextEncoder();

/** The bytes of a source, in pieces of a size. */
export class Pieces {
  /** Undefined where the source does not say. */
  readonly totalBytes: number | undefined;
  readonly #source: Steps;
  #rest: Uint8Array = nothing;

  /** @throws InvalidArgumentError */
  constructor(source: LargeSource) {
    const { totalBytes, steps } = stepsOf(source);
    this.totalBytes = totalBytes;
    this.#source = steps;
  }

  /**
   * @returns the next bytes, which are this caller's own; undefined when there are no more.
   * @throws InvalidArgumentError where the source gives something else; whatever the source throws
   */
  async next(maxBytes: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = (await this.#source.next()) as IteratorResult<Uint8Array>;
      if (done === true) return undefined;
      checkBytes(value, "what the source gives");
      this.#rest = value;
    }
    const piece = new Uint8Array(this.#rest.subarray(0, maxBytes)); // the source may use its memory again
    this.#rest = this.#rest.subarray(maxBytes);
    return piece;
  }

  /** No more is wanted; nobody waits for what the source says to that. */
  async stop(): Promise<void> {
    try {
      await this.#source.return?.();
    } catch {}
  }
}

function stepsOf(source: LargeSource): { readonly totalBytes?: number; readonly steps: Steps } {
  if (typeof source === "string") return stepsOf(encoder.encode(source));
  if (source instanceof Uint8Array) {
    checkBytes(source, "source");
    return { totalBytes: source.length, steps: [source][Symbol.iterator]() };
  }
  const given = (source ?? {}) as Partial<ByteBlob & ByteStream & Iterable<unknown> & AsyncIterable<unknown>>;
  if (typeof given.stream === "function" && typeof given.size === "number") {
    return { totalBytes: given.size, steps: stepsOfStream(given.stream()) };
  }
  if (typeof given.getReader === "function") return { steps: stepsOfStream(given as ByteStream) };
  if (isNodeStream(given)) return { steps: stepsOfNodeStream(given) };
  const iterator = given[Symbol.asyncIterator] ?? given[Symbol.iterator];
  if (typeof iterator === "function") return { steps: (iterator as () => Steps).call(source) };
  throw new InvalidArgumentError(
    `source must be bytes, text, a Blob, a ReadableStream or something that gives bytes, and not ${show(source)}`,
  );
}

function isNodeStream(given: Partial<NodeStream>): given is NodeStream {
  const { on, destroy } = given;
  return [on, destroy, given[Symbol.asyncIterator]].every((own) => typeof own === "function");
}

/** Until they are iterated nobody hears that they fail, which would end the process, nor closes what they have open. */
function stepsOfNodeStream(stream: NodeStream): Steps {
  let failure: { readonly cause: unknown } | undefined;
  stream.on("error", (cause) => {
    failure ??= { cause };
  });
  const steps = stream[Symbol.asyncIterator]();
  const next = () => {
    if (failure !== undefined) throw failure.cause;
    return steps.next();
  };
  return { next, return: () => stream.destroy() };
}

function stepsOfStream(stream: ByteStream): Steps {
  const reader = stream.getReader();
  return { next: () => reader.read(), return: () => reader.cancel() };
}
