import { channel } from "node:diagnostics_channel";
import type { SocketAddress } from "../transport/address.js";
import type { CloseInfo } from "../transport/close.js";
import type { QuicConnection } from "./connection.js";
import type { QuicStream, StreamCloseInfo } from "./stream/stream.js";

/** A connection that never opened. */
export interface FailedHandshake {
  /** `client` where we connected, `server` where a peer did. */
  readonly side: "client" | "server";
  /** Our address, a listener's own; undefined for a client that may have none yet. */
  readonly localAddress: SocketAddress | undefined;
  /** The peer, as `host:port`: whom we connected to, or the address that it came from. */
  readonly remote: string;
  /** Its `code` says what was wrong: ERR_MILLRACE_CONNECTION_REFUSED where a limit of the listener was reached. */
  readonly error: Error;
  /**
   * How many handshakes have failed since the message before and had none, because a flood of them is told of once a
   * turn of the event loop; 0 on the client's side.
   */
  readonly missed: number;
}

/**
 * The messages of `node:diagnostics_channel`, by channel. A subscriber is called on the spot; what it throws is an
 * uncaught exception. Where there is none, nothing is done.
 */
export interface QuicDiagnostics {
  /** A handshake has completed, ours or a peer's. */
  readonly "millrace:quic:connection:open": { readonly connection: QuicConnection };
  /** A connection that was open has ended. */
  readonly "millrace:quic:connection:close": {
    readonly connection: QuicConnection;
    readonly info: CloseInfo;
  };
  /** A handshake was refused or has failed, or could not begin. */
  readonly "millrace:quic:connection:error": FailedHandshake;
  /** A stream was opened by the peer, or is about to be by us. */
  readonly "millrace:quic:stream:open": { readonly stream: QuicStream };
  /** A stream has ended and was read to its end. */
  readonly "millrace:quic:stream:close": { readonly stream: QuicStream; readonly info: StreamCloseInfo };
  /** A handler of the behaviour threw or rejected; `stream` where it was called for one. */
  readonly "millrace:quic:error": {
    readonly connection: QuicConnection;
    readonly error: unknown;
    readonly stream?: QuicStream | undefined;
  };
}

const connectionOpen = channel("millrace:quic:connection:open");
const connectionClose = channel("millrace:quic:connection:close");
const connectionError = channel("millrace:quic:connection:error");
const streamOpen = channel("millrace:quic:stream:open");
const streamClose = channel("millrace:quic:stream:close");
const failure = channel("millrace:quic:error");

export function publishConnectionOpen(connection: QuicConnection): void {
  if (connectionOpen.hasSubscribers) connectionOpen.publish({ connection });
}

export function publishConnectionClose(connection: QuicConnection, info: CloseInfo): void {
  if (connectionClose.hasSubscribers) connectionClose.publish({ connection, info });
}

/** @returns whether anybody listens. */
export function publishFailedHandshake(describe: () => FailedHandshake): boolean {
  if (!connectionError.hasSubscribers) return false;
  connectionError.publish(describe());
  return true;
}

export function publishStreamOpen(stream: QuicStream): void {
  if (streamOpen.hasSubscribers) streamOpen.publish({ stream });
}

export function publishStreamClose(stream: QuicStream, info: StreamCloseInfo): void {
  if (streamClose.hasSubscribers) streamClose.publish({ stream, info });
}

export function publishError(
  connection: QuicConnection,
  error: unknown,
  stream: QuicStream | undefined,
): void {
  if (failure.hasSubscribers) failure.publish({ connection, error, stream });
}
