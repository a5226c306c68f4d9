/**
 * Faults on demand, for the tests of what is built with millrace: a UDP relay that loses, delays, reorders and
 * duplicates datagrams, limits their size and rate, moves clients to other addresses and blocks UDP. It needs no
 * native addon.
 * @module millrace/testing
 */

export type { SocketAddress } from "../transport/address.js";
export type { Direction, Faults, RelayFaults } from "./faults.js";
export type { DropCause, Fate, LinkCounters } from "./link.js";
export type { RecordedDatagram } from "./recording.js";
export { createRelay, type Relay, type RelayEndpoint, type RelayFlow, type RelayOptions } from "./relay.js";
