import type { SocketAddress } from "../transport/address.js";

/** The peer of a connection has moved (RFC 9000 section 9). */
export interface PathChange {
  /** Our end, which stays. */
  readonly local: SocketAddress;
  /** The peer's: several moves that come one directly after the other are told as one. */
  readonly remote: { readonly before: SocketAddress; readonly after: SocketAddress };
}
