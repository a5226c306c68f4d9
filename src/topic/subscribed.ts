import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import { type Cursor, checkCursor } from "./cursor.js";
import { isLiteral } from "./subject.js";
import type { SubscribeFrom } from "./subscribe_from.js";
import type { Gap, HistoryEntry, Recovered, TopicHistory } from "./topic_history.js";

/** How a subscription begins. */
export interface SubscribeOptions {
  /** Only for a subject, not for a pattern with wildcards, which is of many topics. By default what comes from now on. */
  readonly from?: SubscribeFrom | undefined;
}

/** What a new subscriber gets before anything that is published later. */
export interface Subscribed {
  /** Where the topic is; what is published next comes right after it. Absent for a pattern with wildcards. */
  readonly cursor?: Cursor;
  /** In order, the last of them at `cursor`. */
  readonly replay: readonly HistoryEntry[];
  /** Whether nothing is missing after the cursor that was given. Where none was, nothing can be. */
  readonly recovered: boolean;
  /** There if and only if something may be missing; then `replay` is all that is kept. */
  readonly gap?: Gap;
}

/** @throws InvalidArgumentError where `from` is no place, or goes with wildcards. */
export function checkFrom(from: unknown, pattern: string): void {
  if (from === undefined) return;
  if (!isLiteral(pattern)) {
    throw new InvalidArgumentError(`from must not go with wildcards, as in ${show(pattern)}: name a subject`);
  }
  if (from !== "oldest" && from !== "last") checkCursor(from, "from");
}

/** What is kept of a topic from there on. */
export function recover(history: TopicHistory, from: SubscribeFrom | undefined): Recovered {
  if (typeof from === "object") return history.since(from);
  if (from === "oldest") return { entries: history.kept, recovered: true };
  return { entries: from === "last" ? history.last : [], recovered: true };
}
