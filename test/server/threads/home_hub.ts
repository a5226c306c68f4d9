import { FrameMalformedError, ProtocolViolationError } from "millrace";
import { createHomes } from "#internal/server/threads/home_members.js";
import { createInterests } from "#internal/server/threads/interests.js";
import type { HomePeers } from "#internal/server/threads/topic_homes.js";
import { endsOf, Ways } from "./ways.js";

/** Environments that share topics: what they post is delivered in order from one to another, and by turns as a test likes. */
export class HomeHub {
  /** What was not written as it is to be: as `Peers` counts it. */
  refused = 0;
  readonly #homes = createHomes();
  /** What another thread may write over. */
  readonly interests = createInterests(4);
  readonly #ways: Ways;
  #environments: readonly number[] = [];

  constructor(inboxBytes = 65_536) {
    this.#ways = new Ways(inboxBytes);
  }

  join(environment: number): HomePeers {
    const peers = this.#ways.join(environment);
    this.#look();
    const environments = () => this.#environments;
    return {
      ...peers,
      environment,
      sessions: {
        get environments() {
          return environments();
        },
      },
      group: {
        homes: this.#homes,
        interests: this.interests,
        sessions: { inboxes: [{ byteLength: this.#ways.inboxBytes + 256 }] },
      },
    };
  }

  /** It ends as a thread does: what it has posted arrives; what is on its way to it, its successor may get. */
  leave(environment: number, isInherited = false): void {
    this.#ways.members.delete(environment);
    if (!isInherited) this.#ways.clear((_from, to) => to === environment);
    this.#look();
  }

  /** One that seems to live and have topics, and takes nothing up. */
  mute(environment: number): void {
    this.#ways.join(environment);
    const words = new Int32Array(this.#homes);
    words[1 + environment] = 1;
    this.#look();
  }

  /** The others learn it, sooner or later. */
  tellLeft(environment: number): void {
    this.#ways.tellLeft(environment);
  }

  /** The ways on which something lies. */
  get ways(): readonly string[] {
    return this.#ways.busy;
  }

  /** Delivers the first post of a way. @param damage is given bytes that it may change */
  deliver(way: string, damage: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes): void {
    const [sender, receiver] = endsOf(way);
    const { kind, bytes } = this.#ways.take(way)!;
    this.#ways.drain(way);
    try {
      this.#ways.members.get(receiver)?.handlers.get(kind)?.(damage(bytes), sender);
    } catch (cause) {
      if (!(cause instanceof FrameMalformedError) && !(cause instanceof ProtocolViolationError)) throw cause;
      this.refused += 1;
    }
  }

  /** Delivers all, and what comes of that. */
  deliverAll(): void {
    for (let [way] = this.ways; way !== undefined; [way] = this.ways) this.deliver(way);
  }

  #look(): void {
    this.#environments = [...this.#ways.members.keys()].sort((a, b) => a - b);
  }
}
