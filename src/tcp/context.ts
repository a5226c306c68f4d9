import { InternalError } from "../errors.js";
import type { SocketAddress } from "../transport/address.js";
import type { TransportBehaviour } from "../transport/connection.js";
import type { StreamFraming } from "../transport/control.js";
import { Liveness } from "../transport/liveness.js";
import type { TransportOptions } from "../transport/transport.js";
import { FrameDeadlines } from "./frame_deadlines.js";

const defaultFrameTimeoutMs = 30_000;

/** What the connections of one listener, or of one connect, share. */
export class TcpContext {
  readonly behaviour: TransportBehaviour;
  readonly framing: StreamFraming;
  readonly maxFrameBytes: number;
  readonly highWaterMarkBytes: number;
  readonly idleTimeoutMs: number;
  /** Of all connections, where they are accepted at one address; undefined where each is asked for its own. */
  localAddress: SocketAddress | undefined = undefined;
  /** Undefined where nobody watches. */
  readonly liveness: Liveness | undefined;
  readonly frameDeadlines: FrameDeadlines | undefined;
  /** Connections opened and not yet closed. */
  connectionCount = 0;

  constructor(options: TransportOptions, behaviour: TransportBehaviour) {
    const { stream, idleTimeoutMs, frameTimeoutMs = defaultFrameTimeoutMs } = options;
    if (stream === undefined) throw new InternalError("TCP was not told how frames lie in a stream");
    this.behaviour = behaviour;
    this.framing = stream;
    this.maxFrameBytes = options.maxFrameBytes;
    this.highWaterMarkBytes = options.highWaterMarkBytes;
    this.idleTimeoutMs = idleTimeoutMs;
    this.liveness = idleTimeoutMs === 0 ? undefined : new Liveness(idleTimeoutMs);
    this.frameDeadlines = frameTimeoutMs === 0 ? undefined : new FrameDeadlines(frameTimeoutMs);
  }
}
