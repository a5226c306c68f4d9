/** What build/test-addon/session_threads.node has: C++ threads, and a directory that they share with JavaScript. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Claim, environmentOf } from "#internal/session/claim.js";
import type { SlotDirectory } from "#internal/session/directory.js";

/** test/native/addon/session_threads.cc. */
export interface CppThreads {
  /** Makes the directory of the test. */
  create(slots: number, environments: number): void;
  /** Lets so many threads work, until `finish`, which says how often something was wrong. */
  start(table: Int32Array, holders: Int32Array, threads: number): boolean;
  finish(): number;
  /** How many sessions they have had. */
  sessions(): number;
  /** Lets a thread send so many numbered messages to a session, by its inbox of these, until `finish`. */
  send(inboxes: readonly Int32Array[], slot: number, generation: number, count: number): void;
  /** How often environments were woken. */
  wakes(): number;
  wake(environment: number): number;
  join(): number;
  leave(claim: number): void;
  own(claim: number): Int32Array;
  bind(slot: number, environment: number): number;
  steal(environment: number): number;
  isHeld(slot: number): number;
  unbind(slot: number, generation: number, environment: number): number;
  boundGeneration(slot: number): number;
  lastGeneration(slot: number): number;
  heldCount(): number;
  ownerOf(slot: number, generation: number): number;
}

const root = join(import.meta.dirname, "../../..");
export const cppThreads: CppThreads = createRequire(import.meta.url)(
  join(root, "build/test-addon/session_threads.node"),
);

/** The directory as one environment of JavaScript has it. */
export class SharedDirectory implements SlotDirectory {
  /** Environments that have left, and whose slots are to be taken back: C++ has kept none. */
  left: readonly Claim[] = [];
  readonly claim = cppThreads.join() as Claim;
  readonly own = cppThreads.own(this.claim);

  bind(slot: number): number {
    return cppThreads.bind(slot, environmentOf(this.claim));
  }

  steal(): number {
    return cppThreads.steal(environmentOf(this.claim));
  }

  isHeld(slot: number): boolean {
    return cppThreads.isHeld(slot) !== 0;
  }

  unbind(slot: number, generation: number): boolean {
    return cppThreads.unbind(slot, generation, environmentOf(this.claim)) !== 0;
  }

  boundGeneration(slot: number): number {
    return cppThreads.boundGeneration(slot);
  }

  lastGeneration(slot: number): number {
    return cppThreads.lastGeneration(slot);
  }

  heldCount(): number {
    return cppThreads.heldCount();
  }

  ownerOf(slot: number, generation: number): number {
    return cppThreads.ownerOf(slot, generation);
  }

  isAlive(): boolean {
    return true;
  }

  ended(): readonly number[] {
    return this.left;
  }

  bury(claim: number): void {
    this.left = this.left.filter((other) => other !== claim);
  }
}
