import { ProtocolViolationError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { takeOther } from "../frame/frame_behaviour.js";
import type { TransportConnection } from "../transport/connection.js";

/**
 * For a frame that a session which has begun has no use for: the answer to its own ping is passed over, what the
 * transport asks and answers goes there.
 * @throws ProtocolViolationError where it may not come
 */
export function takeRest(transport: TransportConnection, frame: Readonly<FrameContents>): void {
  const { kind } = frame;
  if (kind === Kind.Hello || kind === Kind.Welcome || kind === Kind.Commit) {
    throw new ProtocolViolationError("the session has begun already");
  }
  if (kind !== Kind.Pong || transport.control !== undefined) takeOther(transport, frame);
}
