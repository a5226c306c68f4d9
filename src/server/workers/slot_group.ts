import { readShutdown, type ShutdownOptions } from "../shutdown.js";
import { type SlotOwner, type SlotRun, WorkerSlot } from "./worker_slot.js";

/** The threads of a process, or the processes of a group. They end together. */
export class SlotGroup<Run extends SlotRun> {
  readonly slots: readonly WorkerSlot<Run>[];
  readonly #onClosed: () => void;
  #closed: Promise<void> | undefined;

  /** @param onClosed called when all have ended for good. */
  constructor(count: number, owner: SlotOwner<Run>, onClosed: () => void) {
    this.slots = Array.from({ length: count }, (_, index) => new WorkerSlot(index + 1, owner));
    this.#onClosed = onClosed;
  }

  /** Closes the servers of all, as `Server.close` does, at once. Idempotent. @throws InvalidArgumentError */
  async close(options: ShutdownOptions = {}): Promise<void> {
    const { graceful, deadlineMs } = readShutdown(options);
    this.#closed ??= this.#close(options, graceful ? deadlineMs : 0);
    await this.#closed;
  }

  async #close(options: ShutdownOptions, deadlineMs: number): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.close(options, deadlineMs)));
    this.#onClosed();
  }
}
