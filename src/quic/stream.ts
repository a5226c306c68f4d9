import type { SendResult } from "../transport/connection.js";
import type { QuicConnection } from "./connection.js";

export interface OpenStreamOptions {
  /** `bidirectional` by default. */
  readonly direction?: "bidirectional" | "unidirectional";
  /**
   * Fail, by StreamLimitError to `error` and `streamClose`, when the peer allows no further stream for now, instead
   * of waiting for its credit. Default false.
   */
  readonly failWhenBlocked?: boolean;
}

/** One stream of a raw QUIC connection (RFC 9000 section 2). */
export interface QuicStream {
  readonly connection: QuicConnection;
  readonly direction: "bidirectional" | "unidirectional";
  /** Who opened it. */
  readonly initiator: "local" | "peer";
  /** Bytes accepted by `write` that the peer has not acknowledged. */
  readonly bytesQueued: number;
  /** False after `end`, `reset`, the peer's stop, and on a unidirectional stream of the peer. */
  readonly writable: boolean;
  /** False after the peer's FIN or reset, `stopSending`, and on a unidirectional stream of ours. */
  readonly readable: boolean;
  /** Whatever the application keeps with the stream. */
  data: unknown;

  /**
   * Queues bytes without blocking; they are copied before it returns.
   * @returns see {@link SendResult}; the mark is the connection's `highWaterMarkBytes`.
   * @throws StreamClosedError (ERR_MILLRACE_STREAM_CLOSED) when the sending side has ended; InvalidArgumentError
   */
  write(bytes: Uint8Array): SendResult;
  /** Sends FIN after what is queued. Idempotent. */
  end(): void;
  /** Ends the sending side at once with RESET_STREAM; what is queued is dropped. Idempotent. */
  reset(code?: number): void;
  /** Tells the peer to stop sending (STOP_SENDING); what still comes is dropped. Idempotent. */
  stopSending(code?: number): void;
  /** Stops the delivery of bytes and, by flow control, the peer. */
  pause(): void;
  resume(): void;
}
