import { SocketAdmission } from "../transport/socket_admission.js";
import type { TransportListenOptions } from "../transport/transport.js";
import type { WebSocketBehaviour } from "./behaviour.js";
import { WebSocketContext } from "./context.js";
import type { Wanted } from "./handshake.js";
import { Openings } from "./opening.js";
import { originRules } from "./origin.js";
import { minDeflatedBytes } from "./permessage_deflate.js";

/** What a listener's connections share, and who may become one. */
export class ServerContext extends WebSocketContext {
  readonly wanted: Wanted;
  readonly admission: SocketAdmission;
  readonly openings = new Openings();
  override readonly deflatedFromBytes: number;

  constructor(options: TransportListenOptions, behaviour: WebSocketBehaviour, libraryWatches: boolean) {
    super(options, behaviour, libraryWatches);
    this.wanted = { path: options.url.path, protocols: options.protocols, origins: originRules(options) };
    this.admission = new SocketAdmission(options);
    this.deflatedFromBytes = options.permessageDeflate ? minDeflatedBytes : Number.POSITIVE_INFINITY;
  }
}
