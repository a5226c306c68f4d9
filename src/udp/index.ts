/**
 * Finding services on a LAN, and small messages to all on it: signed datagrams, of which none is taken twice.
 * @module millrace/udp
 */
export { type Announcement, announce } from "./announce.js";
export {
  type Broadcast,
  type BroadcastMessage,
  type BroadcastMessageOptions,
  openBroadcast,
} from "./broadcast.js";
export type { UdpCounters } from "./counters.js";
export { type Discovery, discover } from "./discover.js";
export {
  type AnnounceOptions,
  type BroadcastOptions,
  type DiscoverOptions,
  ipv4Group,
  ipv6Group,
  type UdpOptions,
  type UdpSecret,
} from "./options.js";
export type { FoundService, Service } from "./service.js";
