import type { X509Certificate } from "node:crypto";
import type { SocketAddress } from "../transport/address.js";
import type { CloseInfo, CloseOptions } from "../transport/close.js";
import type { ConnectionId, ConnectionState, SendResult } from "../transport/connection.js";

/**
 * One connection that carries whole binary messages, in order, over any transport.
 *
 * Without a `message` handler it is read as an async iterator, whose messages are the reader's to keep. What
 * has not been read is held up to `highWaterMarkBytes`; then the peer is held back. A peer that cannot be held
 * back (uWebSockets cannot stop reading) is closed with `CloseCode.exhausted` at four times that.
 *
 * @typeParam Data what the application keeps with a connection
 */
export interface Connection<Data = unknown> extends AsyncDisposable, AsyncIterable<Uint8Array> {
  /** Never used again while the process lives. */
  readonly id: ConnectionId;
  /** `quic`, `websocket` or `tcp`, or the name of a transport of the application's own. */
  readonly transport: string;
  /** The negotiated ALPN or subprotocol. */
  readonly protocol: string;
  /** The name of the codec that both sides agreed on: `frame`, unless `options.codecs` has others. */
  readonly codec: string;
  readonly state: ConnectionState;
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  /** WebSocket: the page's origin whose script connected, as its browser says (RFC 6454); undefined from other clients. */
  readonly origin: string | undefined;
  /** WebSocket: the path that was asked for, with its query. */
  readonly path: string | undefined;
  /**
   * The peer's certificate, where TLS has shown one: every server's, and that of a client that was asked for it
   * (`tls.clientCertificate`). Read it while the connection is open.
   */
  readonly peerCertificate: X509Certificate | undefined;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bytesQueued: number;
  /** The transport's smoothed round trip, where it measures one. */
  readonly roundTripMs: number | undefined;
  /** The application's own; undefined until it is set, which `open` is the place for. */
  data: Data;
  /** Resolves when the connection has ended, however it did; never rejects. */
  readonly closed: Promise<CloseInfo>;

  /**
   * Queues one message without blocking.
   * @param message 0..maxMessageBytes bytes; copied, the caller keeps it.
   * @returns `sent`; `blocked`: accepted, now wait for `drain`; or `dropped`: not accepted, for the queue was
   *   at the high-water mark already, or the peer has gone, which `close` tells behind messages that still wait.
   * @throws FrameTooLargeError above maxMessageBytes
   * @throws ConnectionClosedError when this side has closed the connection, or `close` has told that it ended
   */
  send(message: Uint8Array): SendResult;

  /**
   * Stops the `message` handler being called and, in the end, the peer. An iterated connection does it itself. On a
   * `ws://` server by uWebSockets.js, which goes on reading, a peer that has then sent more than four high-water marks
   * is closed with `exhausted`.
   * @returns false where this transport cannot; messages then go on arriving.
   */
  pause(): boolean;
  /** Undoes `pause`. */
  resume(): void;

  /**
   * Ends the connection. Messages that arrive after it are dropped.
   * @returns how it ended, which may be by the peer, who closed first.
   */
  close(options?: CloseOptions): Promise<CloseInfo>;

  /**
   * The messages, each the reader's own, until the connection ends; leaving the loop leaves it open.
   * @throws InvalidArgumentError where there is a `message` handler, or a second iterator at the same time
   * @throws CloseInfo.error, after the last message, where the connection did not end as wanted
   */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined>;
}

/**
 * What an application does with its connections: one object for all of them. Handlers may be asynchronous.
 * What they throw or reject with goes to `error`, and without one is thrown as an uncaught exception; it never
 * ends a connection.
 */
export interface Behaviour<Data = unknown> {
  /** Called once, before anything else is for this connection: on both sides. */
  open?(connection: Connection<Data>): unknown;
  /**
   * `message` is valid during the call only; `message.slice()` keeps it. An async function gets a copy of its own,
   * since it goes on after the call.
   */
  message?(connection: Connection<Data>, message: Uint8Array): unknown;
  /** The queue, once at the high-water mark, is below half of it again. */
  drain?(connection: Connection<Data>): unknown;
  /** The last call for this connection. */
  close?(connection: Connection<Data>, info: CloseInfo): unknown;
  /** A handler threw; without a connection, one that is not of a connection. */
  error?(connection: Connection<Data> | undefined, cause: unknown): unknown;
}
