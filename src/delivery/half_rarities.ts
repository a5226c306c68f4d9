import type { Awaited } from "./awaited.js";
import { Batches } from "./batches.js";
import type { CompressionFigures } from "./compression.js";
import type { Marked } from "./marked.js";
import type { PendingRequests } from "./pending_requests.js";

/** What most sessions never come to need: made with the first of it, so that the others pay for one word. */
export class HalfRarities {
  /** Batches that have come and are not handled. */
  readonly batches = new Batches();
  /** Of all connections on which both sides have compressed. */
  figures: CompressionFigures | undefined = undefined;
  /** What this side has asked. */
  requests: PendingRequests | undefined = undefined;
  /** Messages of which this side waits to hear how far they have come. */
  awaited: Awaited | undefined = undefined;
  /** What is owed to messages that have ids, or ask for more than to be handled. */
  marked: Marked | undefined = undefined;
  /** Faults of its handlers. */
  errors = 0;
}
