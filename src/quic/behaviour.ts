import type { CloseInfo } from "../transport/close.js";
import type { OutcomeOfDatagram, QuicConnection } from "./connection.js";
import type { PathChange } from "./path_change.js";
import type { QuicStream, StreamCloseInfo } from "./stream/stream.js";
import type { QuicPeer } from "./tls/authentication.js";

/** What becomes of a stream that began before the handshake was complete. */
export type EarlyDataDecision = "accept" | "hold" | "refuse";

/**
 * What a raw QUIC listener or connection calls; one object serves all its connections and streams. All calls come
 * from the event loop, never from inside a call of yours. A handler may be asynchronous.
 * What it throws or rejects with goes to `error`, or, where that is missing, becomes an uncaught exception.
 *
 * Of a stream that is iterated or adapted, the reader gets the bytes and the end; an adapter gets `drain` as well. The
 * other calls come for every stream.
 */
export interface QuicBehaviour {
  /**
   * A peer's certificate, before the handshake is complete and after our CAs have vouched for it. Only true lets the
   * peer in; `handshakeTimeoutMs` is how long there is to decide. A peer who shows a certificate has not yet proved at
   * this moment that it is its own: the handshake goes on only if it does, so act on it in `open` and not here.
   * On a listener it needs `tls.clientCertificate`; when connecting it judges the server's certificate.
   */
  authenticate?(peer: QuicPeer): boolean | Promise<boolean>;
  /** The handshake of a peer's connection has completed. */
  open?(connection: QuicConnection): unknown;
  /**
   * A peer that resumes a session has begun a stream in its first packet, before the handshake is complete. What it
   * brings may be a copy of somebody else's first packet, if the first one never reached this listener; so it waits,
   * by default, until the handshake is complete, which a copy never achieves. Called before `stream`, and before
   * `open`, where the listener takes early data.
   * @returns `accept`: `stream` and `data` are called at once, which saves a round trip, for bytes that do no harm if
   *   nobody has sent them just now; `hold`: when the handshake is complete; `refuse`: the stream is reset with
   *   CloseCode.tooEarly, 8. Until a promise has settled the stream waits. What throws or rejects refuses.
   */
  earlyData?(stream: QuicStream): EarlyDataDecision | Promise<EarlyDataDecision>;
  /** The peer opened a stream. */
  stream?(stream: QuicStream): unknown;
  /** Bytes of a stream, in order; valid during the call only, `chunk.slice()` keeps them. */
  data?(stream: QuicStream, chunk: Uint8Array): unknown;
  /** The peer's FIN: nothing follows. */
  end?(stream: QuicStream): unknown;
  /** The peer reset its sending side (RFC 9000 section 19.4): what was on its way is lost. */
  reset?(stream: QuicStream, code: number): unknown;
  /** The peer asks to send no more (RFC 9000 section 19.5). */
  stopped?(stream: QuicStream, code: number): unknown;
  /** A stream's queue, once at or above the high-water mark, is below half of it again. */
  drain?(stream: QuicStream): unknown;
  /** Both sides of the stream have ended, and everything was read; the last call for it. */
  streamClose?(stream: QuicStream, info: StreamCloseInfo): unknown;
  /** A datagram (RFC 9221); valid during the call only. */
  datagram?(connection: QuicConnection, datagram: Uint8Array): unknown;
  /** What became of a datagram that was sent with a tag. */
  datagramOutcome?(connection: QuicConnection, tag: number, outcome: OutcomeOfDatagram): unknown;
  /** The queue of datagrams, once at or above the high-water mark, is below half of it again. */
  datagramDrain?(connection: QuicConnection): unknown;
  /** The largest datagram that can be sent has changed: the path's MTU was measured, or has fallen. */
  datagramLimit?(connection: QuicConnection, maxDatagramBytes: number): unknown;
  /**
   * The peer goes on from another address or port: it moved, or a NAT forgot it (RFC 9000 section 9). Until the new
   * path is validated, which the engine does, the peer is sent no more than three times of what came from there.
   */
  pathChange?(connection: QuicConnection, change: PathChange): unknown;
  /** The last call for this connection, but for the bytes of streams that are paused. */
  close?(connection: QuicConnection, info: CloseInfo): unknown;
  /**
   * A handler threw or rejected. The connection goes on, and so does the stream, which is for you to reset.
   * @param stream that the handler was called for; undefined where it was called for the connection.
   */
  error?(connection: QuicConnection, cause: unknown, stream?: QuicStream): unknown;
}

const handlers = {
  authenticate: true,
  open: true,
  earlyData: true,
  stream: true,
  data: true,
  end: true,
  reset: true,
  stopped: true,
  drain: true,
  streamClose: true,
  datagram: true,
  datagramOutcome: true,
  datagramDrain: true,
  datagramLimit: true,
  pathChange: true,
  close: true,
  error: true,
} satisfies Record<keyof QuicBehaviour, true>;

/** The names of all handlers. */
export const behaviourHandlers = Object.keys(handlers);
