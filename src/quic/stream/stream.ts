import type { Duplex } from "node:stream";
import type { MillraceError } from "../../errors.js";
import type { SendResult } from "../../transport/connection.js";
import type { WaitOptions } from "../../transport/wait.js";
import type { QuicConnection } from "../connection.js";

/** How a stream is opened. Its `signal` and `timeoutMs` bound the wait for the peer's leave, see `opened`. */
export interface OpenStreamOptions extends WaitOptions {
  /**
   * What is written may arrive twice without harm, so it may be sent as early data: with the first packet of a
   * connection that has a ticket (see {@link ClientResumptionOptions.earlyData}). Default false: it waits for the
   * handshake.
   */
  readonly idempotent?: boolean | undefined;
  /** `bidirectional` by default. */
  readonly direction?: "bidirectional" | "unidirectional" | undefined;
  /**
   * What happens when the peer allows no further stream for now (RFC 9000 section 4.6): `wait`, the default, until
   * one has closed; or `fail`, by StreamLimitError, at once.
   */
  readonly whenBlocked?: "wait" | "fail" | undefined;
  /** See {@link QuicStream.priority}. */
  readonly priority?: number | undefined;
}

/** How a stream ended. */
export interface StreamCloseInfo {
  /** The code with which the peer reset its sending side, where it did. */
  readonly resetCode?: number;
  /** The code with which the peer asked us to send no more, where it did. */
  readonly stopCode?: number;
  /**
   * Set where neither application ended it: StreamLimitError, AbortedError or TimeoutError where it was never opened,
   * ConnectionClosedError where its connection ended first.
   */
  readonly error?: MillraceError;
}

/** What `toWebStreams` gives; a unidirectional stream has one of them. */
export interface WebStreams {
  /** A byte stream (`type: "bytes"`). `cancel(reason)` tells the peer to stop sending. */
  readonly readable?: ReadableStream<Uint8Array>;
  /** Takes Uint8Array. `abort(reason)` resets. */
  readonly writable?: WritableStream<Uint8Array>;
}

/**
 * One stream of a raw QUIC connection (RFC 9000 section 2).
 *
 * It is read in one way only: by the behaviour's `data` and `end`, by iteration, or by an adapter. Where the behaviour
 * has neither handler, what comes waits, within the stream's window, until one of the others is chosen.
 *
 * Iteration gives lists of chunks, all that had come since the last; their memory is the caller's. While nobody asks
 * for more, the peer is held back by flow control. It ends at the peer's FIN, throws StreamResetError at its reset
 * and ConnectionClosedError where the connection ended first, with the connection's own error as its cause; leaving the loop early tells the peer to stop (code 0).
 * A step that waits has no time limit of its own: `stopSending` ends it, from a timer or the handler of a signal.
 *
 * Disposing of it sends FIN, tells the peer to stop where it has not ended, and waits for `closed`; after 5,000 ms it
 * resets.
 */
export interface QuicStream extends AsyncIterable<Uint8Array[], undefined>, AsyncDisposable {
  readonly connection: QuicConnection;
  readonly direction: "bidirectional" | "unidirectional";
  /**
   * Of a peer's stream: it began before the handshake was complete, so its first bytes came as early data (0-RTT, RFC
   * 9001 section 4.6). Once the handshake is complete they are certain to be the peer's, and to have come once; until
   * then see {@link QuicBehaviour.earlyData}.
   */
  readonly early: boolean;
  /** Of what has come so far, the bytes that came as early data. A chunk that has some of both counts as a whole. */
  readonly earlyBytes: number;
  /** Who opened it. */
  readonly initiator: "local" | "peer";
  /**
   * Resolves when the peer allows the stream: at once, unless its limit is used up. Rejects with StreamLimitError
   * (`whenBlocked: "fail"`), AbortedError, TimeoutError, or StreamClosedError where its end came first. Writing does
   * not need to wait for it: what is written before is sent then.
   */
  readonly opened: Promise<void>;
  /**
   * Resolves when both directions have ended, and everything was read that came here. What was sent has then been
   * acknowledged by the peer's QUIC; whether the peer's application has read it, only an answer of it says.
   */
  readonly closed: Promise<StreamCloseInfo>;
  /** Bytes accepted by `write`; without `bytesQueued`, what the peer has acknowledged. */
  readonly bytesSent: number;
  /** Bytes that came from the peer, read or not. */
  readonly bytesReceived: number;
  /** Bytes accepted by `write` that the peer has not acknowledged. */
  readonly bytesQueued: number;
  /** False after `end`, `reset`, the peer's stop, and on a unidirectional stream of the peer. */
  readonly writable: boolean;
  /** False after the peer's FIN or reset, `stopSending`, and on a unidirectional stream of ours. */
  readonly readable: boolean;
  /**
   * Among the streams of a connection that have something to send, those of the highest priority go first: 0..65535,
   * 32,767 by default. A change takes effect a moment later.
   * @throws InvalidArgumentError when set to anything else.
   */
  priority: number;
  /** Whatever the application keeps with the stream. */
  data: unknown;

  /**
   * Queues bytes without blocking; they are copied before it returns.
   * @param bytes at most 1 GiB.
   * @returns see {@link SendResult}; the mark is the connection's `highWaterMarkBytes`.
   * @throws StreamClosedError (ERR_MILLRACE_STREAM_CLOSED) when the sending side has ended; InvalidArgumentError
   */
  write(bytes: Uint8Array): SendResult;
  /**
   * As one `write` of all chunks in their order: accepted or dropped together, and sent as one.
   * @param chunks at most 1 GiB together.
   */
  writev(chunks: readonly Uint8Array[]): SendResult;
  /** Sends FIN after what is queued. Idempotent. */
  end(): void;
  /**
   * Ends the sending side at once with RESET_STREAM; what is queued is dropped. Idempotent.
   * @param code 0..2^53-1, 0 by default.
   * @throws InvalidArgumentError
   */
  reset(code?: number): void;
  /**
   * Tells the peer to stop sending (STOP_SENDING); what still comes is dropped. Idempotent.
   * @param code 0..2^53-1, 0 by default.
   * @throws InvalidArgumentError
   */
  stopSending(code?: number): void;
  /**
   * Stops the delivery to the behaviour and, by flow control, the peer.
   * @throws ReaderLockedError where it is iterated or adapted.
   */
  pause(): void;
  /** @throws ReaderLockedError where it is iterated or adapted. */
  resume(): void;

  /**
   * The stream as a Node stream, for `pipeline` and the like; backpressure goes both ways. Destroying it resets and
   * stops with the error's `applicationCode`, where it has one, else 0; the peer's reset destroys it with
   * StreamResetError.
   * @throws ReaderLockedError
   */
  toDuplex(): Duplex;
  /**
   * The stream as Web Streams. The reasons of `cancel` and `abort` are a code, or an error with an `applicationCode`;
   * anything else counts as 0.
   * @throws ReaderLockedError
   */
  toWebStreams(): WebStreams;
}
