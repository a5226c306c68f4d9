import { TABLE_MAX_ENVIRONMENTS } from "../../session/table_layout.js";
import type { Group } from "./group.js";
import { homeOf } from "./home_of.js";

/** In `Group.homes`: how often one was added, and by environment whether it has topics. */
const changesWord = 0;
const firstMember = 1;

/** For `Group.homes`. */
export function createHomes(): SharedArrayBuffer {
  return new SharedArrayBuffer((firstMember + TABLE_MAX_ENVIRONMENTS) * Int32Array.BYTES_PER_ELEMENT);
}

/** Of `Peers`. */
export interface Environments {
  readonly environment: number;
  readonly sessions: { readonly environments: readonly number[] };
  readonly group: Pick<Group, "homes">;
}

/**
 * Those environments of a group that have topics, which not all do: the thread that starts the others has none. All see
 * the same at the same time, or almost.
 */
export class HomeMembers {
  readonly #peers: Environments;
  readonly #words: Int32Array;
  readonly #changed: (before: readonly number[]) => void;
  #environments: readonly number[] = [];
  #changes = -1;
  #numbers: readonly number[] = [];

  /** @param changed called before anything else is said of them, with those that they were. */
  constructor(peers: Environments, changed: (before: readonly number[]) => void = () => {}) {
    this.#peers = peers;
    this.#words = new Int32Array(peers.group.homes);
    this.#changed = changed;
  }

  /** This environment has topics from now on. */
  enter(): void {
    Atomics.store(this.#words, firstMember + this.#peers.environment, 1);
    Atomics.add(this.#words, changesWord, 1);
  }

  /** Ascending. */
  get numbers(): readonly number[] {
    this.look();
    return this.#numbers;
  }

  /** Without this one. */
  get others(): readonly number[] {
    return this.numbers.filter((member) => member !== this.#peers.environment);
  }

  /** The environment that numbers a topic; undefined where there is none that has topics. */
  homeOf(subject: string): number | undefined {
    const { numbers } = this;
    return numbers.length === 0 ? undefined : homeOf(subject, numbers);
  }

  /** Sees who is new and who is gone. */
  look(): void {
    const { environments } = this.#peers.sessions;
    const changes = Atomics.load(this.#words, changesWord);
    if (environments === this.#environments && changes === this.#changes) return;
    this.#environments = environments;
    this.#changes = changes;
    const before = this.#numbers;
    this.#numbers = environments.filter((environment) => this.#words[firstMember + environment] === 1);
    if (before.join() !== this.#numbers.join()) this.#changed(before);
  }
}
