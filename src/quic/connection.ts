import type { SocketAddress } from "../transport/address.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import type { ConnectionId, ConnectionState, SendResult } from "../transport/connection.js";
import type { QuicStatistics } from "./statistics.js";
import type { OpenStreamOptions, QuicStream } from "./stream.js";

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
  /**
   * What the connection has measured and done until now; once it has ended, what it had by then.
   * @throws ConnectionClosedError where it was closed before it sent a packet.
   */
  statistics(): Promise<QuicStatistics>;
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
   * Idempotent; resolves when it has ended.
   * @throws InvalidArgumentError for a code or reason that cannot be sent.
   */
  close(options?: CloseOptions): Promise<CloseInfo>;
}
