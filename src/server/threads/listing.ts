import { ProtocolViolationError } from "../../errors.js";
import { readOptions } from "../../options/read.js";
import { integer, isFunction, object, option, optional, withDefault } from "../../options/schema.js";
import { type WaitOptions, waitOptions, within } from "../../transport/wait.js";
import type { SessionInfo } from "../session.js";
import { readCommand } from "./command.js";
import type { Elsewhere } from "./elsewhere.js";
import { PeerKind } from "./peer_kind.js";
import type { Peers } from "./peers.js";

/** Of which sessions figures are wanted. */
export interface ListFilter extends WaitOptions {
  /** 0, or what the last call returned. */
  readonly cursor?: number | undefined;
  /** How many slots of the table are looked at, 1..1,048,576; 1,000 by default. */
  readonly budget?: number | undefined;
  readonly clientId?: string | undefined;
  readonly transport?: string | undefined;
  /** Any other condition. */
  readonly where?: ((info: SessionInfo) => boolean) | undefined;
}

/** Figures of some of the sessions, and where to go on. */
export interface SessionList {
  readonly sessions: readonly SessionInfo[];
  /** For the next call; 0 when this was the last of a round. */
  readonly cursor: number;
}

/** Which sessions one environment is to tell of. */
export interface ListRange {
  readonly cursor: number;
  readonly budget: number;
  readonly clientId?: string | undefined;
  readonly transport?: string | undefined;
}

const text = optional(option<string>("text", (value) => typeof value === "string"));
const range = {
  cursor: withDefault(integer(0, 2 ** 20), 0),
  budget: withDefault(integer(1, 2 ** 20), 1_000),
  clientId: text,
  transport: text,
};
const rangeSchema = object(range);
const filterSchema = object({
  ...range,
  ...waitOptions,
  where: optional(option<(info: SessionInfo) => boolean>("a function", isFunction)),
} satisfies Record<keyof ListFilter, unknown>);

const ownFilterSchema = object({
  ...range,
  where: optional(option<(session: never) => boolean>("a function", isFunction)),
});

const defaultTimeoutMs = 5_000;
/** How many slots are asked about at once: what is known of so many sessions finds room on the way, whatever it is. */
const slotsPerQuestion = 4_096;

/** @throws InvalidArgumentError */
export function readRange(details: object): ListRange {
  return readOptions(rangeSchema, details);
}

/** Of which sessions of this environment something is wanted. @throws InvalidArgumentError */
export function readFilter<Where>(filter: object): ListRange & { readonly where?: Where | undefined } {
  const { where, ...read } = readOptions(ownFilterSchema, filter, "filter");
  return { ...read, where: where as Where | undefined };
}

/** A list that is being made. */
interface Gathering {
  readonly sessions: SessionInfo[];
  /** Who has not told all yet. */
  readonly waiting: Set<number>;
  done(): void;
}

/** Lists sessions of all environments: each tells of its own within the same slots of the table. */
export class Listing {
  readonly #peers: Peers;
  readonly #elsewhere: Elsewhere;
  readonly #gatherings = new Map<number, Gathering>();
  #lastId = 0;

  constructor(peers: Peers, elsewhere: Elsewhere) {
    this.#peers = peers;
    this.#elsewhere = elsewhere;
    peers.onPost(PeerKind.listed, (bytes, sender) => this.#onListed(bytes, sender));
    peers.onLeft((environment) => {
      for (const gathering of this.#gatherings.values()) this.#told(gathering, environment);
    });
  }

  /**
   * @param own what this environment has itself.
   * @throws InvalidArgumentError, AbortedError; TimeoutError where a thread does not tell in time.
   */
  async list(filter: ListFilter, own: (range: ListRange) => readonly SessionInfo[]): Promise<SessionList> {
    const { where, signal, timeoutMs = defaultTimeoutMs, ...range } = readOptions(filterSchema, filter);
    const { slotCount } = this.#peers.sessions.table;
    const next = range.cursor + range.budget;
    const end = Math.min(next, slotCount);
    const deadline = performance.now() + timeoutMs;
    const sessions: SessionInfo[] = [];
    for (let { cursor } = range; cursor < end; cursor += slotsPerQuestion) {
      const part = { ...range, cursor, budget: Math.min(slotsPerQuestion, end - cursor) };
      const wait = { signal, timeoutMs: Math.max(0, deadline - performance.now()) };
      for (const info of await this.#gather(part, own(part), wait)) {
        if (where === undefined || where(info)) sessions.push(info);
      }
    }
    return { sessions, cursor: next < slotCount ? next : 0 };
  }

  async #gather(
    range: ListRange,
    own: readonly SessionInfo[],
    wait: WaitOptions,
  ): Promise<readonly SessionInfo[]> {
    const { others } = this.#peers;
    if (others.length === 0) return own;
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const told = new Promise<readonly SessionInfo[]>((resolve) => {
      const sessions = [...own];
      this.#gatherings.set(id, { sessions, waiting: new Set(others), done: () => resolve(sessions) });
    });
    try {
      for (const environment of others) this.#elsewhere.order(environment, PeerKind.list, range, id);
      return await within(told, "a list of sessions", wait);
    } finally {
      this.#gatherings.delete(id);
    }
  }

  /** Nobody tells anything any more. */
  end(): void {
    for (const gathering of this.#gatherings.values()) gathering.done();
  }

  #onListed(bytes: Uint8Array, sender: number): void {
    const { id, details } = readCommand(bytes);
    const { sessions, last } = details;
    if (!Array.isArray(sessions) || !sessions.every(isInfo)) {
      throw new ProtocolViolationError("a list of sessions is none");
    }
    const gathering = this.#gatherings.get(id);
    if (gathering === undefined) return; // nobody waits for it any more
    gathering.sessions.push(...sessions);
    if (last === true) this.#told(gathering, sender);
  }

  #told(gathering: Gathering, environment: number): void {
    gathering.waiting.delete(environment);
    if (gathering.waiting.size === 0) gathering.done();
  }
}

function isInfo(value: unknown): value is SessionInfo {
  return typeof (value as SessionInfo | null)?.id === "string";
}
