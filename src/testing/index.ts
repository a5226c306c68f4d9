/**
 * What the tests of programs that are built with millrace need. Faults on demand: a UDP relay that loses, delays,
 * reorders and duplicates datagrams, limits their size and rate, moves clients to other addresses and blocks UDP; and a
 * TCP relay that delays, holds back, half-closes, cuts and refuses connections. A clock that goes on when it is told to, a
 * server and a client that are connected, and certificates of an authority that lives as long as the test. It needs no
 * native addon, but {@link createPair} does, as every server.
 * @module millrace/testing
 */

export type { SocketAddress } from "../transport/address.js";
export {
  Authority,
  type ClientIdentityOptions,
  type Identity,
  type ServerIdentityOptions,
  type Validity,
} from "./authority.js";
export { type FakeClock, type FakeClockOptions, installFakeClock } from "./fake_clock.js";
export type { Faults, RelayFaults } from "./faults.js";
export type { DropCause, Fate, LinkCounters } from "./link.js";
export { createPair, type Pair, type PairOptions, type PairScheme } from "./pair.js";
export type { RecordedDatagram } from "./recording.js";
export { createRelay, type Relay, type RelayFlow } from "./relay.js";
export type { RelayEndpoint, RelayOptions } from "./relay_options.js";
export type { StreamFaults, StreamRelayFaults } from "./stream_faults.js";
export {
  createStreamRelay,
  type StreamCounters,
  type StreamRelay,
  type StreamRelayFlow,
} from "./stream_relay.js";
export type { StreamRelayOptions } from "./stream_relay_options.js";
export type { Direction, Ways } from "./ways.js";
