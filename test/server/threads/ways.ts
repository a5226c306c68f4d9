import type { InboxResult } from "#internal/session/sessions.js";

export interface Post {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** What an environment is to the others. */
export interface Member {
  readonly handlers: Map<number, (bytes: Uint8Array, sender: number) => void>;
  readonly left: ((environment: number) => void)[];
  readonly drained: ((environment: number) => void)[];
}

/** What a post takes in an inbox, beside its bytes. */
const postBytes = 24;

/** Environments of one thread, and the ways from each to each: what they post lies in arrays until a test takes it. */
export class Ways {
  /** What fits into the way from one to another. */
  readonly inboxBytes: number;
  readonly members = new Map<number, Member>();
  readonly #ways = new Map<string, Post[]>();
  readonly #blocked = new Set<string>();

  constructor(inboxBytes: number) {
    this.inboxBytes = inboxBytes;
  }

  join(environment: number) {
    const member: Member = { handlers: new Map(), left: [], drained: [] };
    this.members.set(environment, member);
    return {
      post: (receiver: number, kind: number, bytes: Uint8Array) =>
        this.post(environment, receiver, kind, bytes),
      onPost: (kind: number, handler: (bytes: Uint8Array, sender: number) => void) => {
        member.handlers.set(kind, handler);
      },
      onLeft: (handler: (environment: number) => void) => void member.left.push(handler),
      onDrain: (handler: (environment: number) => void) => void member.drained.push(handler),
    };
  }

  /** @param posted what comes of the bytes on their way; undefined: they are lost */
  post(
    from: number,
    to: number,
    kind: number,
    bytes: Uint8Array,
    posted = (own: Uint8Array) => own as Uint8Array | undefined,
  ): InboxResult {
    if (!this.members.has(to) || !this.members.has(from)) return "gone";
    const way = `${from}>${to}`;
    const posts = this.#ways.get(way) ?? [];
    this.#ways.set(way, posts);
    const used = this.#bytesOn(way) + bytes.length + postBytes;
    if (used > this.inboxBytes / 2) this.#blocked.add(way);
    if (used > this.inboxBytes) return "dropped";
    const own = posted(bytes.slice());
    if (own !== undefined) posts.push({ kind, bytes: own });
    return used > this.inboxBytes / 2 ? "blocked" : "sent";
  }

  /** Those on which something lies. */
  get busy(): readonly string[] {
    return [...this.#ways].filter(([, posts]) => posts.length > 0).map(([way]) => way);
  }

  /** Takes from a way what was posted first; undefined where nothing lies there. */
  take(way: string): Post | undefined {
    return this.#ways.get(way)?.shift();
  }

  /** Tells who was told that a way is nearly full that it is not any more, if that is so. */
  drain(way: string): void {
    if (!this.#blocked.has(way) || this.#bytesOn(way) >= this.inboxBytes / 4) return;
    this.#blocked.delete(way);
    const [from, to] = endsOf(way);
    for (const handler of this.members.get(from)?.drained ?? []) handler(to);
  }

  /** What lies on such ways is lost. */
  clear(isMeant: (from: number, to: number) => boolean): void {
    for (const way of [...this.#ways.keys()]) if (isMeant(...endsOf(way))) this.#ways.delete(way);
  }

  /** All others learn that one has ended. */
  tellLeft(environment: number): void {
    for (const { left } of this.members.values()) for (const handler of left) handler(environment);
  }

  #bytesOn(way: string): number {
    return (this.#ways.get(way) ?? []).reduce((sum, { bytes }) => sum + bytes.length + postBytes, 0);
  }
}

export function endsOf(way: string): [from: number, to: number] {
  return way.split(">").map(Number) as [number, number];
}
