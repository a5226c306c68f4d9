import { Audit } from "./audit.js";
import type { Claim } from "./claim.js";
import type { SlotDirectory } from "./directory.js";
import { Recovery } from "./recovery.js";
import type { SessionTable } from "./table.js";

const everyMs = 250;
const sliceSlots = 32_768;
const sliceMs = 4;
const auditSlots = 16_384;
/** So that no message waits for more than a part of a millisecond. */
const auditSliceSlots = 512;

/** Takes back what ended environments had, and looks for damage, by the clock and in slices. */
export class Maintenance {
  readonly #directory: SlotDirectory;
  readonly #recovery: Recovery;
  readonly #audit: Audit;
  readonly #done: () => void;
  readonly #timer: NodeJS.Timeout;
  /** What is left for the next turn: one, however often the timer came meanwhile. */
  #goesOn: NodeJS.Immediate | undefined;
  /** The same of the audit. */
  #auditsOn: NodeJS.Immediate | undefined;
  #isClosed = false;

  /** @param done what follows each time that everything is in order. */
  constructor(table: SessionTable, claim: Claim, directory: SlotDirectory, done: () => void) {
    this.#directory = directory;
    this.#recovery = new Recovery(table, claim, directory);
    this.#audit = new Audit(table, directory);
    this.#done = done;
    this.#timer = setInterval(() => this.run(), everyMs);
    this.#timer.unref();
  }

  /** How many damaged slots were taken out of use. */
  get quarantined(): number {
    return this.#audit.quarantined;
  }

  run(): void {
    if (this.#isClosed) return;
    const until = performance.now() + sliceMs;
    while (!this.#recovery.step(sliceSlots)) {
      if (performance.now() < until) continue;
      this.#goesOn ??= setImmediate(() => {
        this.#goesOn = undefined;
        this.run();
      });
      return;
    }
    // What an ended environment left is no damage; when another takes it back, this waits for it.
    if (this.#auditsOn === undefined) this.#auditSome(auditSlots);
    this.#done();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  /** Looks for damage in so many slots, in slices between which the event loop has its turn. */
  #auditSome(slots: number): void {
    this.#auditsOn = undefined;
    if (this.#isClosed || this.#directory.ended().length > 0) return;
    const isRound = this.#audit.step(Math.min(slots, auditSliceSlots));
    const left = slots - auditSliceSlots;
    if (!isRound && left > 0) this.#auditsOn = setImmediate(() => this.#auditSome(left));
  }
}
