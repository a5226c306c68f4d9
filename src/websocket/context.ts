import type { TransportBehaviour } from "../transport/connection.js";
import { Liveness } from "../transport/liveness.js";
import type { TransportOptions } from "../transport/transport.js";
import type { WebSocketBehaviour } from "./behaviour.js";

type PlacedFrames = Pick<TransportBehaviour, "placedFrame">;

/** What the connections of one listener, or of one connect, share. */
export class WebSocketContext {
  readonly behaviour: WebSocketBehaviour & PlacedFrames;
  /** Binary messages are frames, and whoever takes them does so where they lie. */
  readonly placesFrames: boolean;
  readonly maxFrameBytes: number;
  readonly highWaterMarkBytes: number;
  /** From which size on messages are deflated where the peer has agreed to that. */
  readonly deflatedFromBytes: number = Number.POSITIVE_INFINITY;
  /** Undefined where nobody watches, or where the library does it. */
  readonly liveness: Liveness | undefined;
  /** Connections opened and not yet closed. */
  connectionCount = 0;

  constructor(
    options: TransportOptions,
    behaviour: WebSocketBehaviour & PlacedFrames,
    libraryWatches: boolean,
  ) {
    this.behaviour = behaviour;
    // What is asked for by `millrace/websocket` is plain messages, whatever else its behaviour can do.
    this.placesFrames = options.stream !== undefined && behaviour.placedFrame !== undefined;
    this.maxFrameBytes = options.maxFrameBytes;
    this.highWaterMarkBytes = options.highWaterMarkBytes;
    this.liveness =
      libraryWatches || options.idleTimeoutMs === 0 ? undefined : new Liveness(options.idleTimeoutMs);
  }
}
