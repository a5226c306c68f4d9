import type { WaitOptions } from "../transport/wait.js";

/**
 * How far a message has come, each level beyond the one before:
 * - `received`: the other side's session has it, in memory;
 * - `stored`: the other side's store has taken it, as safely as the store declares;
 * - `delivered`, `read`: the other side's application has said so, by `message.confirm`.
 */
export type AcknowledgedLevel = "received" | "stored" | "delivered" | "read";

/** By their numbers on the wire. */
export const acknowledgedLevels = [
  "received",
  "stored",
  "delivered",
  "read",
] as const satisfies readonly AcknowledgedLevel[];

/** What became of a message that is to be acknowledged. */
export type Acknowledgement =
  /** It has come so far: as far as was asked for, or farther. */
  | { readonly status: "acknowledged"; readonly level: AcknowledgedLevel }
  /**
   * The other side will not say so. `code` is one of `FailureCode`; by all but `unstored` the message was not handled
   * there.
   */
  | { readonly status: "rejected"; readonly code: number; readonly reason: string }
  /** Nothing was heard in time: it may have come so far, or may still. */
  | { readonly status: "timeout" }
  /** The session ended, or the other side lost it, before anything was heard: it may have come so far. */
  | { readonly status: "lost" }
  /** It was never sent: the queue was full, or it gave way to another message. */
  | { readonly status: "dropped" }
  /** It was never sent: its deadline came first. */
  | { readonly status: "expired" };

/** Which acknowledgement is waited for, and how long. */
export interface AckOptions extends WaitOptions {
  /** `received` by default. */
  readonly level?: AcknowledgedLevel | undefined;
}
