import { HandshakeTimeoutError } from "../errors.js";
import type { Complete } from "../options/complete.js";
import { isFunction, isObject } from "../options/schema.js";
import { transportNameOf } from "./preference.js";
import type { Entrant, RaceResult } from "./race.js";

/** What is known of the way to one server from one network: plain data, which a store may write down as JSON. */
export interface NetworkNote {
  /** QUIC got no answer here; until then (milliseconds since 1970) it gets no head start. */
  readonly udpBlockedUntilMs: number;
}

/** Where a client keeps what it has learned of networks: in this process by default, or wherever the application likes. */
export interface NetworkStore {
  /** What was set last. @param key the network's and the server's name, at most a few hundred characters. */
  get(key: string): NetworkNote | undefined | PromiseLike<NetworkNote | undefined>;
  /** Keeps a note, in place of the one before; undefined forgets it. */
  set(key: string, note: NetworkNote | undefined): unknown;
}

export function isNetworkStore(value: unknown): boolean {
  const { get, set } = (isObject(value) ? value : {}) as Partial<NetworkStore>;
  return isFunction(get) && isFunction(set);
}

/** Of how many servers and networks it is remembered. */
const maxNotes = 1_024;

/** Forgets with the process, and what was learned first when there is too much. */
export class MemoryNetworkStore implements NetworkStore {
  readonly #notes = new Map<string, NetworkNote>();

  get(key: string): NetworkNote | undefined {
    return this.#notes.get(key);
  }

  set(key: string, note: NetworkNote | undefined): void {
    this.#notes.delete(key);
    if (note === undefined) return;
    this.#notes.set(key, note);
    const [oldest] = this.#notes.keys();
    if (this.#notes.size > maxNotes) this.#notes.delete(oldest!);
  }
}

/** What all clients of this process learn, unless they are given a store. */
const sharedStore: NetworkStore = /* @__PURE__ */ new MemoryNetworkStore();

export interface NetworkMemoryOptions {
  /** That of this process by default. */
  readonly store?: NetworkStore | undefined;
  /** The name of the network that this machine is in; asked at every race. One for all by default. */
  readonly network?: (() => string) | undefined;
  /** How long it is remembered that UDP is blocked, in milliseconds. */
  readonly expiryMs: number;
  /** Told what the store, or `network`, throws: a race goes on without. */
  readonly report: (cause: unknown) => void;
  /** Milliseconds since 1970. */
  readonly wallClock?: () => number;
}

/**
 * Remembers where QUIC was waited for in vain, so that it is waited for once: until that expires it runs beside the other
 * transports from the start. Where it wins, all is forgotten; when it has expired, it gets its head start again.
 * ```
 * const noHeadStart = memory.blocksUdp(urls);
 * const result = await race(urls, { noHeadStart, … });
 * memory.learn(result, headStartMs);
 * ```
 */
export class NetworkMemory {
  readonly #options: Complete<NetworkMemoryOptions>;

  constructor({
    store = sharedStore,
    network = () => "",
    wallClock = Date.now,
    ...options
  }: NetworkMemoryOptions) {
    this.#options = { store, network, wallClock, ...options };
  }

  /** @param urls of a race. @returns whether the first is of QUIC, and got no answer here lately. Never rejects. */
  async blocksUdp([first]: readonly string[]): Promise<boolean> {
    if (first === undefined || !isQuic(first)) return false;
    const { store, wallClock, expiryMs, report } = this.#options;
    try {
      const note = await store.get(this.#key(first));
      const leftMs = untilMs(note) - wallClock();
      return leftMs > 0 && leftMs <= expiryMs; // more is no time that this clock has told
    } catch (cause) {
      report(cause);
      return false;
    }
  }

  /** A race is over. @param headStartMs what QUIC had, where it had any. Never rejects; not to be waited for. */
  async learn({ url, endedAtMs, entrants }: RaceResult<unknown>, headStartMs: number): Promise<void> {
    const { store, wallClock, expiryMs, report } = this.#options;
    try {
      if (isQuic(url)) {
        const key = this.#key(url);
        if ((await store.get(key)) !== undefined) await store.set(key, undefined);
        return;
      }
      const silent = entrants.find((entrant) => isSilent(entrant, endedAtMs, headStartMs));
      if (silent === undefined) return;
      await store.set(this.#key(silent.url), { udpBlockedUntilMs: wallClock() + expiryMs });
    } catch (cause) {
      report(cause);
    }
  }

  /** A server that does not speak QUIC is no network that blocks it: so each has its own. */
  #key(url: string): string {
    return `${this.#options.network()} ${url.split("/", 3).join("/")}`;
  }
}

/** Of QUIC, and without an answer in all the time that it was given ahead of who has won. */
function isSilent({ url, startedAtMs, error }: Entrant, endedAtMs: number, headStartMs: number): boolean {
  if (!isQuic(url) || startedAtMs === undefined) return false;
  const isUnanswered = error === undefined || error instanceof HandshakeTimeoutError;
  return isUnanswered && endedAtMs - startedAtMs > headStartMs;
}

function isQuic(url: string): boolean {
  return transportNameOf(url) === "quic";
}

/** What comes from a store is not trusted: anything else than a note is none. */
function untilMs(note: unknown): number {
  const until = isObject(note) ? (note as Partial<NetworkNote>).udpBlockedUntilMs : undefined;
  return typeof until === "number" ? until : Number.NEGATIVE_INFINITY;
}
