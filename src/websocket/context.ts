import { Liveness } from "../transport/liveness.js";
import { SocketAdmission } from "../transport/socket_admission.js";
import type { TransportListenOptions, TransportOptions } from "../transport/transport.js";
import type { WebSocketBehaviour } from "./behaviour.js";
import type { Wanted } from "./handshake.js";
import { Openings } from "./opening.js";
import { originRules } from "./origin.js";

/** What the connections of one listener, or of one connect, share. */
export class WebSocketContext {
  readonly behaviour: WebSocketBehaviour;
  readonly maxFrameBytes: number;
  readonly highWaterMarkBytes: number;
  /** Undefined where nobody watches, or where the library does it. */
  readonly liveness: Liveness | undefined;
  /** Connections opened and not yet closed. */
  connectionCount = 0;

  constructor(options: TransportOptions, behaviour: WebSocketBehaviour, libraryWatches: boolean) {
    this.behaviour = behaviour;
    this.maxFrameBytes = options.maxFrameBytes;
    this.highWaterMarkBytes = options.highWaterMarkBytes;
    this.liveness =
      libraryWatches || options.idleTimeoutMs === 0 ? undefined : new Liveness(options.idleTimeoutMs);
  }
}

/** What a listener's connections share, and who may become one. */
export class ServerContext extends WebSocketContext {
  readonly wanted: Wanted;
  readonly admission: SocketAdmission;
  readonly openings = new Openings();

  constructor(options: TransportListenOptions, behaviour: WebSocketBehaviour, libraryWatches: boolean) {
    super(options, behaviour, libraryWatches);
    this.wanted = { path: options.url.path, protocols: options.protocols, origins: originRules(options) };
    this.admission = new SocketAdmission(options);
  }
}
