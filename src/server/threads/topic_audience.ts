import type { Cursor } from "../../topic/cursor.js";
import type { Gap } from "../../topic/topic_history.js";
import type { Topics } from "../../topic/topics.js";

/** A message of a topic. */
export interface Publication {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly type: number;
}

/** How what homes say reaches who subscribes in this environment. */
export interface TopicAudience<Subscriber> {
  /** @returns to how many it was handed */
  deliver(publication: Publication, cursor: Cursor, recipients: readonly Subscriber[]): number;
  /** Something may be missing of a topic after `before`. */
  tellGap(subject: string, gap: Gap, before: Cursor, recipients: readonly Subscriber[]): void;
  /** Something may be missing of any topic. */
  tellLoss(): void;
}

/** What may come next of a topic that is there. */
export function nextOf({ epoch, sequence }: Cursor): Gap {
  return { epoch, oldest: sequence + 1 };
}

/**
 * Tells who subscribes in this environment of a gap in a topic.
 * @param next what may come next, to who gets no history now; where the topic is, else.
 */
export function tellGap<Subscriber>(
  topics: Topics<Subscriber>,
  audience: TopicAudience<Subscriber>,
  subject: string,
  before: Cursor,
  next = nextOf(topics.cursorOf(subject)!),
): void {
  const recipients = topics.recipients(subject);
  if (recipients.length > 0) audience.tellGap(subject, next, before, recipients);
}
