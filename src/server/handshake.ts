import { checkClientId } from "../delivery/client_id.js";
import { checkCommit } from "../delivery/commit.js";
import { commonCompression, type SessionCompression } from "../delivery/compression.js";
import { contentsOf } from "../delivery/contents.js";
import { type Cursors, noCursors } from "../delivery/cursors.js";
import { type Hello, readHello } from "../delivery/hello.js";
import { noEntries } from "../delivery/meta.js";
import { encodeReject, RejectCode } from "../delivery/reject.js";
import { sessionVersion } from "../delivery/terms.js";
import type { Welcome } from "../delivery/welcome.js";
import { ProtocolViolationError, SessionTableFullError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { takeOther } from "../frame/frame_behaviour.js";
import { sendFrame } from "../frame/unit.js";
import type { SessionHandle } from "../session/handle.js";
import { isThenable } from "../transport/asynchronous.js";
import { CloseCode } from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import { Arrival, ArrivingHello } from "./arriving.js";
import type { AuthenticateContext, ClientHello } from "./behaviour.js";
import type { ServerCore } from "./core.js";
import { EarlyFrames } from "./early_frames.js";
import { EarlyTalk } from "./early_talk.js";
import { comeAgainMs, Refusal, refuse, refuseFault, refuseFull } from "./refusal.js";
import { ServerSession } from "./server_session.js";
import type { SessionEnd } from "./session.js";
import { newSessionId } from "./session_id.js";
import { readTopicPlaces, type TopicPlaces } from "./topic_terms.js";

/** What a welcome promised, and the commit makes true. */
interface Promised<Data> {
  readonly session: ServerSession<Data>;
  readonly resumed: boolean;
  readonly data: Data;
  readonly hello: Hello;
  /** Of the token that the client showed; 0 where it begins. */
  readonly shown: number;
  /** See {@link ServerSession.welcomed}; 0 where it begins. */
  readonly order: number;
  /** Of the token that the client was given. */
  readonly counter: number;
  readonly compression: SessionCompression | undefined;
}

/** How long a refusal may take to reach a client before its connection is cut. */
const refusalDeadlineMs = 1_000;
/** How a client that was welcomed is refused; by goingAway for other reasons. */
const lateCodes: ReadonlyMap<number, number> = new Map([
  [RejectCode.full, CloseCode.exhausted],
  [RejectCode.clientIdTaken, CloseCode.policy],
  [RejectCode.internal, CloseCode.internal],
]);
const pong = contentsOf(Kind.Pong, {});

/** A connection that is nobody's yet: from its opening to the client's commit. */
export class Handshake<Data> {
  readonly #core: ServerCore<Data>;
  readonly transport: TransportConnection;
  /** Of the session, once that has begun; undefined where there are none. */
  early: EarlyFrames | undefined = undefined;
  #phase: "hello" | "relayed" | "authenticating" | "welcomed" | "over" = "hello";
  /** Goes on when the transport's handshake is complete. */
  #held: (() => void) | undefined = undefined;
  #arrival: Arrival | undefined = undefined;
  #promised: Promised<Data> | undefined = undefined;
  /** Who was let in by the application, until it is known what comes of that. */
  #letIn: { readonly hello: ClientHello; readonly context: AuthenticateContext } | undefined = undefined;
  /** Undefined where the client has said nothing with its Hello. */
  #talk: EarlyTalk<Data> | undefined = undefined;
  /** What the client has of topics. */
  #places: TopicPlaces | undefined = undefined;

  constructor(core: ServerCore<Data>, transport: TransportConnection) {
    this.#core = core;
    this.transport = transport;
  }

  /**
   * @param unit the frame as the transport has it.
   * @throws ProtocolViolationError, FrameMalformedError
   */
  take(frame: Readonly<FrameContents>, unit: Uint8Array): void {
    if (frame.kind === Kind.Hello && this.#phase === "hello") {
      this.#onHello(readHello(frame), unit);
    } else if (frame.kind === Kind.Commit && this.#phase === "welcomed") {
      checkCommit(frame);
      if (this.transport.isEarly) throw new ProtocolViolationError("a Commit may not be early data");
      this.#onCommit();
    } else if (this.#phase === "welcomed" && EarlyFrames.mayBe(frame)) {
      this.early ??= new EarlyFrames();
      this.early.keep(frame, unit, this.#core.half.inbound);
    } else if (
      frame.kind === Kind.Ping &&
      this.#phase === "welcomed" &&
      this.transport.control === undefined
    ) {
      // Who compares transports begins no session, and asks how long an answer takes.
      sendFrame(this.transport, this.#core.codecOf(this.transport), pong);
    } else if (frame.kind >= Kind.Hello && frame.kind <= Kind.Response) {
      if (this.#phase === "over") return; // it had not heard yet that it is refused
      throw new ProtocolViolationError(
        `a frame of kind ${frame.kind} may not come before the session has begun`,
      );
    } else {
      takeOther(this.transport, frame);
    }
  }

  /** The transport's handshake is complete: what came before was no copy. */
  confirm(): void {
    this.#arrival?.confirm();
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    this.transport.resume();
    held();
  }

  /** The connection is gone, or its time is over: nothing was promised that is kept. */
  end(): void {
    this.#phase = "over";
    this.#held = undefined;
    this.#core.handshakes.delete(this);
    this.#arrival?.abort();
    const promised = this.#promised;
    this.#promised = undefined;
    if (promised !== undefined && !promised.resumed) this.#core.sessions.release(promised.session.handle);
  }

  /** Has not shown who it is in its time, or not begun what it was welcomed to: its Commit may be on its way. */
  expire(): void {
    const refusal = refuse("no session was begun in time", {
      code: RejectCode.timeout,
      retryAfterMs: comeAgainMs,
    });
    if (this.#phase !== "welcomed") this.#reject(refusal);
    else {
      this.end();
      this.#refuseLate(refusal);
    }
  }

  /** Ends it with a refusal, unless it has ended. */
  #reject(refusal: Refusal): void {
    const { code, reason, retryAfterMs, target } = refusal;
    if (this.#phase === "over") return;
    this.end();
    this.#settled(refusal);
    this.#core.counters.rejected += 1;
    const { transport } = this;
    if (transport.state !== "open") return;
    sendFrame(transport, this.#core.codecOf(transport), encodeReject({ code, reason, retryAfterMs, target }));
    transport.close({ code: CloseCode.unauthenticated, reason: "refused", deadlineMs: refusalDeadlineMs });
  }

  #onHello(hello: Hello, unit: Uint8Array): void {
    if (hello.version !== sessionVersion) {
      this.#reject(refuse(`version ${hello.version} is not spoken here`, { code: RejectCode.version }));
      return;
    }
    this.#places = readTopicPlaces(hello.resumption?.places);
    this.#talk = EarlyTalk.of(this.#core, this.transport, hello);
    if (this.transport.isEarly) {
      if (this.#core.isElsewhere(this.transport, hello)) {
        // Who judges it there could not tell that it is early.
        const kept = new Uint8Array(unit);
        this.transport.pause();
        this.#held = () => this.#onHello(hello, kept);
        return;
      }
      this.#core.counters.early += 1;
    }
    const refusal = this.#core.nodes.refusalOf(hello, this.transport);
    if (refusal !== undefined) {
      this.#reject(refusal);
      return;
    }
    const relay = this.#core.relay(this, hello, unit);
    if (relay !== undefined) {
      this.#phase = "relayed"; // until the session's owner answers, its time runs here
      this.transport.owner = relay;
      return;
    }
    this.#phase = "authenticating";
    const context = new Arrival(this.transport, hello);
    this.#arrival = context;
    const said = new ArrivingHello(hello);
    let judged: Data | Refusal | PromiseLike<Data | Refusal>;
    try {
      judged = this.#core.authenticate(said, context);
    } catch (cause) {
      if (this.#phase === "authenticating") this.#fail(cause);
      return;
    }
    if (!isThenable(judged)) {
      this.#settle(hello, said, context, judged);
      return;
    }
    // Who goes meanwhile costs what authenticates it all the same, until that is done.
    this.#core.unsettled += 1;
    judged.then(
      (data) => {
        this.#core.unsettled -= 1;
        this.#settle(hello, said, context, data);
      },
      (cause) => {
        this.#core.unsettled -= 1;
        if (this.#phase === "authenticating") this.#fail(cause);
      },
    );
  }

  #settle(hello: Hello, said: ClientHello, context: AuthenticateContext, judged: Data | Refusal): void {
    if (this.#phase !== "authenticating") return; // its time is over, or it is gone
    if (!(judged instanceof Refusal)) this.#letIn = { hello: said, context };
    try {
      if (this.transport.state === "open") this.#onJudged(hello, context, judged);
      else this.end();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** The application could not tell: the client learns no more than that, and may come when it can. */
  #fail(cause: unknown): void {
    this.#reject(refuseFault());
    this.#core.handlers.report(undefined, cause);
  }

  /** @throws InvalidArgumentError where the application has given a client id that is none. */
  #onJudged(hello: Hello, context: AuthenticateContext, judged: Data | Refusal): void {
    const clientId = checkClientId(context.clientId);
    if (judged instanceof Refusal) {
      this.#reject(judged);
      return;
    }
    const old = this.#core.resumable(hello, clientId);
    if (old !== undefined) {
      const { session, shown } = old;
      this.#welcome({
        session,
        resumed: true,
        data: judged,
        hello,
        shown,
        order: session.welcomed(),
        counter: session.tokenCounter + 1,
      });
      return;
    }
    const refusal = this.#core.admission.refuses(this.transport.remoteAddress.address, clientId);
    if (refusal !== undefined) {
      this.#reject(refusal);
      return;
    }
    let handle: SessionHandle;
    try {
      handle = this.#core.sessions.allocate();
    } catch (cause) {
      if (!(cause instanceof SessionTableFullError)) throw cause;
      this.#reject(refuseFull("there are as many sessions as may be"));
      return;
    }
    const id = newSessionId();
    const session = new ServerSession<Data>(this.#core, { handle, id, clientId, data: judged });
    this.#welcome({ session, resumed: false, data: judged, hello, shown: 0, order: 0, counter: 1 });
  }

  #welcome(promise: Omit<Promised<Data>, "compression">): void {
    const { session, resumed, hello, counter } = promise;
    const core = this.#core;
    const { transport } = this;
    const compression = commonCompression(core.options.compression, hello.compressions);
    this.#promised = { ...promise, compression };
    this.#phase = "welcomed";
    this.#talk?.answer(this.#promised);
    const cursors: Cursors = resumed ? session.inbound.cursors() : noCursors;
    const { windowBytes, maxMessageBytes } = core.options;
    const heartbeatMs = core.heartbeatFor(hello.heartbeatMs);
    const { idBytes, clientId } = session;
    const welcome: Welcome = {
      version: sessionVersion,
      session: idBytes,
      resume: core.mint(idBytes, clientId, counter),
      resumed,
      cursors,
      heartbeatMs,
      windowBytes,
      maxMessageBytes,
      compression: compression?.id,
      clientId,
      meta: noEntries,
      answersEarly: true,
    };
    core.welcomes.send(transport, core.codecOf(transport), welcome);
  }

  #onCommit(): void {
    const { session, resumed, data, hello, shown, order, counter, compression } = this.#promised!;
    this.#phase = "over";
    this.#promised = undefined;
    this.#core.handshakes.delete(this);
    const heartbeat = hello.heartbeatMs !== undefined;
    const { windowBytes, maxMessageBytes } = hello;
    const cursors = resumed ? hello.resumption!.cursors : noCursors; // of another session than a new one
    const terms = { windowBytes, maxMessageBytes, cursors, heartbeat, counter, compression };
    if (resumed) {
      if (session.resume(this.transport, { ...terms, shown, order, places: this.#places! }, data)) {
        this.#talk?.begun();
        this.#settled(undefined);
      } else this.#refuseOver(session.end);
      return;
    }
    const refusal = this.#core.admission.admit(session, this.transport.remoteAddress.address);
    if (refusal === undefined) {
      this.#settled(undefined);
      this.#talk?.begun();
      session.begin(this.transport, terms);
    } else {
      this.#core.sessions.release(session.handle);
      this.#refuseLate(refusal);
    }
  }

  #settled(refusal: Refusal | undefined): void {
    const letIn = this.#letIn;
    this.#letIn = undefined;
    if (letIn !== undefined) this.#core.settled(letIn.hello, letIn.context, refusal);
  }

  /**
   * The session has ended since the client was welcomed to it, or goes on elsewhere.
   * @param end told to who comes as it would have been on the connection before: only that says whether to come again.
   */
  #refuseOver(end: SessionEnd | undefined): void {
    const { code, reason } = end ?? { code: CloseCode.goingAway, reason: "the session goes on elsewhere" };
    this.#hangUp(code, refuse(reason));
  }

  /** What was promised does not hold any more: by none of these codes a session ends, so its client asks again. */
  #refuseLate(refusal: Refusal): void {
    this.#hangUp(lateCodes.get(refusal.code) ?? CloseCode.goingAway, refusal);
  }

  #hangUp(code: number, refusal: Refusal): void {
    this.#settled(refusal);
    this.#core.counters.rejected += 1;
    this.transport.close({ code, reason: refusal.reason, deadlineMs: refusalDeadlineMs });
  }
}
