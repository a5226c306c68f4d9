/** One thread of JavaScript on a table that C++ threads work with, and what it sees that must not be. */
import type { Claim } from "#internal/session/claim.js";
import { generationOf, type SessionHandle, slotOf } from "#internal/session/handle.js";
import { SessionTable } from "#internal/session/table.js";
import { SlotState, type TableMemory } from "#internal/session/table_layout.js";
import { seededRandom } from "../kit/random.js";
import { cppThreads, SharedDirectory } from "./cpp_threads.js";

export class CppChurn {
  readonly #seed: number;
  readonly #directory = new SharedDirectory();
  readonly #table: SessionTable;
  readonly #holders: Int32Array;
  readonly #random: (below: number) => number;
  readonly #held: SessionHandle[] = [];
  readonly failures: string[] = [];
  sessions = 0;

  /** `holders` has a word for each slot, which says who has it. */
  constructor(memory: TableMemory, holders: Int32Array, seed: number) {
    this.#table = new SessionTable(memory, this.#directory);
    this.#holders = holders;
    this.#seed = seed;
    this.#random = seededRandom(seed);
  }

  get claim(): Claim {
    return this.#directory.claim;
  }

  step(): void {
    if (this.#held.length < this.#table.slotCount / 4 && this.#random(2) === 0) this.#allocate();
    else if (this.#held.length > 0) this.#use(this.#random(this.#held.length));
  }

  end(): void {
    while (this.#held.length > 0) this.#release(0);
    cppThreads.leave(this.#directory.claim);
  }

  #allocate(): void {
    const handle = this.#table.tryAllocate(this.#directory.claim);
    if (handle === undefined) return;
    this.#check(Atomics.exchange(this.#holders, slotOf(handle), this.#seed) === 0, "a slot was given twice");
    const identity = { transport: this.#seed, connection: 1, id: new Uint32Array([1, 2, 3, 4]) };
    this.#check(this.#table.open(handle, identity, 1), "it does not open");
    this.#held.push(handle);
    this.sessions += 1;
  }

  #use(index: number): void {
    const handle = this.#held[index]!;
    this.#check(this.#table.touch(handle, 7), "it is not open");
    this.#check(this.#table.lookup(handle) === SlotState.open, "it is not open");
    this.#check(this.#table.identity(handle)?.transport === this.#seed, "it is another's");
    if (this.#random(2) === 0) this.#release(index);
  }

  #release(index: number): void {
    const [handle] = this.#held.splice(index, 1) as [SessionHandle];
    const { claim } = this.#directory;
    const holder = Atomics.exchange(this.#holders, slotOf(handle), 0);
    this.#check(holder === this.#seed, "somebody else has its slot");
    const released =
      this.#table.startClose(handle) &&
      this.#table.finishClose(handle, claim) &&
      this.#table.release(handle, claim);
    this.#check(released, "it is not released");
    this.#check(this.#table.lookup(handle) === undefined, "a stale handle is resolved");
    const owner = cppThreads.ownerOf(slotOf(handle), generationOf(handle));
    this.#check(owner === -1, "a stale handle has an owner");
  }

  #check(holds: boolean, what: string): void {
    if (!holds && this.failures.length < 5) this.failures.push(what);
  }
}
