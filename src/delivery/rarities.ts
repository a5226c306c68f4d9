import { PendingQueue } from "./pending_queue.js";
import type { Outcome, Replay, SentLog, Settled } from "./sent_log.js";

/** What a session that sends the usual way, over a connection that takes it, never needs. */
export class Rarities {
  /** Of the lanes but the normal one. */
  readonly logs: (SentLog | undefined)[] = [];
  /** Who wants to know what becomes of what was sent: by lane and sequence. */
  readonly expected: (Map<number, Settled> | undefined)[] = [];
  readonly pending = new PendingQueue();
  /** What this connection is to be sent again, the most urgent lane first. */
  replays: Replay[] = [];
  /** `send` has answered `blocked` or `dropped`, and there was no `drain` since. */
  isBlocked = false;
  /** What the connection held when it would take no more; 0 where it takes more. */
  blockedAtBytes = 0;
  /** All that waits does so for others only. */
  lingers = false;
  /** What waits is behind what went another way, and is not answered yet: see `EarlyFlight`. */
  isBehind = false;
  /** Something is being sent already. */
  isFlowing = false;
  /** Counts unordered messages. */
  turn = 0;
  /** Given up to keep the queue's limit. */
  messagesDropped = 0;
  /** Given up because their time had come before they could go out. */
  messagesExpired = 0;
  /** The policy is `close`, and the queue was full: the session is to be closed with `CloseCode.exhausted`. */
  mustClose = false;
  hasEnded = false;
  /** Who is to be told what, as soon as all here is in order: they may send. */
  outcomes: (() => void)[] = [];
}

/** Of what this connection is still to be sent again. */
export function bytesToReplay({ replays }: Rarities): number {
  return replays.reduce((sum, replay) => sum + replay.bytesLeft, 0);
}

/** Has somebody told what became of a message, when {@link tell} is called. */
export function settle({ outcomes }: Rarities, who: Settled | undefined, outcome: Outcome): void {
  if (who !== undefined) outcomes.push(() => who(outcome));
}

/** Tells all who are to be told. */
export function tell(rarities: Rarities): void {
  const { outcomes } = rarities;
  if (outcomes.length === 0) return;
  rarities.outcomes = [];
  for (const one of outcomes) one();
}
