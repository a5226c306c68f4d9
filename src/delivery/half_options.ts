import { maxFrameOverheadBytes } from "../frame/message_codec.js";
import type { Complete } from "../options/complete.js";
import { integer, oneOf, withDefault } from "../options/schema.js";
import type { InboundLimits } from "./inbound.js";
import type { OutboundLimits } from "./outbound.js";
import type { RequestBudget } from "./pending_requests.js";

const KIB = 1024;
const MIB = 1024 * KIB;

/** What servers and clients say alike of each of their sessions. */
export interface HalfOptions {
  readonly maxMessageBytes?: number | undefined;
  readonly windowBytes?: number | undefined;
  readonly replayBytes?: number | undefined;
  readonly highWaterMarkBytes?: number | undefined;
  readonly queueBytes?: number | undefined;
  readonly requestTimeoutMs?: number | undefined;
  readonly maxAwaitedAcks?: number | undefined;
}

/** How these are read, with the defaults of both. */
export const halfOptions = {
  maxMessageBytes: withDefault(integer(1, 64 * MIB), MIB),
  windowBytes: withDefault(integer(4 * KIB, 1024 * MIB), MIB),
  replayBytes: withDefault(integer(4 * KIB, 1024 * MIB), MIB),
  highWaterMarkBytes: withDefault(integer(1, 1024 * MIB), 256 * KIB),
  queueBytes: withDefault(integer(KIB, 1024 * MIB), MIB),
  requestTimeoutMs: withDefault(integer(1, 0x7fff_ffff), 30_000),
  maxAwaitedAcks: withDefault(integer(1, 10_000_000), 1_000),
} satisfies Record<keyof HalfOptions, unknown>;

/** What becomes of a message that finds the queue full. */
export const queuePolicy = withDefault(
  oneOf("block", "drop-oldest", "drop-newest", "conflate", "close"),
  "block",
);

/** What all sessions of one server, or of one client, share. */
export interface HalfContext {
  readonly outbound: OutboundLimits;
  readonly inbound: InboundLimits;
  readonly maxMessageBytes: number;
  readonly requestBudget: RequestBudget;
  readonly requestTimeoutMs: number;
  readonly maxAwaitedAcks: number;
}

export function halfContext(
  options: Complete<HalfOptions>,
  requestBudget: RequestBudget,
  policy: OutboundLimits["policy"] = "block",
): HalfContext {
  const { highWaterMarkBytes, queueBytes, replayBytes } = options;
  const { windowBytes, maxMessageBytes, requestTimeoutMs, maxAwaitedAcks } = options;
  return {
    outbound: { highWaterMarkBytes, queueBytes, replayBytes, policy },
    inbound: { windowBytes, maxFrameBytes: maxMessageBytes + maxFrameOverheadBytes },
    ...{ maxMessageBytes, requestTimeoutMs, requestBudget, maxAwaitedAcks },
  };
}

/** Holds all sessions that share a context to other limits. Not to other windows and messages: their peers were told. */
export function updateHalf(
  context: HalfContext,
  { highWaterMarkBytes, queueBytes, replayBytes, requestTimeoutMs }: Complete<HalfOptions>,
  policy: OutboundLimits["policy"],
): void {
  Object.assign(context.outbound, { highWaterMarkBytes, queueBytes, replayBytes, policy });
  Object.assign(context, { requestTimeoutMs });
}
