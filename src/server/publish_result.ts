import type { Cursor } from "../topic/cursor.js";

/**
 * What became of what was published:
 * - `published`: it has its place in its topic, and goes to whoever subscribes;
 * - `posted`: it is on its way to the thread that numbers its topic's messages; `outcome` says what comes of it;
 * - `dropped`: not taken, since too much is on that way already, or no thread of the group has topics: later;
 * - `refused`: not taken, since that thread has as many topics as it may;
 * - `lost`: that thread has ended, or the topic is another's by now. It is not known to have been published; some may
 *   have got it where the thread ended in the middle of it.
 */
export type PublishStatus = "published" | "posted" | "dropped" | "refused" | "lost";

/** What became of what was published. */
export interface PublishResult {
  readonly status: PublishStatus;
  /** Right behind it, in its topic's history; there if it is `published`. */
  readonly cursor: Cursor | undefined;
  /** How many sessions of this thread it was handed to; 0 where it is not `published` here, or not yet. */
  readonly recipients: number;
  /** Of what is `posted`: how it ended, which is never `posted`. Never rejected; for whom it matters. */
  readonly outcome?: Promise<PublishResult>;
}
