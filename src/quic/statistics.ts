import { ConnectionClosedError } from "../errors.js";
import { Statistic } from "../native/constants.js";
import type { Engine, EngineResource } from "../native/engine.js";
import type { RingReader } from "../native/ring.js";

/** What a QUIC connection has measured and done, at one moment. Counts are since its first packet. */
export interface QuicStatistics {
  /** The smoothed round trip (RFC 9002 section 5.3); `initialRttMs` until one was measured. */
  readonly roundTripMs: number;
  /** The shortest one. */
  readonly minRoundTripMs: number;
  readonly maxRoundTripMs: number;
  /** The mean deviation from the smoothed one. */
  readonly roundTripVarianceMs: number;

  /** From the first packet to the end of the handshake; undefined before that. */
  readonly handshakeMs: number | undefined;
  /** From the first packet until the peer's Initial packets were dealt with; undefined before that. */
  readonly initialFlightMs: number | undefined;
  /** Bytes of TLS in the client's first flight, the server's, and the client's last. */
  readonly handshakeBytes: readonly [clientFirst: number, server: number, clientLast: number];
  /** The handshake began again with another version of QUIC (RFC 9000 section 6). */
  readonly versionNegotiated: boolean;
  /** The server asked the client to prove its address first (RFC 9000 section 8.1.2). */
  readonly retried: boolean;
  /** The handshake resumed an earlier session (RFC 8446 section 2.2). */
  readonly resumed: boolean;
  /** Whether the server took the early data that we sent (RFC 8446 section 2.3); undefined where none was. */
  readonly earlyDataAccepted: boolean | undefined;

  /** The size of IP packets that the path is known to carry, headers included. */
  readonly mtuBytes: number;
  /** What may be on its way, unacknowledged (RFC 9002 section 7). */
  readonly congestionWindowBytes: number;
  /** How often the window was reduced. */
  readonly congestionEvents: number;
  /** Of these, how often to its minimum (RFC 9002 section 7.6). */
  readonly persistentCongestionEvents: number;

  /** Packets of QUIC: one datagram of UDP may carry several. */
  readonly packetsSent: number;
  /** Of these, those that had more than acknowledgements in them. */
  readonly retransmittablePacketsSent: number;
  /** Packets taken for lost, and what was in them sent again. */
  readonly packetsSuspectedLost: number;
  /** Of these, those that arrived after all. */
  readonly packetsSpuriouslyLost: number;
  /** Of UDP payload. */
  readonly bytesSent: number;
  /** Of streams, what was sent again included. */
  readonly streamBytesSent: number;

  readonly packetsReceived: number;
  readonly packetsReordered: number;
  /** Packets that were of no use, whatever was wrong with them. */
  readonly packetsDropped: number;
  /** Of these, those that came twice. */
  readonly packetsDuplicated: number;
  /** Of these, those whose protection did not hold. */
  readonly packetsUndecryptable: number;
  readonly bytesReceived: number;
  readonly streamBytesReceived: number;
  readonly acknowledgementsReceived: number;

  /** How often the keys changed (RFC 9001 section 6). */
  readonly keyUpdates: number;
  /** How often another of the peer's connection ids came into use. */
  readonly peerIdChanges: number;
}

interface Waiting {
  readonly promise: Promise<QuicStatistics>;
  readonly resolve: (statistics: QuicStatistics) => void;
  readonly reject: (error: Error) => void;
}

/** A connection's statistics on their way: asked for on the control thread, answered by an event. */
export class StatisticsReader {
  #waiting: Waiting | undefined;
  /** The last snapshot, taken when the connection ended. */
  #last: QuicStatistics | undefined;
  #closed: boolean;

  /** @param closed it has ended, and nothing was known of it then. */
  constructor(closed = false) {
    this.#closed = closed;
  }

  /** Calls while one is on its way share its answer. */
  read(engine: Engine, connection: EngineResource): Promise<QuicStatistics> {
    if (this.#waiting !== undefined) return this.#waiting.promise;
    if (this.#closed)
      return this.#last === undefined ? Promise.reject(neverStarted()) : Promise.resolve(this.#last);
    this.#waiting = waiting();
    engine.native.requestStatistics(connection.slot, connection.generation);
    return this.#waiting.promise;
  }

  onEvent(record: RingReader, earlyDataAccepted: boolean | undefined): void {
    const statistics = readStatistics(record, earlyDataAccepted);
    this.#last = statistics;
    this.#waiting?.resolve(statistics);
    this.#waiting = undefined;
  }

  onClosed(): void {
    this.#closed = true;
    this.#waiting?.reject(neverStarted());
    this.#waiting = undefined;
  }
}

function waiting(): Waiting {
  let resolve!: Waiting["resolve"];
  let reject!: Waiting["reject"];
  const promise = new Promise<QuicStatistics>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function neverStarted(): ConnectionClosedError {
  return new ConnectionClosedError("the connection has ended, and no statistics of it were kept");
}

function readStatistics(record: RingReader, earlyDataAccepted: boolean | undefined): QuicStatistics {
  const of = (name: keyof typeof Statistic) => record.uint64(Statistic[name] * 8);
  const ms = (name: keyof typeof Statistic) => of(name) / 1_000;
  const msOnce = (name: keyof typeof Statistic) => (of(name) === 0 ? undefined : ms(name));
  return {
    roundTripMs: ms("roundTripUs"),
    minRoundTripMs: ms("minRoundTripUs"),
    maxRoundTripMs: ms("maxRoundTripUs"),
    roundTripVarianceMs: ms("roundTripVarianceUs"),
    handshakeMs: msOnce("handshakeUs"),
    initialFlightMs: msOnce("initialFlightUs"),
    handshakeBytes: [
      of("handshakeClientFirstBytes"),
      of("handshakeServerBytes"),
      of("handshakeClientLastBytes"),
    ],
    versionNegotiated: of("versionNegotiated") === 1,
    retried: of("retried") === 1,
    resumed: of("resumed") === 1,
    earlyDataAccepted,
    mtuBytes: of("mtuBytes"),
    congestionWindowBytes: of("congestionWindowBytes"),
    congestionEvents: of("congestionEvents"),
    persistentCongestionEvents: of("persistentCongestionEvents"),
    packetsSent: of("packetsSent"),
    retransmittablePacketsSent: of("retransmittablePacketsSent"),
    packetsSuspectedLost: of("packetsSuspectedLost"),
    packetsSpuriouslyLost: of("packetsSpuriouslyLost"),
    bytesSent: of("bytesSent"),
    streamBytesSent: of("streamBytesSent"),
    packetsReceived: of("packetsReceived"),
    packetsReordered: of("packetsReordered"),
    packetsDropped: of("packetsDropped"),
    packetsDuplicated: of("packetsDuplicated"),
    packetsUndecryptable: of("packetsUndecryptable"),
    bytesReceived: of("bytesReceived"),
    streamBytesReceived: of("streamBytesReceived"),
    acknowledgementsReceived: of("acknowledgementsReceived"),
    keyUpdates: of("keyUpdates"),
    peerIdChanges: of("peerIdChanges"),
  };
}
