import type { GoAway } from "../delivery/goaway.js";
import { ConnectionClosedError, type MillraceError, SessionClosedError } from "../errors.js";
import { CloseCode, type CloseInfo, type CloseOptions } from "../transport/close.js";
import { type Attempt, Attempts } from "./attempt.js";
import { Backoff } from "./backoff.js";
import type { Carried, ClientState, LostSession } from "./carried.js";
import { pause } from "./clock.js";
import { Connector } from "./connector.js";
import { type DialEvents, type Dialled, earlyOf, routeOf } from "./dial.js";
import type { Extras } from "./extras.js";
import type { ClientHandlers } from "./handlers.js";
import type { SwitchCause } from "./journal.js";
import type { Movable, Moves } from "./moves.js";
import type { ReadClientOptions } from "./options.js";
import { loadWithin } from "./part.js";
import type { Platform } from "./platform.js";
import { Pulse } from "./pulse.js";
import { endOf, mayRetry, meaningOf, retryAfterOf } from "./retrying.js";
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
 * seeking begins again. What is not said of its members here is said of {@link Movable}'s.
 */
export class Reconnection implements Movable {
  readonly #session: Carried;
  readonly #handlers: ClientHandlers;
  readonly #options: ReadClientOptions;
  readonly #platform: Platform;
  readonly #connector: Connector;
  readonly #backoff: Backoff | undefined;
  /** Its heartbeats. */
  readonly pulse: Pulse;
  readonly #endNetworkWatch: (() => void) | undefined;
  #state: ClientState = "connecting";
  #dialled: Dialled | undefined = undefined;
  readonly #attempts: Attempts;
  /** What it takes to go over to another connection; in a page, undefined until that is asked for. */
  #moves: Moves | undefined = undefined;
  #waitingMoves = 0;
  /** What the server has asked for when it said that it stops. */
  #retryAfterMs = 0;
  #isClosing = false;
  #isOver = false;
  readonly #hello = () => this.#session.hello();
  /** What happens on its connections. */
  readonly #dialEvents: DialEvents = {
    take: (frame) => {
      this.pulse.heard(frame.kind);
      this.#session.take(frame);
      this.#moves?.look();
    },
    drain: () => this.#session.drain(),
    lose: (of, info) => this.#lose(of, info),
  };

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
    this.#attempts = new Attempts(options.signal);
    this.#connector = new Connector(urls, options, platform, {
      early: () => session.early(),
      report: (cause) => {
        if (handlers.hasErrorHandler) handlers.report(cause);
      },
      failed: (transport) => this.pulse.failed(transport),
      probed: (result) => handlers.call("probed", result),
    });
    const { reconnect } = options;
    if (reconnect !== undefined) {
      this.#backoff = new Backoff(reconnect, platform.clock);
      this.#endNetworkWatch = platform.watchNetwork?.(() => this.refresh());
    }
    this.pulse = new Pulse(platform.clock, () => session.totals);
    if (platform.extras.here !== undefined) this.#addMoves(platform.extras.here);
  }

  get state(): ClientState {
    return this.#state;
  }

  get urls(): readonly string[] {
    return this.#connector.urls;
  }

  get isQuiet(): boolean {
    return this.#session.isQuiet;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isEnding(): boolean {
    return this.#isOver || this.#isClosing;
  }

  get isBusy(): boolean {
    return this.#attempts.isTrying || this.#waitingMoves > 0;
  }

  get dialled(): Dialled | undefined {
    return this.#dialled;
  }

  /** Connects for the first time. @param begun as `Connector` has it. @throws why that has failed */
  async begin(begun: Promise<Dialled> | undefined): Promise<void> {
    this.#connector.begun = begun;
    const attempt = this.#attempts.begin();
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
  async switchTo(where: string, reason: SwitchCause = "asked"): Promise<boolean> {
    const moves = this.#moves ?? (await this.#loadMoves()); // and what is lost meanwhile comes back
    this.#waitingMoves += 1;
    try {
      return await moves.to(where, reason);
    } finally {
      this.#waitingMoves -= 1;
      this.comeBack();
    }
  }

  /** It stays until another is ready, and where the session has gone elsewhere while what that takes was loaded. */
  async #renew(from: Dialled): Promise<void> {
    const moves = this.#moves ?? (await this.#loadMoves().catch(() => undefined));
    if (moves === undefined || from !== this.#dialled || this.isBusy) return;
    await this.switchTo(from.url, "network").catch(() => {}); // which is left to the end of the connection
  }

  async #loadMoves(): Promise<Moves> {
    return this.#addMoves(await loadWithin(this.#platform.extras, this.#options.connectTimeoutMs));
  }

  #addMoves({ Moves }: Extras): Moves {
    const go = (target: string) => void this.switchTo(target, "goAway").catch(() => {});
    this.#moves ??= new Moves(this, this.#options, this.#platform, go);
    return this.#moves;
  }

  /** The server is about to stop. */
  async goAway({ target, retryAfterMs = 0 }: GoAway): Promise<void> {
    const dialled = this.#dialled;
    if (this.#backoff === undefined || dialled === undefined) return;
    this.#retryAfterMs = retryAfterMs;
    if (target === undefined || !isSameScheme(target, dialled.url)) return;
    this.#connector.home = target;
    const atMs = this.#platform.clock.now() + retryAfterMs;
    const moves = this.#moves ?? (await this.#loadMoves().catch(() => undefined));
    if (dialled === this.#dialled) moves?.plan(target, atMs);
  }

  /** The machine has woken, or has another network: what there is may be dead, and what was waited for is over. */
  refresh(): void {
    if (this.isEnding || this.#waitingMoves > 0 || this.#backoff === undefined) return;
    this.#backoff.reset();
    if (this.#dialled !== undefined) void this.#renew(this.#dialled);
    else if (this.#state === "reconnecting") {
      this.#attempts.callOff(new SessionClosedError("the network has changed"));
      this.#lookFor(0);
    }
  }

  close(options: CloseOptions): void {
    if (this.#isOver) return;
    this.#isClosing = true;
    const dialled = this.#dialled;
    const { code = CloseCode.normal, reason = "" } = options;
    if (dialled !== undefined) dialled.connection.close(options);
    this.#attempts.callOff(new SessionClosedError("the session was closed while it connected"));
    if (dialled === undefined) this.#over("disconnected", { by: "local", code, reason });
  }

  /** Ends the session on this side, against the application's wish. */
  fail(code: number, error: MillraceError): void {
    this.#dialled?.connection.close({ code, graceful: false });
    this.#over("failed", { by: "local", code, reason: error.message, error });
  }

  find(where: string): string {
    return this.#connector.find(where);
  }

  attempt(insteadOf: Error): Attempt {
    this.#attempts.callOff(insteadOf);
    if (this.#dialled === undefined) this.#state = "reconnecting";
    return this.#attempts.begin();
  }

  finish(attempt: Attempt): void {
    this.#attempts.finish(attempt);
  }

  /** Waits, tries, and tries again as long as that may help. @throws why it has given up, or was called off */
  async #seek(attempt: Attempt, firstDelayMs: number, again: boolean): Promise<void> {
    let delayMs: number | undefined = firstDelayMs;
    try {
      for (;;) {
        if (delayMs > 0) await pause(this.#platform.clock, delayMs, attempt.signal);
        try {
          const seeking = this.#connector.seek(this.#hello, attempt.signal);
          this.adopt(await this.#wanted(seeking, attempt), "lost");
          break;
        } catch (failure) {
          const cause = attempt.causeOf(failure);
          delayMs = again && mayRetry(cause) ? this.#backoff?.next(retryAfterOf(cause)) : undefined;
          if (delayMs === undefined) throw cause;
        }
      }
    } finally {
      this.#attempts.finish(attempt);
    }
    // A connection may end in the turn in which it is found.
    this.comeBack();
  }

  dial(urls: readonly string[], attempt: Attempt): Promise<Dialled> {
    return this.#wanted(this.#connector.connect(urls, this.#hello, attempt.signal), attempt);
  }

  /** @throws SessionClosedError where nobody wants a connection any more */
  async #wanted(dialling: Promise<Dialled>, attempt: Attempt): Promise<Dialled> {
    const dialled = await dialling;
    if (!this.isEnding && !attempt.signal.aborted) return dialled;
    dialled.connection.close({ graceful: false });
    throw new SessionClosedError("the session was closed while it connected");
  }

  adopt(dialled: Dialled, reason: SwitchCause): boolean {
    const before = this.#dialled;
    const isFirst = this.#state === "connecting";
    this.#release();
    this.#dialled = dialled;
    this.pulse.adopted(dialled);
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
    const { resumed } = dialled.welcome;
    const route = routeOf(dialled);
    const heartbeat = this.pulse.begin(dialled, route, reason);
    this.#moves?.arrived(dialled.url, heartbeat, dialled.connection);
    if (before === undefined) this.#handlers.call("connected", { ...route, resumed, ...earlyOf(dialled) });
    else this.#handlers.call("switched", routeOf(before), route, reason);
    if (lost !== undefined) this.#handlers.call("gap", lost);
    dialled.start(this.#dialEvents);
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
    this.pulse.lost(dialled);
    this.#session.pause();
    this.#moves?.lost();
    this.#state = this.#backoff === undefined && this.#waitingMoves === 0 ? "disconnected" : "reconnecting";
    this.#handlers.call("disconnected", info);
    this.comeBack(info);
  }

  /** @param info how the one before ended. */
  comeBack(info?: CloseInfo): void {
    if (this.#dialled !== undefined || this.isEnding || this.isBusy) return;
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
    const attempt = this.#attempts.begin();
    this.#seek(attempt, delayMs, true).catch((cause: unknown) => {
      const isOthers = cause instanceof SessionClosedError; // a move's, or the application's who closes
      if (!isOthers && this.#dialled === undefined) this.#over("failed", endOf(cause));
    });
  }

  /** Lets go of the connection. */
  #release(): void {
    this.#dialled = undefined;
    this.pulse.end();
    this.#moves?.left();
  }

  #over(state: "disconnected" | "failed", info: CloseInfo): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#state = state;
    this.#release();
    this.pulse.stop();
    this.#endNetworkWatch?.();
    this.#attempts.callOff(info.error ?? new SessionClosedError("the session is over"));
    this.#session.end(info);
  }
}
