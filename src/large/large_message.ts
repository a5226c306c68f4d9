import type { LargeBytesOptions } from "./received_bytes.js";

/**
 * A large message as its receiver has it: it is accepted when it is read for the first time, and its bytes come as fast as
 * they are taken. It has one reader, and is read once.
 */
export interface LargeMessage extends AsyncIterable<Uint8Array> {
  /** What its sender says it is about. */
  readonly subject: string | undefined;
  /** What else its sender says of it, by JSON: a stranger's word. */
  readonly about: unknown;
  /** How many bytes it has; undefined where its sender does not know. It is held to that. */
  readonly totalBytes: number | undefined;
  /** How many the reader has taken. */
  readonly bytesReceived: number;
  /** Fires when it fails: nothing of it is worth anything then. */
  readonly signal: AbortSignal;
  /**
   * All of it at once.
   * @throws RequestFailure, which tells the sender, where it has more than `maxBytes` (16 MiB)
   * @throws TransferFailedError, TimeoutError, ReaderLockedError, InvalidArgumentError
   */
  toBytes(options?: LargeBytesOptions): Promise<Uint8Array>;
  /**
   * Refuses it, or gives it up; its sender is told, and who reads it gets a `TransferFailedError`. Does nothing where it is
   * over.
   * @param reason text for people.
   * @param code of `FailureCode`, or the application's own from 1,000 on; `failed` by default.
   */
  cancel(reason?: string, code?: number): void;
}
