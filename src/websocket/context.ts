import { Liveness } from "../transport/liveness.js";
import type { TransportOptions } from "../transport/transport.js";
import type { WebSocketBehaviour } from "./behaviour.js";

/** What the connections of one listener, or of one connect, share. */
export class WebSocketContext {
  readonly behaviour: WebSocketBehaviour;
  readonly maxFrameBytes: number;
  readonly highWaterMarkBytes: number;
  /** From which size on messages are deflated where the peer has agreed to that. */
  readonly deflatedFromBytes: number = Number.POSITIVE_INFINITY;
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
