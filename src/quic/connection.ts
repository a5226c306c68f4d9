import type { X509Certificate } from "node:crypto";
import type { SocketAddress } from "../transport/address.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import type { ConnectionId, ConnectionState, SendResult } from "../transport/connection.js";
import type { WaitOptions } from "../transport/wait.js";
import type { RebindOptions } from "./rebind.js";
import type { QuicStatistics } from "./statistics.js";
import type { OpenStreamOptions, QuicStream } from "./stream/stream.js";

/** How to close a connection. Codes are the application's own, 0..2^53-1 (RFC 9000 section 20.2). */
export interface QuicCloseOptions extends CloseOptions {
  /** Ends a graceful close at once when it fires: what was not delivered by then is dropped. */
  readonly signal?: AbortSignal | undefined;
}

/** How a datagram is sent. */
export interface SendDatagramOptions {
  /** 0..2^32-1: the behaviour's `datagramOutcome` is told by it what became of this datagram. */
  readonly tag?: number | undefined;
}

/**
 * What became of a datagram: it left this machine, and then exactly one of the others, unless its connection closed
 * first. `acknowledged` says that the peer's QUIC has it, not that the peer's application has seen it. `lost`: no
 * acknowledgement came in time, which shows when the connection next hears something; it is not sent again. `cancelled`: it was never sent, for the connection ended or the
 * limit fell below its size.
 */
export type OutcomeOfDatagram = "sent" | "acknowledged" | "lost" | "cancelled";

/** How datagrams are iterated. */
export interface DatagramsOptions {
  /** How many wait for the reader, 1..1,048,576; beyond, the oldest is dropped. 1,024 by default. */
  readonly maxQueued?: number | undefined;
  /** Ends the iteration with AbortedError when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/** A QUIC connection with its streams and datagrams as they are (RFC 9000, RFC 9221). */
export interface QuicConnection extends AsyncDisposable {
  readonly id: ConnectionId;
  readonly transport: string;
  readonly state: ConnectionState;
  /** The negotiated ALPN (RFC 7301). */
  readonly protocol: string;
  /**
   * The peer's certificate: of every server, and of a client that was asked for one. Read it before the connection has
   * ended: what was never read is gone then. Undefined where there is none, and in a resumed session.
   */
  readonly peerCertificate: X509Certificate | undefined;
  /** Where we are; `rebind` changes it. */
  readonly localAddress: SocketAddress;
  /** Where the peer is now: a client may move, and `pathChange` says so. */
  readonly remoteAddress: SocketAddress;
  /** The smoothed round trip, at most a second older than the read before this one; undefined until measured. */
  readonly roundTripMs: number | undefined;
  /** The largest datagram that can be sent now, in bytes; 0 where the peer takes none. */
  readonly maxDatagramBytes: number;
  /** Datagrams of the peer that were dropped because this thread, or the reader of `datagrams`, did not keep up. */
  readonly datagramsDropped: number;
  /**
   * What the connection has measured and done until now; once it has ended, what it had by then.
   * @throws ConnectionClosedError where it was closed before it sent a packet; AbortedError, TimeoutError
   */
  statistics(options?: WaitOptions): Promise<QuicStatistics>;
  /**
   * Resolves when the handshake is complete: long ago, but for a connection that was given out early (see
   * {@link ClientResumptionOptions.earlyData}, {@link QuicBehaviour.earlyData}). Rejects, as `connect` does, when that
   * fails, and with ConnectionClosedError where it was closed before.
   */
  readonly opened: Promise<void>;
  /** Whether the handshake resumed an earlier session; false until it is complete. */
  readonly resumed: boolean;
  /**
   * Of a connection of ours that had a ticket and was to send early data: whether the server took it. What it refused
   * was sent again after the handshake. Undefined until that is complete, and where none was to be sent.
   */
  readonly earlyDataAccepted: boolean | undefined;
  /** Resolves when the connection has ended, however that came. */
  readonly closed: Promise<CloseInfo>;
  /** Whatever the application keeps with the connection. */
  data: unknown;

  /**
   * Opens a stream. The peer sees it with its first bytes.
   * @throws ConnectionClosedError (ERR_MILLRACE_CONNECTION_CLOSED); InvalidArgumentError; AbortedError where the
   *   signal has fired already
   */
  openStream(options?: OpenStreamOptions): QuicStream;

  /**
   * Sends a datagram: it arrives once or not at all, whole, in no order.
   * @param bytes at most `maxDatagramBytes`; copied.
   * @returns see {@link SendResult}.
   * @throws ConnectionClosedError; InvalidArgumentError naming the limit.
   */
  sendDatagram(bytes: Uint8Array, options?: SendDatagramOptions): SendResult;

  /**
   * The peer's datagrams from now on, one by one; their memory is the caller's. It ends with the connection. Leaving
   * the loop drops what waits.
   * @throws ReaderLockedError where another iterates, or the behaviour has a `datagram` handler; InvalidArgumentError
   */
  datagrams(options?: DatagramsOptions): AsyncIterableIterator<Uint8Array, undefined>;

  /**
   * Sends with new keys from now on (RFC 9001 section 6), which the peer follows. Rarely needed: the engine does it
   * by itself, long before a key's limit. Waits for the peer's confirmation of the handshake and of the last update,
   * which an idle connection asks for, 10 s by default; the signal ends the wait, not the change.
   * @throws ConnectionClosedError; TimeoutError; AbortedError; InvalidArgumentError
   */
  updateKeys(options?: WaitOptions): Promise<void>;

  /**
   * Moves a connection that we opened to another local port or address, as when a machine changes its network; the
   * peer sees it by `pathChange` (RFC 9000 section 9). Streams and datagrams go on. Waits for the handshake's
   * confirmation, and for another connection id of the peer, so that who watches both addresses cannot link them:
   * 10 s by default; the signal ends the wait, not the move.
   * @returns the new local address, from which what follows is sent.
   * @throws InvalidArgumentError, also on a connection that was accepted; ConnectionClosedError; TimeoutError;
   *   AbortedError; AddressInUseError, AddressForbiddenError, AddressUnavailableError, and the connection stays
   *   where it was.
   */
  rebind(options?: RebindOptions): Promise<SocketAddress>;

  /**
   * Ends the connection. Graceful (the default) first waits, up to the deadline, until the peer's QUIC has
   * acknowledged what was accepted for sending. That is not yet read: an end of the connection takes from the peer's
   * application what it has not read, and only an answer of the application says that it has (RFC 9000 section 10.2).
   * Idempotent, but for this: a close that is not graceful also ends one that is and still waits. Resolves when the
   * connection has ended.
   * @throws InvalidArgumentError
   */
  close(options?: QuicCloseOptions): Promise<CloseInfo>;
}
