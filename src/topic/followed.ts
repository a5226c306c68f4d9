import type { Cursor } from "./cursor.js";
import type { HistoryEntry } from "./topic_history.js";

/** What becomes of a message that another environment has numbered. */
export interface Taken<Subscriber> {
  /** Whom it is for, each once. The array does not change any more. */
  readonly recipients: readonly Subscriber[];
  /** False where it had come before. */
  readonly isNew: boolean;
  /** Where the topic was, if something may be missing between that and the message. */
  readonly before: Cursor | undefined;
}

/** What a topic's home says of it beside where it is. */
export interface FollowedPlace {
  /** What is kept right before the cursor, without a hole. */
  readonly entries?: readonly HistoryEntry[];
  /** Where the epoch before ended, if the entries were of it. */
  readonly former?: Cursor | undefined;
  /** These are all entries that there are. */
  readonly isWhole?: boolean;
  /** The home knows that the topic is needed here. */
  readonly isFollowing?: boolean;
}
