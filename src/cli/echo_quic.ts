import type { CloseInfo } from "../index.js";
import type { QuicBehaviour, QuicConnection, QuicStream } from "../quic/index.js";
import type { EchoConnections } from "./echo_connections.js";

/**
 * Sends back what comes. A bidirectional stream answers itself; a unidirectional one is answered by another,
 * and each of the two keeps the other as its `data`.
 */
export class QuicEcho implements QuicBehaviour {
  readonly #connections: EchoConnections;

  constructor(connections: EchoConnections) {
    this.#connections = connections;
  }

  open(connection: QuicConnection): void {
    this.#connections.opened(connection);
  }

  stream(stream: QuicStream): void {
    if (stream.direction === "bidirectional") {
      stream.data = stream;
      return;
    }
    // Where the peer has no credit for streams of ours left, this one waits for it; what is written waits too.
    const answer = stream.connection.openStream({ direction: "unidirectional" });
    answer.data = stream;
    stream.data = answer;
  }

  data(stream: QuicStream, chunk: Uint8Array): void {
    const answer = other(stream);
    // The peer wants no answer any more.
    if (!answer.writable) return;
    const result = answer.write(chunk);
    if (result !== "sent") stream.pause();
    // Nothing comes while paused; were it otherwise, the peer must not take a hole for an echo.
    if (result === "dropped") answer.reset();
  }

  end(stream: QuicStream): void {
    other(stream).end();
  }

  reset(stream: QuicStream, code: number): void {
    other(stream).reset(code);
  }

  stopped(stream: QuicStream, code: number): void {
    other(stream).stopSending(code);
  }

  drain(stream: QuicStream): void {
    other(stream).resume();
  }

  datagram(connection: QuicConnection, datagram: Uint8Array): void {
    // Unreliable by nature: what the peer would not take, or what does not fit the queue, is lost.
    const fits = datagram.length <= connection.maxDatagramBytes;
    if (fits && connection.state === "open") connection.sendDatagram(datagram);
  }

  close(connection: QuicConnection, info: CloseInfo): void {
    this.#connections.closed(connection, info, info.code);
  }

  error(connection: QuicConnection, cause: unknown): void {
    process.stderr.write(`millrace echo: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    // What is left of the connection cannot be relied on: some stream was not answered.
    connection.close({ code: 1, reason: "echo failed", graceful: false });
  }
}

/** The stream that sends what this one receives, and the other way round. */
function other(stream: QuicStream): QuicStream {
  return stream.data as QuicStream;
}
