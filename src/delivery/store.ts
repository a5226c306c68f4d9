import type { MetaEntry } from "../frame/frame.js";

/**
 * How safe is what a store has taken:
 * - `none`: it is in memory;
 * - `process`: it survives the end of this process (`kill -9`): the operating system has it;
 * - `power`: it survives a loss of power: it was written through (`fsync`);
 * - `quorum`: a majority of machines has it.
 */
export type Durability = "none" | "process" | "power" | "quorum";

/** A message as a store gets it; its bytes are the store's. */
export interface StoredMessage {
  /** 32 hexadecimal digits. */
  readonly sessionId: string;
  readonly clientId: string | undefined;
  readonly lane: number;
  /** Of the session's lane, the low 32 bits; 0 of a message that has none. */
  readonly sequence: number;
  /** What its sender knows it by: 1 to 64 bytes. */
  readonly messageId: Uint8Array | undefined;
  readonly type: number;
  readonly subject: string | undefined;
  readonly meta: readonly MetaEntry[];
  readonly payload: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
}

/**
 * Where a server keeps the messages whose senders wait for more than that they are received: files, a database, or
 * what an application has. Written by whoever needs one; {@link MemoryStore} is the only one here.
 */
export interface Store {
  /** No more is ever claimed. By `none` nothing can be `stored`. */
  readonly durability: Durability;
  /**
   * Takes a message. It is told to be `stored` when this returns, or when the promise that it returns resolves, and never
   * before; what is thrown or rejected with says that it is not. Called again before the last one is done, so that many
   * can be written at once; of one session in the order in which they came. A message whose sender tried again after a
   * failure comes again, under the same `messageId`.
   */
  append(message: StoredMessage): void | PromiseLike<void>;
}

/** Whether somebody who writes JavaScript has given one. */
export function isStore(value: unknown): boolean {
  const { durability, append } = (value ?? {}) as Partial<Store>;
  return durabilities.has(durability) && typeof append === "function";
}

const durabilities: ReadonlySet<unknown> = new Set<Durability>(["none", "process", "power", "quorum"]);
