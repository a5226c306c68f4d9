import { encodeHello, type Hello } from "../delivery/hello.js";
import { type Reject, RejectCode, readReject } from "../delivery/reject.js";
import { readWelcome, type Welcome } from "../delivery/welcome.js";
import {
  ConnectionLostError,
  HandshakeTimeoutError,
  type MillraceError,
  ProtocolViolationError,
  SessionRefusedError,
} from "../errors.js";
import { encodeFrame, type FrameContents, Kind } from "../frame/frame.js";
import { FrameBehaviour, takeOther } from "../frame/frame_behaviour.js";
import type { Codec } from "../frame/message_codec.js";
import { transportOptions } from "../frame/transport_options.js";
import { sendFrame } from "../frame/unit.js";
import { parseTransportUrl } from "../transport/address.js";
import { CloseCode, type CloseInfo } from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import type { Connected } from "./behaviour.js";
import type { Flight, Route } from "./carried.js";
import type { ReadClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { isElsewhere } from "./retrying.js";
import { tokenBytes } from "./token.js";
import { isSameScheme } from "./urls.js";

/** What a session is told of its connection. */
export interface DialEvents {
  take(frame: Readonly<FrameContents>): void;
  drain(): void;
  lose(dialled: Dialled, info: CloseInfo): void;
}

/** What goes with a hello that is early data. */
export type Early = () => Flight | undefined;

/** What a client says of itself at the moment that it is asked, but for its token. */
export type Greeting = () => Omit<Hello, "token">;

/** A connection on which the server has said welcome, and nothing has been committed yet. */
export interface Dialled {
  readonly connection: TransportConnection;
  /** What it agreed on, where it is not millrace's own frames. */
  readonly codec: Codec | undefined;
  readonly welcome: Welcome;
  /** What went with its hello as early data. */
  readonly flight: Flight | undefined;
  /** Where it leads: another one than was dialled where that server has sent us on. */
  readonly url: string;
  /** What happens on it goes to a session from now on: also that it was lost before. */
  start(session: DialEvents): void;
}

/** What its session says of it. */
export function routeOf({ connection, url }: Dialled): Route {
  return { transport: connection.transport, url };
}

/** Whether its hello was early data, where it is known. */
export function earlyOf({
  connection: { earlyDataAccepted },
}: Dialled): Pick<Connected, "earlyDataAccepted"> {
  return earlyDataAccepted === undefined ? {} : { earlyDataAccepted };
}

/**
 * Connects as {@link dialHere}. Who takes up a session, and is sent on to another server by the one that it asks, goes
 * there: once, and by the same scheme.
 * @throws SessionRefusedError: `elsewhere` also where it was sent on in vain, and by what `cause`
 * @throws the errors of `connect`; HandshakeTimeoutError, AbortedError
 */
export async function dial(
  url: string,
  platform: Platform,
  options: ReadClientOptions,
  hello: Greeting,
  early?: Early,
): Promise<Dialled> {
  try {
    return await dialHere(url, platform, options, hello, early);
  } catch (cause) {
    const target = hello().resumption && targetOf(cause, url);
    if (target === undefined) throw cause;
    try {
      return await dialHere(target, platform, options, hello, early);
    } catch (failure) {
      throw inVain(cause as SessionRefusedError, failure as Error);
    }
  }
}

/** What the server there says to the client counts; what else has gone wrong says nothing of who sent it on. */
function inVain({ message, target }: SessionRefusedError, failure: Error): Error {
  if (failure instanceof SessionRefusedError && !isElsewhere(failure)) return failure;
  return new SessionRefusedError(`${message}, and there: ${failure.message}`, {
    rejectCode: RejectCode.elsewhere,
    target,
    cause: failure,
  });
}

function targetOf(cause: unknown, url: string): string | undefined {
  if (!isElsewhere(cause)) return undefined;
  const { target } = cause;
  return target !== undefined && isSameScheme(target, url) ? target : undefined;
}

/**
 * Connects, says hello and waits to be welcomed, all within `connectTimeoutMs`.
 * @throws SessionRefusedError; the errors of `connect`; HandshakeTimeoutError, AbortedError
 */
async function dialHere(
  url: string,
  platform: Platform,
  options: ReadClientOptions,
  hello: Greeting,
  early: Early | undefined,
): Promise<Dialled> {
  const { signal, tls, connectTimeoutMs, heartbeatTimeoutMs, earlyData } = options;
  throwIfAborted("connecting", signal);
  const transportUrl = parseTransportUrl(url);
  const transport = await platform.transportOf(transportUrl, options.transports);
  const began = performance.now();
  const leftMs = () => Math.max(1, connectTimeoutMs - (performance.now() - began));
  const token = await tokenBytes(options.token, signal, connectTimeoutMs);
  const dialling = new Dialling(options, early);
  const read = {
    ...options,
    idleTimeoutMs: heartbeatTimeoutMs,
    handshakeTimeoutMs: Math.ceil(leftMs()),
  };
  const said: SayHello = (asked) => encodeHello({ ...hello(), token, early: asked });
  const opening = (protocol: string) => dialling.opening(protocol, () => said());
  const framing = platform.extras.here?.streamFraming;
  const connection = await transport.connect(
    { ...transportOptions(transport, read, framing), url: transportUrl, tls, signal, opening, earlyData },
    dialling,
  );
  return dialling.greet(connection, said, leftMs(), url);
}

/** A hello as it is now, and what it asks early. */
type SayHello = (early?: readonly Uint8Array[]) => FrameContents;

/** The frames of one connection: until it is started, the handshake's; then the session's. */
class Dialling extends FrameBehaviour<undefined> implements Dialled {
  readonly #early: Early | undefined;
  readonly #signal: AbortSignal | undefined;
  #connection: TransportConnection | undefined = undefined;
  url = "";
  flight: Flight | undefined = undefined;
  #welcome: Welcome | undefined = undefined;
  #settle: ((error: MillraceError | undefined) => void) | undefined = undefined;
  #hasGreeted = false;
  #session: DialEvents | undefined = undefined;
  #ended: CloseInfo | undefined = undefined;

  constructor({ codecs, signal }: ReadClientOptions, early: Early | undefined) {
    super(codecs);
    this.#early = early;
    this.#signal = signal;
  }

  get connection(): TransportConnection {
    return this.#connection!;
  }

  get codec(): Codec | undefined {
    return this.codecOf(this.connection);
  }

  get welcome(): Welcome {
    return this.#welcome!;
  }

  /** See `TransportConnectOptions`. */
  opening(protocol: string, hello: () => FrameContents): Uint8Array | undefined {
    if (this.codecOf({ protocol }) !== undefined) return undefined;
    const frame = hello();
    this.#hasGreeted = true;
    return encodeFrame(frame, frame.payload, frame);
  }

  greet(connection: TransportConnection, hello: SayHello, leftMs: number, url: string): Promise<Dialled> {
    this.#connection = connection;
    this.url = url;
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#settle?.(abortedError("connecting", this.#signal));
      const timer = setTimeout(
        () => this.#settle?.(new HandshakeTimeoutError(`${url} did not answer the hello in time`)),
        leftMs,
      );
      this.#settle = (error) => {
        this.#settle = undefined;
        clearTimeout(timer);
        this.#signal?.removeEventListener("abort", onAbort);
        if (error === undefined) {
          resolve(this);
          return;
        }
        connection.close({ code: CloseCode.normal, graceful: false });
        reject(error);
      };
      this.#signal?.addEventListener("abort", onAbort, { once: true });
      if (this.#signal?.aborted) onAbort();
      else if (this.#ended !== undefined) this.#settle(lost(this.#ended, url));
      else if (!this.#hasGreeted) this.#say(connection, hello);
    });
  }

  /** In the first packets, where they may carry it. */
  #say(connection: TransportConnection, hello: SayHello): void {
    if (connection.isEarly !== true || connection.sendEarly === undefined) {
      sendFrame(connection, this.codec, hello());
      return;
    }
    this.flight = this.#early?.();
    const early = hello(this.flight?.frames);
    connection.sendEarly(encodeFrame(early, early.payload, early));
  }

  start(session: DialEvents): void {
    this.#session = session;
    if (this.#ended !== undefined) session.lose(this, this.#ended);
  }

  override open(): void {}

  override of(): undefined {
    return undefined;
  }

  override drain(): void {
    this.#session?.drain();
  }

  override close(_transport: TransportConnection, info: CloseInfo): void {
    this.#ended = info;
    this.#settle?.(lost(info, "the server"));
    this.#session?.lose(this, info);
  }

  protected override take(
    _owner: undefined,
    transport: TransportConnection,
    frame: Readonly<FrameContents>,
  ): void {
    if (this.flight !== undefined && frame.kind === Kind.Response && frame.seq === 0) this.flight.take(frame);
    else if (this.#session !== undefined) this.#session.take(frame);
    else if (frame.kind === Kind.Welcome && this.#welcome === undefined) {
      this.#welcome = readWelcome(frame);
      this.#settle?.(undefined);
    } else if (frame.kind === Kind.Reject) this.#settle?.(refused(readReject(frame)));
    else if (frame.kind >= Kind.Hello && frame.kind <= Kind.Response) {
      throw new ProtocolViolationError(
        `a frame of kind ${frame.kind} may not come before the session has begun`,
      );
    } else takeOther(transport, frame);
  }

  protected override refuse(
    _owner: undefined,
    transport: TransportConnection,
    code: number,
    fault: MillraceError,
  ): void {
    this.#settle?.(fault);
    transport.close({ code, reason: fault.message.slice(0, 100), graceful: false });
  }
}

function refused({ code, reason, retryAfterMs, target }: Reject): SessionRefusedError {
  return new SessionRefusedError(`the server refused the session: ${reason}`, {
    rejectCode: code,
    retryAfterMs,
    target,
  });
}

function lost(info: CloseInfo, url: string): MillraceError {
  return info.error ?? new ConnectionLostError(`${url} closed the connection before the session began`);
}
