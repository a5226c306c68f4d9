import type { SocketAddress } from "../transport/address.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import type { ConnectionId, ConnectionState, SendResult } from "../transport/connection.js";

/**
 * What a raw QUIC listener or connection calls; one object serves all its connections and streams. All calls come
 * from the event loop, never from inside a call of yours. What a handler throws goes to `error`, or, where that is
 * missing, becomes an uncaught exception.
 */
export interface QuicBehaviour {
  /** The handshake of a peer's connection has completed. */
  open?(connection: QuicConnection): void;
  /** The peer opened a stream. */
  stream?(stream: QuicStream): void;
  /** Bytes of a stream, in order; valid during the call only, `chunk.slice()` keeps them. */
  data?(stream: QuicStream, chunk: Uint8Array): void;
  /** The peer's FIN: nothing follows. */
  end?(stream: QuicStream): void;
  /** The peer reset its sending side (RFC 9000 section 19.4): what was on its way is lost. */
  reset?(stream: QuicStream, code: number): void;
  /** The peer asks to send no more (RFC 9000 section 19.5). */
  stopped?(stream: QuicStream, code: number): void;
  /** A stream's queue, once at or above the high-water mark, is below half of it again. */
  drain?(stream: QuicStream): void;
  /** Both sides of the stream have ended; the last call for it. */
  streamClose?(stream: QuicStream): void;
  /** A datagram (RFC 9221); valid during the call only. */
  datagram?(connection: QuicConnection, datagram: Uint8Array): void;
  /** The last call for this connection. */
  close?(connection: QuicConnection, info: CloseInfo): void;
  /** A handler threw, or a stream could not be opened. */
  error?(connection: QuicConnection, cause: unknown): void;
}

/** A QUIC connection with its streams and datagrams as they are (RFC 9000, RFC 9221). */
export interface QuicConnection extends AsyncDisposable {
  readonly id: ConnectionId;
  readonly transport: string;
  readonly state: ConnectionState;
  /** The negotiated ALPN (RFC 7301). */
  readonly protocol: string;
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  /** The smoothed round trip, at most a second older than the read before this one; undefined until measured. */
  readonly roundTripMs: number | undefined;
  /** The largest datagram that can be sent now, in bytes; 0 where the peer takes none. */
  readonly maxDatagramBytes: number;
  /** Datagrams of the peer that were dropped because this thread did not keep up. */
  readonly datagramsDropped: number;
  /** Resolves when the connection has ended, however that came. */
  readonly closed: Promise<CloseInfo>;
  /** Whatever the application keeps with the connection. */
  data: unknown;

  /**
   * Opens a stream. The peer sees it with its first bytes.
   * @throws ConnectionClosedError (ERR_MILLRACE_CONNECTION_CLOSED)
   */
  openStream(options?: OpenStreamOptions): QuicStream;

  /**
   * Sends a datagram: it arrives once or not at all, whole, in no order.
   * @param bytes at most `maxDatagramBytes`; copied.
   * @returns see {@link SendResult}.
   * @throws ConnectionClosedError; InvalidArgumentError naming the limit.
   */
  sendDatagram(bytes: Uint8Array): SendResult;

  /**
   * Ends the connection. Graceful (the default) first delivers what was accepted for sending, up to the deadline.
   * The reason is sent at the best of efforts. Idempotent; resolves when it has ended.
   * @throws InvalidArgumentError for a code or reason that cannot be sent.
   */
  close(options?: CloseOptions): Promise<CloseInfo>;
}

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
