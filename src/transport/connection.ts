import type { X509Certificate } from "node:crypto";
import type { SocketAddress } from "./address.js";
import type { CloseInfo, CloseOptions } from "./close.js";
import type { Control } from "./control.js";

declare const connectionIdBrand: unique symbol;

/** Names a connection within its process: never reused while the process lives. */
export type ConnectionId = number & { readonly [connectionIdBrand]: true };

let lastConnectionId = 0;

/** The next connection id of this environment. Transports call it once a connection. */
export function nextConnectionId(): ConnectionId {
  lastConnectionId += 1;
  return lastConnectionId as ConnectionId;
}

/**
 * What became of a send, on every transport:
 * - `sent`: accepted;
 * - `blocked`: accepted, and the queue is now at or above the high-water mark: wait for `drain`;
 * - `dropped`: not accepted, because the queue was at or above the mark already.
 */
export type SendResult = "sent" | "blocked" | "dropped";

/** What a transport has counted of a connection since it began. */
export interface ConnectionFigures {
  /** The smoothed round trip, where it was measured. */
  readonly roundTripMs: number | undefined;
  /** Packets that this side has sent, but for mere acknowledgements. */
  readonly packetsSent: number;
  /** Of these, those that were taken for lost, so that what was in them was sent again, and have not come after all. */
  readonly packetsLost: number;
}

/** `closing`: an end was asked for, and what was accepted for sending may still be on its way. */
export type ConnectionState = "open" | "closing" | "closed";

/**
 * One transport association that carries whole frames (or, where the listener asked for no framing,
 * whole messages): what a transport gives to the layers above. Frames are opaque here.
 */
export interface TransportConnection {
  readonly id: ConnectionId;
  /** The transport's name: `quic`, `websocket`, `tcp`. */
  readonly transport: string;
  readonly state: ConnectionState;
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  /** The negotiated ALPN (QUIC, TCP) or subprotocol (WebSocket); empty where there is none. */
  readonly protocol: string;
  /** WebSocket: the page's origin whose script connected, as its browser says (RFC 6454); undefined from other clients. */
  readonly origin?: string | undefined;
  /** WebSocket: the path that was asked for, with its query. */
  readonly path?: string | undefined;
  /**
   * The peer's certificate, where TLS has shown one: every server's, and that of a client that was asked for it
   * (`tls.clientCertificate`). Made when it is read, which may be while the connection is open.
   */
  readonly peerCertificate?: X509Certificate | undefined;
  /**
   * The handshake is not complete: what has come may be a copy of what somebody has sent before, and of one that
   * `connect` made, only {@link sendEarly} goes out until then. `confirmed` tells of its end; missing where there is no
   * early data.
   */
  readonly isEarly?: boolean;
  /** Whether the peer has taken what was sent early; undefined where nothing was, and before that is known. */
  readonly earlyDataAccepted?: boolean | undefined;
  /** Bytes accepted by `send` that the transport still holds. */
  readonly bytesQueued: number;
  /** The transport's smoothed round trip in milliseconds, where it measures one. */
  readonly roundTripMs: number | undefined;
  /**
   * What became of its packets, until now or, where it has ended, in all. Missing where the transport does not know: over
   * TCP the operating system sends again unseen.
   * @throws ConnectionClosedError where it has ended, and nobody knows
   */
  measure?(): Promise<ConnectionFigures>;
  /** True where frames were verified before they reached this thread. */
  readonly framesVerified: boolean;
  /**
   * True where this connection carries frames alone, so that the units of other codecs go inside of them. As
   * `framesVerified` where it is missing.
   */
  readonly carriesFrames?: boolean;
  /** The layer above keeps its object here; the transport never looks at it. */
  owner: unknown;

  /**
   * Queues one frame, given in one part or two, without blocking. Both parts are copied before it returns.
   * @param lane 0..255, 0 by default. On QUIC the frames of one lane arrive in the order they were sent in, and lanes do
   * not wait for each other's losses. Of what is queued lane 3 goes first, then 1, then all others, and 2 last. The
   * high-water mark is of all lanes together. Other transports do not look at it: all of their frames arrive in the
   * order they were sent in.
   * @returns see {@link SendResult}; the high-water mark is the listener's or connector's option.
   * @throws ConnectionClosedError when the connection is not open; but where the peer has ended it, and that is yet to
   *   be told behind frames that waited for `resume`, it is `dropped`.
   * @throws InvalidArgumentError when there is no such lane.
   */
  send(head: Uint8Array, payload?: Uint8Array, lane?: number): SendResult;

