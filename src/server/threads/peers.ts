import { randomBytes } from "node:crypto";
import {
  FrameMalformedError,
  InternalError,
  InvalidArgumentError,
  ProtocolViolationError,
} from "../../errors.js";
import type { SessionHandle } from "../../session/handle.js";
import { type InboxResult, Sessions, type SessionsBehaviour } from "../../session/sessions.js";
import { TABLE_MAX_ENVIRONMENTS } from "../../session/table_layout.js";
import { createEarlyClaims } from "./early_claims.js";
import type { Group } from "./group.js";
import { createHomes } from "./home_members.js";
import { createInterests } from "./interests.js";

/** Takes what another environment sent to this one. `bytes` are valid during the call, and another thread may write there. */
export type PostHandler = (bytes: Uint8Array, sender: number) => void;
/** The same, of what is for a session of this environment. */
export type SessionPostHandler = (handle: SessionHandle, bytes: Uint8Array, sender: number) => void;

/** What a handler throws where another thread wrote what it should not have. */
const wrongInput = [FrameMalformedError, ProtocolViolationError, InvalidArgumentError];

function newCounts(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(TABLE_MAX_ENVIRONMENTS * 4));
}

/**
 * An environment among those that share its sessions: what it posts to them, and who takes what comes of them. Each
 * part of a server that speaks with its like in other threads registers the kinds that it takes, in its constructor.
 */
export class Peers {
  readonly sessions: Sessions;
  /** What another thread needs to join. */
  readonly group: Group;
  readonly #posts = new Map<number, PostHandler>();
  readonly #sessionPosts = new Map<number, SessionPostHandler>();
  readonly #left: ((environment: number) => void)[] = [];
  readonly #drained: ((environment: number) => void)[] = [];
  #report: (cause: unknown) => void = (cause) => {
    throw cause;
  };
  #refused = 0;

  private constructor(
    enter: (behaviour: SessionsBehaviour) => Sessions,
    {
      resumeSecret = randomBytes(32),
      sessionCounts = newCounts(),
      homes = createHomes(),
      interests,
      earlyClaims,
      node,
    }: Partial<Group> = {},
  ) {
    this.sessions = enter({
      message: (handle, kind, bytes, sender) => {
        const handler = this.#sessionPosts.get(kind);
        this.#guard(handler && (() => handler(handle, bytes, sender)));
      },
      posted: (kind, bytes, sender) => {
        const handler = this.#posts.get(kind);
        this.#guard(handler && (() => handler(bytes, sender)));
      },
      drain: (environment) => this.#tell(this.#drained, environment),
      left: (environment) => this.#tell(this.#left, environment),
    });
    const { shared } = this.sessions;
    this.group = {
      ...{ sessions: shared, resumeSecret, sessionCounts, homes, node },
      interests: interests ?? createInterests(shared.maxEnvironments),
      earlyClaims: earlyClaims ?? createEarlyClaims(shared.maxEnvironments),
    };
    this.countSessions(0);
  }

  /**
   * The first of so many environments.
   * @param shared with other processes.
   * @throws InvalidArgumentError
   */
  static create(
    options: {
      readonly maxSessions: number;
      readonly maxEnvironments?: number;
      readonly inboxBytes?: number | undefined;
    },
    shared: Pick<Partial<Group>, "resumeSecret" | "node"> = {},
  ): Peers {
    return new Peers((behaviour) => Sessions.create({ maxEnvironments: 1, ...options }, behaviour), shared);
  }

  /** @throws ResourceExhaustedError where as many have joined as may. */
  static join(group: Group): Peers {
    return new Peers((behaviour) => Sessions.join(group.sessions, behaviour), group);
  }

  /** Of this environment. */
  get environment(): number {
    return this.sessions.environment;
  }

  /** Those that live and have a server, without this one. */
  get others(): readonly number[] {
    const { sessionCounts } = this.group;
    return this.sessions.environments.filter(
      (environment) => environment !== this.environment && Atomics.load(sessionCounts, environment) >= 0,
    );
  }

  /** Says how many sessions this environment has; -1: it has no server, and the others need not tell it anything. */
  countSessions(count: number): void {
    Atomics.store(this.group.sessionCounts, this.environment, count);
  }

  /** How many an environment has. */
  sessionsOf(environment: number): number {
    return Math.max(0, Atomics.load(this.group.sessionCounts, environment));
  }

  get sessionsOfOthers(): number {
    return this.others.reduce((sum, environment) => sum + this.sessionsOf(environment), 0);
  }

  /** What was of no kind that somebody here takes, or not as that is written. */
  get refused(): number {
    return this.#refused;
  }

  /** @param kind 1 to 65535: see `PeerKind`. */
  onPost(kind: number, handler: PostHandler): void {
    if (this.#posts.has(kind)) throw new InternalError(`posts of kind ${kind} have a handler already`);
    this.#posts.set(kind, handler);
  }

  onSessionPost(kind: number, handler: SessionPostHandler): void {
    if (this.#sessionPosts.has(kind))
      throw new InternalError(`posts to sessions of kind ${kind} have a handler already`);
    this.#sessionPosts.set(kind, handler);
  }

  /** Called within a second when an environment has ended; another may have its number by then. */
  onLeft(handler: (environment: number) => void): void {
    this.#left.push(handler);
  }

  /** The way to an environment has room again. */
  onDrain(handler: (environment: number) => void): void {
    this.#drained.push(handler);
  }

  /** Who is told what a handler throws; without, it ends the process as any exception does. */
  onFault(report: (cause: unknown) => void): void {
    this.#report = report;
  }

  /** To an environment. @throws InvalidArgumentError for more than half of an inbox */
  post(environment: number, kind: number, bytes: Uint8Array): InboxResult {
    return this.sessions.post(environment, kind, bytes);
  }

  /** To the environment that has a session. */
  sendTo(handle: SessionHandle, kind: number, bytes: Uint8Array): InboxResult {
    return this.sessions.sendTo(handle, kind, bytes);
  }

  close(): void {
    this.sessions.close();
  }

  #tell(handlers: readonly ((environment: number) => void)[], environment: number): void {
    for (const handler of handlers) this.#guard(() => handler(environment));
  }

  /** What another thread writes is checked as a stranger's: what is wrong with it is counted, and ends nothing. */
  #guard(handle: (() => void) | undefined): void {
    if (handle === undefined) {
      this.#refused += 1;
      return;
    }
    try {
      handle();
    } catch (cause) {
      if (wrongInput.some((each) => cause instanceof each)) this.#refused += 1;
      else this.#report(cause);
    }
  }
}
