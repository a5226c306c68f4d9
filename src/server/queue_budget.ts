import { shed } from "../delivery/making_room.js";
import type { Outbound } from "../delivery/outbound.js";
import { ByteBudget } from "../limit/byte_budget.js";
import type { ByteShare } from "../limit/byte_share.js";
import { CloseCode } from "../transport/close.js";
import { NearLimit } from "../transport/near_limit.js";
import type { ReadServerOptions } from "./options.js";
import type { ServerSession } from "./server_session.js";

/** What a {@link QueueBudget} is held to. */
export interface QueueLimits {
  readonly bytes: number;
  /** What waits and was accepted may be given up. */
  readonly mayDrop: boolean;
}

export function queueLimits<Data>({ limits, queuePolicy }: ReadServerOptions<Data>): QueueLimits {
  return { bytes: limits.queueBytes, mayDrop: queuePolicy === "drop-oldest" };
}

/**
 * What all sessions of one environment hold together that cannot go on now: their connection, their client or their
 * network is slow, or they have none. Sessions whose messages go out at once have no part in it, and pay nothing for it.
 * Beyond the limit those pay that hold most: they drop what waits where that is their policy, and are closed where it is
 * not, or is not enough.
 */
export class QueueBudget<Data> {
  readonly #budget: ByteBudget<ServerSession<Data>>;
  /** Of those that hold anything. */
  readonly #shares = new Map<ServerSession<Data>, ByteShare<ServerSession<Data>>>();
  #mayDrop: boolean;
  readonly #near: NearLimit;
  #isShedding = false;

  constructor({ bytes, mayDrop }: QueueLimits, warn: (current: number, limit: number) => void) {
    this.#budget = new ByteBudget(bytes);
    this.#mayDrop = mayDrop;
    this.#near = new NearLimit(warn);
  }

  get bytes(): number {
    return this.#budget.totalBytes;
  }

  /** Holds them to other limits, at once. */
  update({ bytes, mayDrop }: QueueLimits): void {
    this.#budget.limitBytes = bytes;
    this.#mayDrop = mayDrop;
    this.#keep();
  }

  /** What a session holds may have changed. It may be closed for it, or another one. */
  note(session: ServerSession<Data>): void {
    this.#update(session);
    this.#keep();
  }

  #keep(): void {
    this.#near.look(this.#budget.totalBytes, this.#budget.limitBytes);
    if (!this.#budget.isOver || this.#isShedding) return;
    this.#isShedding = true;
    try {
      this.#budget.shed((largest) => this.#shed(largest));
    } finally {
      this.#isShedding = false;
    }
  }

  #update(session: ServerSession<Data>): void {
    const bytes = bytesHeld(session.outbound);
    session.holdsBytes = bytes > 0;
    let share = this.#shares.get(session);
    if (share === undefined) {
      if (bytes === 0) return;
      share = this.#budget.share(session);
      this.#shares.set(session, share);
    }
    share.add(bytes - share.heldBytes);
    if (bytes === 0) this.#shares.delete(session);
  }

  #shed(session: ServerSession<Data>): void {
    const excess = this.#budget.totalBytes - this.#budget.limitBytes;
    const dropped = this.#mayDrop && shed(session.outbound, excess) > 0;
    if (!dropped) session.endBy("local", CloseCode.exhausted, "the queues of all sessions are full", false);
    this.#update(session);
  }
}

/**
 * Memory that a session holds and cannot let go of for now, about: what waits, and what is kept to be sent again, with
 * what its connection holds. 0 while messages go out at once.
 */
function bytesHeld({ isReady, rarities, bytesUnacknowledged, carrier }: Outbound): number {
  if (isReady) return 0;
  return (rarities?.pending.cost ?? 0) + bytesUnacknowledged + (carrier?.bytesQueued ?? 0);
}
