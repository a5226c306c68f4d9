import type { Claim } from "#internal/session/claim.js";
import { type SessionHandle, stateIn } from "#internal/session/handle.js";
import { SessionNumber, type SessionTable } from "#internal/session/table.js";
import { SlotState } from "#internal/session/table_layout.js";

/** A table's slots by what they are, and sums over its sessions. */
export interface TableStatistics {
  readonly slots: number;
  readonly free: number;
  readonly opening: number;
  readonly open: number;
  readonly closing: number;
  readonly closed: number;
  readonly quarantined: number;
  /** Of words that are no state: see `TableFaults.damaged`. */
  readonly unreadable: number;
  readonly queuedBytes: number;
  readonly messages: number;
}

/**
 * Visits the sessions of at most `budgetSlots` slots from `cursor` on. Sessions may come and go meanwhile: one that
 * lasts for the whole round is visited exactly once, one that does not, at most once for each time that it came.
 * @param cursor 0, or what the last call returned.
 * @returns where to go on, 0 after the last slot.
 */
export function walk(
  table: SessionTable,
  cursor: number,
  budgetSlots: number,
  visit: (handle: SessionHandle) => void,
): number {
  const from = cursor >= 0 && cursor < table.slotCount ? Math.trunc(cursor) : 0;
  const end = Math.min(from + Math.max(1, budgetSlots), table.slotCount);
  for (let slot = from; slot < end; slot += 1) {
    const handle = table.sessionAt(slot);
    if (handle !== undefined) visit(handle);
  }
  return end < table.slotCount ? end : 0;
}

/** Every session, as `walk` visits them; the table may change between two. */
export function* sessionsOf(table: SessionTable): Generator<SessionHandle> {
  for (let slot = 0; slot < table.slotCount; slot += 1) {
    const handle = table.sessionAt(slot);
    if (handle !== undefined) yield handle;
  }
}

/** Counts the whole table at once: 15 ms for a million slots. */
export function statisticsOf(table: SessionTable): TableStatistics {
  const slotsByState = new Array<number>(8).fill(0);
  let queuedBytes = 0;
  let messages = 0;
  for (let slot = 0; slot < table.slotCount; slot += 1) {
    const state = stateIn(table.wordAt(slot));
    slotsByState[state]! += 1;
    if (state !== SlotState.open && state !== SlotState.closing) continue;
    const handle = table.sessionAt(slot);
    if (handle === undefined) continue;
    queuedBytes += table.get(handle, SessionNumber.queuedBytes) ?? 0;
    messages += table.get(handle, SessionNumber.messages) ?? 0;
  }
  const [free, opening, open, closing, closed, quarantined, ...others] = slotsByState as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const unreadable = others[0] + others[1];
  return {
    ...{ slots: table.slotCount, free, opening, open, closing, closed, quarantined, unreadable },
    ...{ queuedBytes, messages },
  };
}

export interface IdleSweepOptions {
  /** Whose sessions: each environment sweeps its own. */
  readonly claim: Claim;
  /** Without a touch for so long, in the caller's ticks. */
  readonly idleTicks: number;
  /** How many slots a call looks at. A million slots in 15 s are 67 a millisecond. */
  readonly budgetSlots: number;
}

/** Finds sessions without traffic a slice at a time, so that no session needs a timer and no call takes long. */
export class IdleSweep {
  readonly #table: SessionTable;
  readonly #options: IdleSweepOptions;
  #cursor = 0;

  constructor(table: SessionTable, options: IdleSweepOptions) {
    this.#table = table;
    this.#options = options;
  }

  /**
   * Looks at the next slots. Ticks are modulo 2^32, and compared as such.
   * @param tick now, in the ticks that sessions are touched with.
   * @returns true when a round through the table has ended with this call.
   */
  step(tick: number, found: (handle: SessionHandle, idleTicks: number) => void): boolean {
    const { claim, idleTicks, budgetSlots } = this.#options;
    const table = this.#table;
    const end = Math.min(this.#cursor + Math.max(1, budgetSlots), table.slotCount);
    for (let slot = this.#cursor; slot < end; slot += 1) {
      const idle = table.idleTicksAt(slot, claim, tick);
      if (idle < 0 || idle < idleTicks) continue;
      const handle = table.sessionAt(slot);
      if (handle !== undefined) found(handle, idle);
    }
    this.#cursor = end < table.slotCount ? end : 0;
    return this.#cursor === 0;
  }
}
