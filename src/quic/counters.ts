import { loadAddon } from "../native/addon.js";

/**
 * What QUIC has done for this process since it started, over all threads, listeners and connections. Counts grow;
 * those of what there is now say so.
 */
export interface QuicCounters {
  /** Connections begun, ours and peers'. */
  readonly connectionsCreated: number;
  /** Connections that hold memory now, handshakes included. */
  readonly connectionsAllocated: number;
  /** Connections whose handshake is done, now. */
  readonly connectionsConnected: number;
  /** Handshakes that resumed an earlier session (RFC 8446 section 2.2). */
  readonly connectionsResumed: number;
  /** Handshakes that ended without a connection: bad TLS, bad transport parameters, silence. */
  readonly handshakesFailed: number;
  /** Handshakes that a listener of this process refused: it was closing, or a limit was reached. */
  readonly handshakesRefused: number;
  /** Handshakes that offered none of the listeners' ALPN names. */
  readonly handshakesWithoutProtocol: number;
  /** Handshakes refused because the engine's threads were behind with their work. */
  readonly handshakesShed: number;
  /** Retry packets (RFC 9000 section 8.1.2): address validation before any memory is given. */
  readonly retriesSent: number;
  /** Stateless resets (RFC 9000 section 10.3): packets came for connections that are not there. */
  readonly statelessResetsSent: number;
  /** Connections ended because the peer broke RFC 9000. */
  readonly protocolErrors: number;
  /** Connections ended because the peer broke a limit or rule of this library: frames, lanes, floods, memory. */
  readonly peersFailed: number;
  /** Streams that hold memory now. */
  readonly streamsAllocated: number;
  /** Packets dropped, whatever was wrong with them. */
  readonly packetsDropped: number;
  /** Of these, packets whose protection did not hold. */
  readonly packetsUndecryptable: number;
  readonly packetsSuspectedLost: number;
  /** Path challenges answered (RFC 9000 section 8.2). */
  readonly pathsValidated: number;
  readonly pathsFailed: number;
  readonly udpDatagramsReceived: number;
  readonly udpDatagramsSent: number;
  /** Of UDP payload. */
  readonly udpBytesReceived: number;
  readonly udpBytesSent: number;
}

/**
 * Reads the process's counters; all zero before its first listener or connection. Cheap: nothing is waited for.
 * @throws AddonUnavailableError
 */
export function quicCounters(): QuicCounters {
  return loadAddon().transportCounters() as unknown as QuicCounters;
}
