import type { GoAway } from "../delivery/goaway.js";
import { ConnectionClosedError, type MillraceError, SessionClosedError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import { CloseCode, type CloseInfo, type CloseOptions } from "../transport/close.js";
import type { WaitOptions } from "../transport/wait.js";
import { Waiters } from "../transport/waiters.js";
import { Attempt } from "./attempt.js";
import { Backoff } from "./backoff.js";
import type { Connected } from "./behaviour.js";
import type { Carried, ClientState, LostSession, Route } from "./carried.js";
import { pause } from "./clock.js";
import { Connector } from "./connector.js";
import type { Dialled } from "./dial.js";
import type { ClientHandlers } from "./handlers.js";
import { Heartbeat } from "./heartbeat.js";
import type { SwitchCause } from "./journal.js";
import { Learning } from "./learning.js";
import { Leaving } from "./leaving.js";
import type { ReadClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { endOf, mayRetry, meaningOf, retryAfterOf } from "./retrying.js";
import type { RouteWatch, Watched } from "./route_watch.js";
import type { SessionCounts, SessionStatistics } from "./session_statistics.js";
import type { Move } from "./switch_policy.js";
import { isSameScheme } from "./urls.js";

/**
 * Keeps a session connected: it connects, and when the connection is lost it does so again, after a while that grows.
 *
 * ```text
 * connecting ──► connected ◄──► reconnecting ──► failed
 *                    └──► disconnected ◄──┘
 * ```
 * One thing goes on at a time, since each hello shows the token that the one before was given: a seeking that waits and
 * tries, or a move that the application or the server has asked for. A move calls a seeking off, and where it fails the
 * seeking begins again.
 */
export class Reconnection implements Watched {
  readonly #session: Carried;
  readonly #handlers: ClientHandlers;
  readonly #options: ReadClientOptions;
  readonly #platform: Platform;
  readonly #connector: Connector;
  readonly #backoff: Backoff | undefined;
  readonly #watch: RouteWatch | undefined;
  readonly #learning: Learning;
  readonly #leaving: Leaving;
  readonly #endNetworkWatch: (() => void) | undefined;
  #state: ClientState = "connecting";
  #dialled: Dialled | undefined = undefined;
  #heartbeat: Heartbeat | undefined = undefined;
  /** Pings on connections before. */
  #pings = 0;
  /** Who waits for the answer to a ping. */
  readonly #pongs = new Waiters();
  #attempt: Attempt | undefined = undefined;
  /** One that looks for a better connection than there is: of no use when that is lost. */
  #upgrade: Attempt | undefined = undefined;
  /** Moves follow each other. */
  #moves: Promise<unknown> = Promise.resolve();
  #waitingMoves = 0;
  /** What the server has asked for when it said that it stops. */
  #retryAfterMs = 0;
  #isClosing = false;
  #isOver = false;
  readonly #hello = () => this.#session.hello();

  constructor(
    urls: readonly string[],
    options: ReadClientOptions,
    platform: Platform,
    session: Carried,
    handlers: ClientHandlers,
  ) {
    this.#options = options;
    this.#platform = platform;
    this.#session = session;
    this.#handlers = handlers;
    this.#connector = new Connector(urls, options, platform, {
      take: (frame) => {
        this.#heartbeat?.heard(frame.kind);
        if (frame.kind === Kind.Pong) this.#pongs.wake();
        this.#session.take(frame);
        this.#leaving.look();
      },
      drain: () => this.#session.drain(),
      lose: (of, info) => this.#lose(of, info),
      early: () => session.early(),
      report: (cause) => {
        if (handlers.hasErrorHandler) handlers.report(cause);
      },
      failed: (transport) => this.#learning.tell(({ journal }) => journal.failed(transport)),
      probed: (result) => handlers.call("probed", result),
    });
    const { reconnect, autoSwitch } = options;
    const { clock } = platform;
    if (reconnect !== undefined) this.#backoff = new Backoff(reconnect, clock);
    // Where that fails, it is left to the end of the connection.
    const go = (target: string) => void this.switchTo(target, "goAway").catch(() => {});
    this.#leaving = new Leaving(clock, () => session.isQuiet && this.#dialled !== undefined, go);
    if (reconnect !== undefined) this.#endNetworkWatch = platform.watchNetwork?.(() => this.refresh());
    this.#learning = new Learning(platform.experience, clock, () => session.totals);
    if (autoSwitch !== undefined) this.#watch = platform.choice?.watch(autoSwitch, clock, this);
  }

  get state(): ClientState {
    return this.#state;
  }

  /** See {@link Watched}. */
  get urls(): readonly string[] {
    return this.#connector.urls;
  }

  /** See {@link Watched}. */
  get isQuiet(): boolean {
    return this.#session.isQuiet;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get dialled(): Dialled | undefined {
    return this.#dialled;
  }

  /** See `ClientSession.statistics`. */
  async statistics(counts: SessionCounts): Promise<SessionStatistics> {
    const experience = await this.#learning.experience();
    const pings = this.#pings + (this.#heartbeat?.pings ?? 0);
    return experience.statistics(counts, pings, this.#heartbeat?.roundTripMs, () => this.#learning.now());
  }

  /** Connects for the first time. @throws why that has failed */
  async begin(): Promise<void> {
    const attempt = this.#begin();
    try {
      await this.#seek(attempt, 0, this.#options.reconnect?.initial === true);
    } catch (cause) {
      this.#isOver = true;
      this.#state = "failed";
      this.#endNetworkWatch?.();
      throw cause;
    }
  }

  /** See `ClientSession.switchTo`. */
  switchTo(where: string, reason: SwitchCause = "asked"): Promise<boolean> {
    this.#waitingMoves += 1;
    const moved = this.#moves.then(() => this.#move(where, reason));
    this.#moves = moved.then(
      () => {},
      () => {},
    );
    return moved;
  }

  /** The server is about to stop. */
  goAway({ target, retryAfterMs = 0 }: GoAway): void {
    const dialled = this.#dialled;
    if (this.#backoff === undefined || dialled === undefined) return;
    this.#retryAfterMs = retryAfterMs;
    if (target === undefined || !isSameScheme(target, dialled.url)) return;
    this.#connector.home = target;
    this.#leaving.plan(target, retryAfterMs);
  }

  /** The machine has woken, or has another network: what there is may be dead, and what was waited for is over. */
  refresh(): void {
    if (this.#isOver || this.#isClosing || this.#waitingMoves > 0 || this.#backoff === undefined) return;
    this.#backoff.reset();
    if (this.#dialled !== undefined) {
      // It stays until another is ready.
      if (this.#attempt === undefined) this.switchTo(this.#dialled.url, "network").catch(() => {});
    } else if (this.#state === "reconnecting") {
      this.#attempt?.callOff(new SessionClosedError("the network has changed"));
      this.#lookFor(0);
    }
  }

  /** See `ClientSession.ping`. */
  async ping(wait: WaitOptions): Promise<number> {
    const { clock } = this.#platform;
    const beganAtMs = clock.now();
    const answered = this.#pongs.wait("the answer to a ping", wait);
    this.#heartbeat?.ping();
    await answered;
    if (this.#isOver) throw new SessionClosedError("the session ended before its server answered a ping");
    return clock.now() - beganAtMs;
  }

  /** See `ClientSession.abandon`. */
  abandon(): void {
    this.#dialled?.connection.close({ code: CloseCode.goingAway, graceful: false });
  }

  close(options: CloseOptions): void {
    if (this.#isOver) return;
    this.#isClosing = true;
    const dialled = this.#dialled;
    const ended = new SessionClosedError("the session was closed while it connected");
    const { code = CloseCode.normal, reason = "" } = options;
    if (dialled !== undefined) dialled.connection.close(options);
    this.#attempt?.callOff(ended);
    if (dialled === undefined) this.#over("disconnected", { by: "local", code, reason });
  }

  /** Ends the session on this side, against the application's wish. */
  fail(code: number, error: MillraceError): void {
    this.#dialled?.connection.close({ code, graceful: false });
    this.#over("failed", { by: "local", code, reason: error.message, error });
  }

  #begin(): Attempt {
    const attempt = new Attempt(this.#options.signal);
    this.#attempt = attempt;
    return attempt;
  }

  #finish(attempt: Attempt): void {
    attempt.end();
    if (this.#attempt === attempt) this.#attempt = undefined;
  }

  /** Waits, tries, and tries again as long as that may help. @throws why it has given up, or was called off */
  async #seek(attempt: Attempt, firstDelayMs: number, again: boolean): Promise<void> {
    let delayMs: number | undefined = firstDelayMs;
    try {
      for (;;) {
        if (delayMs > 0) await pause(this.#platform.clock, delayMs, attempt.signal);
        try {
          const seeking = this.#connector.seek(this.#hello, attempt.signal);
          this.#adopt(await this.#wanted(seeking, attempt), "lost");
          break;
        } catch (failure) {
          const cause = attempt.causeOf(failure);
          delayMs = again && mayRetry(cause) ? this.#backoff?.next(retryAfterOf(cause)) : undefined;
          if (delayMs === undefined) throw cause;
        }
      }
    } finally {
      this.#finish(attempt);
    }
    // A connection may end in the turn in which it is found.
    if (this.#dialled === undefined) this.#comeBack();
  }

  async #move(where: string, reason: SwitchCause): Promise<boolean> {
    try {
      if (this.#isOver || this.#isClosing) {
        throw new SessionClosedError("the session is over; connect a new one");
      }
      const url = this.#connector.find(where);
      this.#attempt?.callOff(new SessionClosedError("a move has taken the place of this"));
      const attempt = this.#begin();
      if (this.#dialled === undefined) this.#state = "reconnecting";
      try {
        return this.#adopt(await this.#dial([url], attempt), reason);
      } catch (cause) {
        throw attempt.causeOf(cause);
      } finally {
        this.#finish(attempt);
      }
    } finally {
      this.#waitingMoves -= 1;
      if (this.#waitingMoves === 0 && this.#dialled === undefined) this.#comeBack();
    }
  }

  /** See {@link Watched}: the connection stays as it is until another is ready, and where none is. */
  async shift(verdict: Move): Promise<void> {
    if (this.#attempt !== undefined || this.#waitingMoves > 0 || this.#isClosing) return;
    const { clock } = this.#platform;
    const policy = this.#watch!.policy;
    const attempt = this.#begin();
    this.#upgrade = verdict.kind === "upgrade" ? attempt : undefined;
    const beganAtMs = clock.now();
    try {
      const dialled = await this.#dial(verdict.urls, attempt);
      const isLost = this.#dialled === undefined; // then any other is better
      if (isLost || policy.isWorth(verdict, clock.now() - beganAtMs)) {
        policy.left(verdict, clock.now());
        this.#adopt(dialled, verdict.kind === "upgrade" ? "better" : verdict.reason);
      } else {
        dialled.connection.close({ graceful: false });
        policy.failed(verdict, clock.now());
      }
    } catch {
      policy.failed(verdict, clock.now()); // nothing has changed
    } finally {
      this.#finish(attempt);
      if (this.#dialled === undefined) this.#comeBack();
    }
  }

  #dial(urls: readonly string[], attempt: Attempt): Promise<Dialled> {
    return this.#wanted(this.#connector.connect(urls, this.#hello, attempt.signal), attempt);
  }

  /** @throws SessionClosedError where nobody wants a connection any more */
  async #wanted(dialling: Promise<Dialled>, attempt: Attempt): Promise<Dialled> {
    const dialled = await dialling;
    if (!this.#isOver && !this.#isClosing && !attempt.signal.aborted) return dialled;
    dialled.connection.close({ graceful: false });
    throw new SessionClosedError("the session was closed while it connected");
  }

  /** @returns whether the session went on, and the server has not begun another. */
  #adopt(dialled: Dialled, reason: SwitchCause): boolean {
    const before = this.#dialled;
    const isFirst = this.#state === "connecting";
    this.#release();
    this.#dialled = dialled;
    this.#learning.tell(({ journal }, now) => journal.begin(dialled.connection, now));
    before?.connection.close({ code: CloseCode.superseded, graceful: false });
    let lost: LostSession | undefined;
    try {
      lost = this.#session.carryOn(dialled);
    } catch (cause) {
      dialled.connection.close({ code: CloseCode.protocolViolation, graceful: false });
      if (!isFirst) this.#fall(before, cause);
      throw cause;
    }
    this.#state = "connected";
    this.#backoff?.connected();
    this.#connector.connected(dialled.url);
    this.#retryAfterMs = 0;
    this.#heartbeat = new Heartbeat(dialled, this.#platform.clock, this.#learning);
    this.#watch?.begin(dialled.url, this.#heartbeat, dialled.connection);
    if (!this.#pongs.isEmpty) this.#heartbeat.ping();
    const { resumed } = dialled.welcome;
    const route = routeOf(dialled);
    this.#learning.tell(({ journal }, now) => journal.arrived(route, reason, now));
    this.#learning.begin();
    if (before === undefined) this.#handlers.call("connected", { ...route, resumed, ...earlyOf(dialled) });
    else this.#handlers.call("switched", routeOf(before), route, reason);
    if (lost !== undefined) this.#handlers.call("gap", lost);
    dialled.start();
    return resumed;
  }

  /** The session could not go on over a connection: it ended meanwhile, or the two sides do not agree. */
  #fall(before: Dialled | undefined, cause: unknown): void {
    const isLost = cause instanceof ConnectionClosedError;
    if (before !== undefined && isLost) this.#lose(this.#dialled!, endOf(cause));
    else if (isLost) {
      this.#release();
      this.#session.pause();
    } else this.#over("failed", endOf(cause));
  }

  #lose(dialled: Dialled, info: CloseInfo): void {
    if (dialled !== this.#dialled || this.#isOver) return;
    this.#release();
    const meaning = this.#isClosing ? "ended" : meaningOf(info);
    if (meaning !== "lost") {
      this.#over(meaning === "failed" ? "failed" : "disconnected", info);
      return;
    }
    this.#learning.tell(({ journal }) => journal.lost(dialled.connection.transport));
    this.#session.pause();
    this.#upgrade?.callOff(new SessionClosedError("its connection was lost"));
    this.#state = this.#backoff === undefined && this.#waitingMoves === 0 ? "disconnected" : "reconnecting";
    this.#handlers.call("disconnected", info);
    this.#comeBack(info);
  }

  /** Looks for another connection, where nothing else does so already. */
  #comeBack(info?: CloseInfo): void {
    if (this.#isOver || this.#isClosing || this.#attempt !== undefined || this.#waitingMoves > 0) return;
    if (this.#backoff === undefined) {
      this.#state = "disconnected";
      return;
    }
    this.#state = "reconnecting";
    const delayMs = this.#backoff.next(this.#retryAfterMs);
    this.#retryAfterMs = 0;
    if (delayMs === undefined) {
      this.#over(
        "failed",
        info ?? { by: "transport", code: CloseCode.goingAway, reason: "no more attempts" },
      );
      return;
    }
    this.#lookFor(delayMs);
  }

  #lookFor(delayMs: number): void {
    const attempt = this.#begin();
    this.#seek(attempt, delayMs, true).catch((cause: unknown) => {
      const isOthers = cause instanceof SessionClosedError; // a move's, or the application's who closes
      if (!isOthers && this.#dialled === undefined) this.#over("failed", endOf(cause));
    });
  }

  /** Lets go of the connection. */
  #release(): void {
    this.#dialled = undefined;
    const roundTripMs = this.#heartbeat?.roundTripMs;
    this.#learning.tell(({ journal }, now) => journal.end(roundTripMs, now));
    this.#pings += this.#heartbeat?.pings ?? 0;
    this.#heartbeat?.end();
    this.#heartbeat = undefined;
    this.#watch?.end();
    this.#leaving.cancel();
  }

  #over(state: "disconnected" | "failed", info: CloseInfo): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#state = state;
    this.#release();
    this.#pongs.wake();
    this.#endNetworkWatch?.();
    this.#attempt?.callOff(info.error ?? new SessionClosedError("the session is over"));
    this.#session.end(info);
  }
}

function earlyOf({ connection: { earlyDataAccepted } }: Dialled): Pick<Connected, "earlyDataAccepted"> {
  return earlyDataAccepted === undefined ? {} : { earlyDataAccepted };
}

function routeOf({ connection, url }: Dialled): Route {
  return { transport: connection.transport, url };
}