  /**
   * The same for a frame that may go out with the first packets of a connection that `isEarly` (0-RTT, RFC 9001 section
   * 4.6): the peer may get copies of it. On lane 0, before all else; what the peer does not take early is sent again after
   * the handshake.
   */
  sendEarly?(head: Uint8Array, payload?: Uint8Array): SendResult;

  /**
   * Sends one frame, in one part or two, as a datagram: it may be lost, or overtake others, and is never sent again.
   * Missing where the transport has none. Both parts are copied before it returns.
   * @returns `dropped` when the queue, which the frames of `send` share, is at or above the high-water mark.
   * @throws ConnectionClosedError as `send`; FrameTooLargeError above `maxDatagramBytes`, or where that is undefined.
   * @see RFC 9221
   */
  sendDatagram?(head: Uint8Array, payload?: Uint8Array): "sent" | "dropped";
  /** The largest frame that goes as a datagram now: it changes with the path. Undefined where the peer takes none. */
  readonly maxDatagramBytes?: number | undefined;
  /** Frames that came as datagrams and were dropped, because this thread had too much to read already. */
  readonly datagramsDropped?: number;

  /** Queues a text message, given as UTF-8, by the rules of `send`, where the transport has such messages. */
  sendText?(text: Uint8Array): SendResult;

  /**
   * Takes what the peer's connection said among the frames. Where this is missing, the transport has words of its own,
   * and a peer that says it so is closed.
   */
  control?(control: Control): void;

  /** Sends one frame to many connections of this kind; where it is missing, a loop over `send` does. */
  readonly publisher?: Publisher;

  /**
   * Stops the delivery of frames, and in the end the peer: by the transport's flow control, or, where that has none to
   * use, by closing it with `exhausted` when it has sent more than a few high-water marks.
   * @returns false where this transport cannot be paused; frames then go on arriving.
   */
  pause(): boolean;
  /** Undoes `pause`. */
  resume(): void;

  /** Ends the connection; the behaviour's `close` is called once, later. Idempotent. */
  close(options?: CloseOptions): void;
}

/** Sends to many, on lane 0, at the cost of one payload: a reference each instead of a copy each. */
export interface Publisher {
  /**
   * @param connections open or not; those that are not, and those at their high-water mark, are left out.
   * @returns how many accepted the frame.
   */
  publish(connections: readonly TransportConnection[], head: Uint8Array, payload: Uint8Array): number;
}

/** A frame where it lies in a memory, often among others, valid during the call that brings it. */
export interface PlacedFrame {
  /** The memory, where other threads may write. */
  readonly ring: ArrayBufferLike;
  /** The same as words, at least to the end of the head that a frame has before its payload (48 bytes). */
  readonly words: Int32Array;
  /** Where in it the frame begins, a multiple of 4. */
  readonly offset: number;
  /** Bytes of the frame. */
  readonly length: number;
  /** A view of the frame. */
  bytes(): Uint8Array;
}

/**
 * What a transport calls; one object serves all connections of a listener. All calls come from the event
 * loop, never from inside a call into the transport. A frame's bytes are valid during the call only.
 */
export interface TransportBehaviour {
  /** A peer has connected: the first call for this connection. Not called for one that `connect` made. */
  open(connection: TransportConnection): void;
  /** The handshake of a connection is complete that was opened early: what came before was no copy. */
  confirmed?(connection: TransportConnection): void;
  /** A whole frame, verified where the connection says so. */
  frame(connection: TransportConnection, frame: Uint8Array): void;
  /**
   * The same, from a transport that knows where in a memory its frames lie, which a view of each would have to be asked
   * for; `frame` is called where this is missing.
   */
  placedFrame?(connection: TransportConnection, frame: PlacedFrame): void;
  /**
   * A text message, as UTF-8, where the transport has such messages. Where this is missing, a peer that sends text is
   * closed with `protocolViolation`.
   */
  text?: ((connection: TransportConnection, text: Uint8Array) => void) | undefined;
  /** The queue, once at or above the high-water mark, is below half of it again. */
  drain(connection: TransportConnection): void;
  /** The last call for this connection. */
  close(connection: TransportConnection, info: CloseInfo): void;
}
