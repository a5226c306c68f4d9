import type { Clock } from "../dispatch/clock.js";
import { ConnectionLostError, SessionClosedError } from "../errors.js";
import { Attempt } from "./attempt.js";
import type { Backoff } from "./backoff.js";
import { pause } from "./clock.js";
import type { Lease, Pool, ReadPoolOptions } from "./pool.js";
import { Member } from "./pool_member.js";
import type { ClientSession } from "./session.js";

/** What a pool needs to make its sessions. */
export interface PoolTools {
  /** Connects another session; until it has ended, the signal gives it up. */
  readonly connect: (signal: AbortSignal) => Promise<ClientSession>;
  /** When a place that could not be filled is tried again. */
  readonly backoff: () => Backoff;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** A place for one session. */
interface Place {
  member: Member | undefined;
  /** Another is looked for, since there is none, or that one does not answer. */
  seeking: Attempt | undefined;
}

/** A {@link Pool}. */
export class SessionPool implements Pool {
  readonly #options: ReadPoolOptions;
  readonly #tools: PoolTools;
  readonly #places: readonly Place[];
  /** Sessions that were replaced, and have something to do still. */
  readonly #retired = new Set<Member>();
  #picks = 0;
  #replaced = 0;
  #isClosed = false;
  #cancelCheck: () => void = () => {};

  constructor(options: ReadPoolOptions, tools: PoolTools) {
    this.#options = options;
    this.#tools = tools;
    this.#places = Array.from({ length: options.size }, () => ({ member: undefined, seeking: undefined }));
  }

  /** Resolves when a first session is there; the others follow. @throws why there is none, where all have failed */
  async begin(): Promise<void> {
    const tries = this.#places.map((place) => this.#fill(place, new Attempt(this.#tools.signal)));
    try {
      await Promise.any(tries);
    } catch (cause) {
      await this.close();
      throw (cause as AggregateError).errors[0];
    }
    for (const [i, place] of this.#places.entries()) tries[i]!.catch(() => this.#seek(place));
    this.#checkLater();
  }

  get members(): readonly Member[] {
    return this.#places.flatMap(({ member }) => member ?? []);
  }

  get replaced(): number {
    return this.#replaced;
  }

  request: Pool["request"] = (async (...asked: Parameters<ClientSession["request"]>) =>
    this.#pick().during((session) => session.request(...asked))) as Pool["request"];

  sendAcked: Pool["sendAcked"] = async (...message) =>
    this.#pick().during((session) => session.sendAcked(...message));

  send: Pool["send"] = (...message) => this.#pick().session.send(...message);

  lease(): Lease {
    let member: Member | undefined = this.#pick();
    member.load += 1;
    const current = () => {
      if (member === undefined) throw new SessionClosedError("the lease was given back");
      if (this.#isClosed || !member.isOver) return member;
      member.release();
      member = this.#pick();
      member.load += 1;
      return member;
    };
    return {
      get session() {
        return current().session;
      },
      release: () => {
        member?.release();
        member = undefined;
      },
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelCheck();
    const ended = new SessionClosedError("the pool was closed");
    for (const { seeking } of this.#places) seeking?.callOff(ended);
    await Promise.all([...this.members, ...this.#retired].map(({ session }) => session.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The one with the least to do, of those that are well, where any is. @throws SessionClosedError, ConnectionLostError */
  #pick(): Member {
    if (this.#isClosed) throw new SessionClosedError("the pool is closed");
    let best: Member | undefined;
    for (const { member } of this.#places) {
      if (member !== undefined && (best === undefined || member.isBefore(best))) best = member;
    }
    if (best === undefined) throw new ConnectionLostError("the pool has no session now, and looks for some");
    this.#picks += 1;
    best.lastPick = this.#picks;
    return best;
  }

  /** Puts a new session in a place. @throws why it could not be connected */
  async #fill(place: Place, attempt: Attempt): Promise<void> {
    const session = await this.#tools.connect(attempt.signal);
    if (this.#isClosed || attempt.signal.aborted) {
      await session.close();
      return;
    }
    const member = new Member(session);
    const before = place.member;
    place.member = member;
    if (before !== undefined) this.#retire(before);
    void session.closed.then(() => {
      attempt.end();
      if (place.member !== member) return;
      place.member = undefined;
      this.#seek(place);
    });
  }

  #retire(member: Member): void {
    this.#retired.add(member);
    void member.session.closed.then(() => this.#retired.delete(member));
    member.retire();
  }

  /** Looks for another session, as long as it takes. */
  #seek(place: Place): void {
    if (this.#isClosed || place.seeking !== undefined) return;
    const attempt = new Attempt(this.#tools.signal);
    place.seeking = attempt;
    const backoff = this.#tools.backoff();
    const seek = async () => {
      for (let delayMs: number | undefined = 0; delayMs !== undefined; delayMs = backoff.next()) {
        await pause(this.#tools.clock, delayMs, attempt.signal);
        try {
          await this.#fill(place, attempt);
          this.#replaced += 1;
          return;
        } catch {
          // The next try may be luckier; where there is none, the next check begins anew.
        }
      }
    };
    void seek()
      .catch(() => {}) // it was called off
      .finally(() => {
        place.seeking = undefined;
      });
  }

  #checkLater(): void {
    const { clock } = this.#tools;
    this.#cancelCheck = clock.at(clock.now() + this.#options.healthCheckMs, () => {
      this.#checkLater();
      for (const place of this.#places) void this.#check(place);
    });
  }

  async #check(place: Place): Promise<void> {
    const { member } = place;
    if (member === undefined) {
      this.#seek(place);
      return;
    }
    const answers = await member.check(this.#options.healthTimeoutMs);
    if (place.member !== member || member.isOver) return;
    if (!answers) this.#seek(place);
    else place.seeking?.callOff(new SessionClosedError("the session that it was to replace has answered"));
  }
}
