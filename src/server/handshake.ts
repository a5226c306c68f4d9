import { checkClientId } from "../delivery/client_id.js";
import { checkCommit } from "../delivery/commit.js";
import { type Cursors, noCursors } from "../delivery/cursors.js";
import { type Hello, readHello } from "../delivery/hello.js";
import { encodeReject, RejectCode } from "../delivery/reject.js";
import { sessionVersion } from "../delivery/terms.js";
import { encodeWelcome } from "../delivery/welcome.js";
import { ProtocolViolationError, SessionTableFullError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { takeOther } from "../frame/frame_behaviour.js";
import { sendFrame } from "../frame/unit.js";
import type { SessionHandle } from "../session/handle.js";
import type { Cursor } from "../topic/cursor.js";
import { isThenable } from "../transport/asynchronous.js";
import { CloseCode } from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import type { AuthenticateContext, ClientHello } from "./behaviour.js";
import type { ServerCore } from "./core.js";
import { EarlyFrames } from "./early_frames.js";
import { Refusal, refuse } from "./refusal.js";
import { ServerSession } from "./server_session.js";
import { readTopicPlaces } from "./server_topics.js";
import { newSessionId } from "./session_id.js";

/** What a welcome promised, and the commit makes true. */
interface Promised<Data> {
  readonly session: ServerSession<Data>;
  readonly resumed: boolean;
  readonly data: Data;
  readonly hello: Hello;
  /** Of the token that the client showed; 0 where it begins. */
  readonly shown: number;
  /** Of the token that the client was given. */
  readonly counter: number;
}

const decoder = new TextDecoder();
/** How long a refusal may take to reach a client before its connection is cut. */
const refusalDeadlineMs = 1_000;
const noMeta: ReadonlyMap<string, Uint8Array> = new Map();

/** A connection that is nobody's yet: from its opening to the client's commit. */
export class Handshake<Data> {
  readonly #core: ServerCore<Data>;
  readonly transport: TransportConnection;
  /** Of the session, once that has begun. */
  readonly early = new EarlyFrames();
  #phase: "hello" | "relayed" | "authenticating" | "welcomed" | "over" = "hello";
  #abort: AbortController | undefined = undefined;
  #promised: Promised<Data> | undefined = undefined;
  /** Who was let in by the application, until it is known what comes of that. */
  #letIn: { readonly hello: ClientHello; readonly context: AuthenticateContext } | undefined = undefined;
  /** What the client has of topics. */
  #places: ReadonlyMap<string, Cursor> | undefined = undefined;

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
      this.#onCommit();
    } else if (this.#phase === "welcomed" && EarlyFrames.mayBe(frame)) {
      this.early.keep(unit, this.#core.options.windowBytes);
    } else if (frame.kind >= Kind.Hello && frame.kind <= Kind.Response) {
      if (this.#phase === "over") return; // it had not heard yet that it is refused
      throw new ProtocolViolationError(
        `a frame of kind ${frame.kind} may not come before the session has begun`,
      );
    } else {
      takeOther(this.transport, frame);
    }
  }

  /** The connection is gone, or its time is over: nothing was promised that is kept. */
  end(): void {
    this.#phase = "over";
    this.#core.handshakes.delete(this);
    this.#abort?.abort();
    const promised = this.#promised;
    this.#promised = undefined;
    if (promised !== undefined && !promised.resumed) this.#core.sessions.release(promised.session.handle);
  }

  /** Has not shown who it is in its time. */
  expire(): void {
    this.#reject(refuse("no session was begun in time"));
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
    this.#places = readTopicPlaces(hello.resumption?.places);
    this.#phase = "authenticating";
    const context = this.#context(hello);
    const said = clientHello(hello);
    let judged: Data | Refusal | PromiseLike<Data | Refusal>;
    try {
      judged = this.#core.authenticate(said, context);
    } catch (cause) {
      this.#onFault(cause);
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
        this.#onFault(cause);
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
      this.#reject(refuse());
      this.#core.handlers.report(undefined, cause);
    }
  }

  #context(hello: Hello): AuthenticateContext {
    const { transport } = this;
    this.#abort = new AbortController();
    return {
      transport: transport.transport,
      remoteAddress: transport.remoteAddress,
      origin: transport.origin,
      peerCertificate: transport.peerCertificate,
      signal: this.#abort.signal,
      clientId: hello.clientId,
    };
  }

  /** The application could not tell: the client learns no more than that. */
  #onFault(cause: unknown): void {
    if (this.#phase !== "authenticating") return;
    this.#reject(refuse());
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
        counter: session.tokenCounter + 1,
      });
      return;
    }
    const refusal = this.#core.refuses(this.transport, clientId);
    if (refusal !== undefined) {
      this.#reject(refusal);
      return;
    }
    let handle: SessionHandle;
    try {
      handle = this.#core.sessions.allocate();
    } catch (cause) {
      if (!(cause instanceof SessionTableFullError)) throw cause;
      this.#reject(refuse("there are as many sessions as may be", this.#core.fullRefusal));
      return;
    }
    const id = newSessionId();
    const session = new ServerSession<Data>(this.#core, { handle, id, clientId, data: judged });
    this.#welcome({ session, resumed: false, data: judged, hello, shown: 0, counter: 1 });
  }

  #welcome(promised: Promised<Data>): void {
    const { session, resumed, hello, counter } = promised;
    const core = this.#core;
    const { transport } = this;
    this.#promised = promised;
    this.#phase = "welcomed";
    const cursors: Cursors = resumed ? session.inbound.cursors() : noCursors;
    const { windowBytes, maxMessageBytes } = core.options;
    const heartbeatMs = core.heartbeatFor(hello.heartbeatMs);
    const welcome = encodeWelcome({
      ...{ version: sessionVersion, session: session.idBytes, resume: core.mint(session, counter), resumed },
      ...{ cursors, heartbeatMs, windowBytes, maxMessageBytes, clientId: session.clientId, meta: [] },
    });
    sendFrame(transport, core.codecOf(transport), welcome);
  }

  #onCommit(): void {
    const { session, resumed, data, hello, shown, counter } = this.#promised!;
    this.#phase = "over";
    this.#promised = undefined;
    this.#core.handshakes.delete(this);
    const heartbeat = hello.heartbeatMs !== undefined;
    const { windowBytes, maxMessageBytes } = hello;
    const cursors = resumed ? hello.resumption!.cursors : noCursors; // of another session than a new one
    const terms = { windowBytes, maxMessageBytes, cursors, heartbeat, counter };
    if (resumed) {
      if (session.resume(this.transport, { ...terms, shown, places: this.#places! }, data))
        this.#settled(undefined);
      else this.#refuseLate(refuse("the session is over"));
      return;
    }
    const refusal = this.#core.admit(session, this.transport.remoteAddress.address);
    if (refusal === undefined) {
      this.#settled(undefined);
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

  /** What was promised does not hold any more. */
  #refuseLate(refusal: Refusal): void {
    const { reason } = refusal;
    this.#settled(refusal);
    this.#core.counters.rejected += 1;
    this.transport.close({ code: CloseCode.unauthenticated, reason, deadlineMs: refusalDeadlineMs });
  }
}

function clientHello({ clientId, token, resumption, meta }: Hello): ClientHello {
  return Object.freeze({
    get clientId() {
      return clientId;
    },
    // Else who takes the hello for the context would be let in by the name that the client asks for, and not know it.
    set clientId(_) {
      throw new TypeError("a hello is what the client says, and cannot be changed: assign context.clientId");
    },
    token,
    get tokenText() {
      return decoder.decode(token);
    },
    meta: meta.length === 0 ? noMeta : new Map(meta.map(({ key, value }) => [key, value])),
    resuming: resumption !== undefined,
  });
}
