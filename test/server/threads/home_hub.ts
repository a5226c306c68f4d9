import { FrameMalformedError, ProtocolViolationError } from "millrace";
import { createHomes } from "#internal/server/threads/home_members.js";
import type { HomePeers } from "#internal/server/threads/topic_homes.js";
import type { InboxResult } from "#internal/session/sessions.js";

interface Post {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

interface Member {
  readonly handlers: Map<number, (bytes: Uint8Array, sender: number) => void>;
  readonly left: ((environment: number) => void)[];
  readonly drained: ((environment: number) => void)[];
}

/**
 * Environments of one thread, whose posts lie in arrays until a test delivers them: in order from one to another, and by
 * turns as it likes.
 */
export class HomeHub {
  /** What fits into the way from one to another. */
  readonly inboxBytes: number;
  /** What was not written as it is to be: as `Peers` counts it. */
  refused = 0;
  readonly #homes = createHomes();
  readonly #members = new Map<number, Member>();
  readonly #ways = new Map<string, Post[]>();
  readonly #blocked = new Set<string>();
  #environments: readonly number[] = [];

  constructor(inboxBytes = 65_536) {
    this.inboxBytes = inboxBytes;
  }

  join(environment: number): HomePeers {
    const member: Member = { handlers: new Map(), left: [], drained: [] };
    this.#members.set(environment, member);
    this.#look();
    const environments = () => this.#environments;
    return {
      environment,
      sessions: {
        get environments() {
          return environments();
        },
      },
      group: {
        homes: this.#homes,
        sessions: { inboxes: [{ byteLength: this.inboxBytes + 256 }] },
      },
      post: (receiver, kind, bytes) => this.#post(environment, receiver, kind, bytes),
      onPost: (kind, handler) => member.handlers.set(kind, handler),
      onLeft: (handler) => member.left.push(handler),
      onDrain: (handler) => member.drained.push(handler),
    };
  }

  /** It ends as a thread does: what it has posted arrives; what is on its way to it, its successor may get. */
  leave(environment: number, isInherited = false): void {
    this.#members.delete(environment);
    for (const way of [...this.#ways.keys()]) {
      if (way.endsWith(`>${environment}`) && !isInherited) this.#ways.delete(way);
    }
    this.#look();
  }

  /** One that seems to live and have topics, and takes nothing up. */
  mute(environment: number): void {
    this.#members.set(environment, { handlers: new Map(), left: [], drained: [] });
    const words = new Int32Array(this.#homes);
    words[1 + environment] = 1;
    this.#look();
  }

  /** The others learn it, sooner or later. */
  tellLeft(environment: number): void {
    for (const { left } of this.#members.values()) for (const handler of left) handler(environment);
  }

  /** The ways on which something lies. */
  get ways(): readonly string[] {
    return [...this.#ways].filter(([, posts]) => posts.length > 0).map(([way]) => way);
  }

  /** Delivers the first post of a way. @param damage is given bytes that it may change */
  deliver(way: string, damage: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes): void {
    const [sender, receiver] = way.split(">").map(Number) as [number, number];
    const post = this.#ways.get(way)!.shift()!;
    if (this.#blocked.has(way) && this.#bytesOn(way) < this.inboxBytes / 4) {
      this.#blocked.delete(way);
      for (const handler of this.#members.get(sender)?.drained ?? []) handler(receiver);
    }
    try {
      this.#members.get(receiver)?.handlers.get(post.kind)?.(damage(post.bytes), sender);
    } catch (cause) {
      if (!(cause instanceof FrameMalformedError) && !(cause instanceof ProtocolViolationError)) throw cause;
      this.refused += 1;
    }
  }

  /** Delivers all, and what comes of that. */
  deliverAll(): void {
    for (let [way] = this.ways; way !== undefined; [way] = this.ways) this.deliver(way);
  }

  #post(sender: number, receiver: number, kind: number, bytes: Uint8Array): InboxResult {
    if (!this.#members.has(receiver) || !this.#members.has(sender)) return "gone";
    const way = `${sender}>${receiver}`;
    const posts = this.#ways.get(way) ?? [];
    this.#ways.set(way, posts);
    const used = this.#bytesOn(way) + bytes.length + 24;
    if (used > this.inboxBytes / 2) this.#blocked.add(way);
    if (used > this.inboxBytes) return "dropped";
    posts.push({ kind, bytes: bytes.slice() });
    return used > this.inboxBytes / 2 ? "blocked" : "sent";
  }

  #bytesOn(way: string): number {
    return (this.#ways.get(way) ?? []).reduce((sum, { bytes }) => sum + bytes.length + 24, 0);
  }

  #look(): void {
    this.#environments = [...this.#members.keys()].sort((a, b) => a - b);
  }
}
