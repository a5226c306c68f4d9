import type { Clock } from "../dispatch/clock.js";
import { SessionClosedError } from "../errors.js";
import type { TransportConnection } from "../transport/connection.js";
import type { Attempt } from "./attempt.js";
import type { Dialled } from "./dial.js";
import type { Heartbeat } from "./heartbeat.js";
import type { SwitchCause } from "./journal.js";
import { Leaving } from "./leaving.js";
import type { ReadClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import type { RouteWatch, Watched } from "./route_watch.js";
import type { Move } from "./switch_policy.js";

/** What keeps a session connected, as its moves see it. */
export interface Movable {
  /** Those that the session may be on, the most wanted first. */
  readonly urls: readonly string[];
  readonly dialled: Dialled | undefined;
  /** Whether nothing is on its way, either way, as far as this side knows. */
  readonly isQuiet: boolean;
  /** Whether the session is over, or closes. */
  readonly isEnding: boolean;
  /** Whether it connects, or a move waits for its turn. */
  readonly isBusy: boolean;
  /** @throws InvalidArgumentError where it is no URL, and means none */
  find(where: string): string;
  /** Begins to connect. @param insteadOf what goes on already is called off, and told this */
  attempt(insteadOf: Error): Attempt;
  /** @throws as `Connector.connect`; SessionClosedError where nobody wants a connection any more */
  dial(urls: readonly string[], attempt: Attempt): Promise<Dialled>;
  /** Goes on over a connection. @returns whether the session did, and the server has not begun another. */
  adopt(dialled: Dialled, reason: SwitchCause): boolean;
  /** An attempt has come to its end. */
  finish(attempt: Attempt): void;
  /** Looks for a connection, where there is none and nothing else does so already. */
  comeBack(): void;
}

/**
 * How a session goes over from the connection that it has to another: because the application asks, because its server
 * stops, or because another URL is better by now. Moves follow each other.
 */
export class Moves implements Watched {
  readonly #of: Movable;
  readonly #clock: Clock;
  readonly #leaving: Leaving;
  readonly #watch: RouteWatch | undefined;
  /** One that looks for a better connection than there is: of no use when that is lost. */
  #upgrade: Attempt | undefined = undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param go where a server that stops sends the session. */
  constructor(
    of: Movable,
    { autoSwitch }: ReadClientOptions,
    { clock, choice }: Platform,
    go: (target: string) => void,
  ) {
    this.#of = of;
    this.#clock = clock;
    this.#leaving = new Leaving(clock, () => of.isQuiet && of.dialled !== undefined, go);
    if (autoSwitch !== undefined) this.#watch = choice?.watch(autoSwitch, clock, this);
  }

  get urls(): readonly string[] {
    return this.#of.urls;
  }

  get isQuiet(): boolean {
    return this.#of.isQuiet;
  }

  /** See `ClientSession.switchTo`. */
  to(where: string, reason: SwitchCause): Promise<boolean> {
    const moved = this.#last.then(() => this.#move(where, reason));
    this.#last = moved.catch(() => {});
    return moved;
  }

  async #move(where: string, reason: SwitchCause): Promise<boolean> {
    const of = this.#of;
    if (of.isEnding) throw new SessionClosedError("the session is over; connect a new one");
    const url = of.find(where);
    const attempt = of.attempt(new SessionClosedError("a move has taken the place of this"));
    try {
      return of.adopt(await of.dial([url], attempt), reason);
    } catch (cause) {
      throw attempt.causeOf(cause);
    } finally {
      of.finish(attempt);
    }
  }

  /** See {@link Watched}: the connection stays as it is until another is ready, and where none is. */
  async shift(verdict: Move): Promise<void> {
    const of = this.#of;
    if (of.isBusy || of.isEnding) return;
    const { policy } = this.#watch!;
    const attempt = of.attempt(new SessionClosedError("a better connection is looked for"));
    this.#upgrade = verdict.kind === "upgrade" ? attempt : undefined;
    const beganAtMs = this.#clock.now();
    try {
      const dialled = await of.dial(verdict.urls, attempt);
      const isLost = of.dialled === undefined; // then any other is better
      if (isLost || policy.isWorth(verdict, this.#clock.now() - beganAtMs)) {
        policy.left(verdict, this.#clock.now());
        of.adopt(dialled, verdict.kind === "upgrade" ? "better" : verdict.reason);
      } else {
        dialled.connection.close({ graceful: false });
        policy.failed(verdict, this.#clock.now());
      }
    } catch {
      policy.failed(verdict, this.#clock.now()); // nothing has changed
    } finally {
      of.finish(attempt);
      of.comeBack();
    }
  }

  /** The session is on a connection. */
  arrived(url: string, heartbeat: Heartbeat, connection: TransportConnection): void {
    this.#watch?.begin(url, heartbeat, connection);
  }

  /** The server wants the session gone at that time. */
  plan(target: string, atMs: number): void {
    this.#leaving.plan(target, atMs);
  }

  /** Something has come, which may have been what was waited for. */
  look(): void {
    this.#leaving.look();
  }

  /** The session has left its connection. */
  left(): void {
    this.#watch?.end();
    this.#leaving.cancel();
  }

  /** Its connection was lost. */
  lost(): void {
    this.#upgrade?.callOff(new SessionClosedError("its connection was lost"));
  }
}
