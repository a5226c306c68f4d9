/**
 * What the tests of programs that are built with millrace need. Faults on demand: a UDP relay that loses, delays,
 * reorders and duplicates datagrams, limits their size and rate, moves clients to other addresses and blocks UDP. And
 * certificates of an authority that lives as long as the test. It needs no native addon.
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
export type { Direction, Faults, RelayFaults } from "./faults.js";
export type { DropCause, Fate, LinkCounters } from "./link.js";
export type { RecordedDatagram } from "./recording.js";
export { createRelay, type Relay, type RelayFlow } from "./relay.js";
export type { RelayEndpoint, RelayOptions } from "./relay_options.js";
