import { createHash, type Hash } from "node:crypto";
import type * as quic from "millrace/quic";
import { type Deferred, deferred } from "../kit/deferred.js";
import { Inbox } from "../kit/inbox.js";

/** All of a stream that the peer sent. */
export interface Received {
  readonly direction: quic.QuicStream["direction"];
  readonly bytes: number;
  readonly sha256: string;
}

/** What the two ways of using a stream have in common. */
interface StreamUse {
  data(stream: quic.QuicStream, chunk: Uint8Array): void;
  drain(stream: quic.QuicStream): void;
  end(stream: quic.QuicStream): void;
}

/** Our side of a test: sends the peer's bidirectional streams back, and keeps what else comes. */
export class Ours {
  readonly opened = new Inbox<quic.QuicConnection>("our side has a connection");
  readonly streams = new Inbox<quic.QuicStream>("the peer has opened a stream");
  readonly received = new Inbox<Received>("our side has all of a stream");
  readonly resets = new Inbox<number>("the peer has reset a stream");
  readonly stops = new Inbox<number>("the peer has stopped a stream");
  readonly datagrams = new Inbox<string>("our side has a datagram");
  readonly moves = new Inbox<quic.PathChange>("the peer has moved");
  /** Streams of the peer that are open, and the most there were at once. */
  peerStreams = 0;
  peakPeerStreams = 0;

  readonly behaviour: quic.QuicBehaviour;

  /** @param more handlers that a test has besides. */
  constructor(more: Pick<quic.QuicBehaviour, "authenticate" | "earlyData"> = {}) {
    this.behaviour = { ...more, ...this.#behaviour };
  }

  readonly #behaviour: quic.QuicBehaviour = {
    open: (connection) => this.opened.put(connection),
    stream: (stream) => this.#onStream(stream),
    data: (stream, chunk) => useOf(stream).data(stream, chunk),
    drain: (stream) => useOf(stream).drain(stream),
    end: (stream) => useOf(stream).end(stream),
    reset: (stream, code) => {
      this.resets.put(code);
      if (stream.initiator === "peer") stream.end();
    },
    stopped: (_, code) => this.stops.put(code),
    streamClose: (stream) => {
      if (stream.initiator === "peer") this.peerStreams -= 1;
    },
    datagram: (_, datagram) => this.datagrams.put(Buffer.from(datagram).toString()),
    pathChange: (_, change) => this.moves.put(change),
  };

  #onStream(stream: quic.QuicStream): void {
    stream.data = new Echo(this.received);
    this.streams.put(stream);
    this.peerStreams += 1;
    this.peakPeerStreams = Math.max(this.peakPeerStreams, this.peerStreams);
  }
}

function useOf(stream: quic.QuicStream): StreamUse {
  return stream.data as StreamUse;
}

/** A stream of the peer: counted and hashed, and sent back where it has two directions. */
class Echo implements StreamUse {
  readonly #done: Inbox<Received>;
  readonly #hash = createHash("sha256");
  #bytes = 0;

  constructor(done: Inbox<Received>) {
    this.#done = done;
  }

  data(stream: quic.QuicStream, chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    if (stream.writable && stream.write(chunk) !== "sent") stream.pause();
  }

  drain(stream: quic.QuicStream): void {
    stream.resume();
  }

  end(stream: quic.QuicStream): void {
    stream.end();
    this.#done.put({ direction: stream.direction, bytes: this.#bytes, sha256: this.#hash.digest("hex") });
  }
}

/**
 * Sends `bytes` on each of `count` bidirectional streams, all of them open before the first ends.
 * @returns on how many of them the same bytes came back.
 */
export async function exchange(
  connection: quic.QuicConnection,
  count: number,
  bytes: Uint8Array,
): Promise<number> {
  const exchanges = Array.from({ length: count }, () => new Exchange(connection, bytes));
  await Promise.all(exchanges.map((one) => one.begun.promise));
  const sent = sha256(bytes);
  const hashes = await Promise.all(exchanges.map((one) => one.finish()));
  return hashes.filter((hash) => hash === sent).length;
}

/** Sends a text on a stream of its own, and resolves with the answer. */
export function ask(
  connection: quic.QuicConnection,
  text: string,
  options?: quic.OpenStreamOptions,
): Promise<string> {
  const stream = connection.openStream(options);
  const answered = deferred<string>();
  let answer = "";
  const use: StreamUse = {
    data: (_, chunk) => {
      answer += Buffer.from(chunk).toString();
    },
    drain() {},
    end: () => answered.resolve(answer),
  };
  stream.data = use;
  stream.write(Buffer.from(text));
  stream.end();
  return answered.promise;
}

/** One stream of {@link exchange}: its first byte, when that has come back the rest, and the end. */
class Exchange implements StreamUse {
  /** The peer has the stream: its first byte came back. */
  readonly begun = deferred();
  readonly #hash: Hash = createHash("sha256");
  readonly #ended: Deferred<string> = deferred();
  readonly #stream: quic.QuicStream;
  readonly #bytes: Uint8Array;
  #at = 0;
  #finishing = false;

  constructor(connection: quic.QuicConnection, bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#stream = connection.openStream();
    this.#stream.data = this;
    if (bytes.length === 0) this.begun.resolve();
    else this.#write(1);
  }

  finish(): Promise<string> {
    this.#finishing = true;
    this.drain();
    return this.#ended.promise;
  }

  data(_: quic.QuicStream, chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.begun.resolve();
  }

  drain(): void {
    while (this.#finishing && this.#at < this.#bytes.length) {
      if (this.#write(64 * 1024) !== "sent") return;
    }
    if (this.#finishing) this.#stream.end();
  }

  end(): void {
    this.#ended.resolve(this.#hash.digest("hex"));
  }

  #write(bytes: number) {
    const chunk = this.#bytes.subarray(this.#at, this.#at + bytes);
    const result = this.#stream.write(chunk);
    if (result !== "dropped") this.#at += chunk.length;
    return result;
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
