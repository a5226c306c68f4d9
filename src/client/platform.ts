import type { Decompress } from "../frame/opened_payload.js";
import type { TransportUrl } from "../transport/address.js";
import type { Transport } from "../transport/transport.js";

/** What a client's sessions need of where they run: all that is not the same in Node.js and in a browser. */
export interface Platform {
  /** The transport for a URL's scheme, the application's own first. @throws UnknownTransportError */
  transportOf(url: TransportUrl, added: readonly Transport[] | undefined): Promise<Transport>;
  readonly decompress: Decompress;
}
