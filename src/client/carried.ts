import type { Hello } from "../delivery/hello.js";
import type { FrameContents } from "../frame/frame.js";
import type { CloseInfo } from "../transport/close.js";
import type { Dialled } from "./dial.js";
import type { Totals } from "./journal.js";

/**
 * How a session is:
 * - `connecting`: for the first time;
 * - `connected`;
 * - `reconnecting`: its connection is lost, and it looks for another;
 * - `disconnected`: it has none, and looks for none: one of the two sides has ended it, or `reconnect` is false;
 * - `failed`: it is over, though the application had not ended it: refused, or in vain.
 */
export type ClientState = "disconnected" | "connecting" | "connected" | "reconnecting" | "failed";

/** What carries a session. */
export interface Route {
  /** `quic`, `websocket`, `tcp`, or the name of one of `transports`. */
  readonly transport: string;
  readonly url: string;
}

/** What a session lost with the server's side of it. */
export interface LostSession {
  readonly topic: undefined;
  /** Messages that were sent and not acknowledged: whether the server had handled them nobody knows. */
  readonly messages: number;
  /** The same of requests; those that were `idempotent` are asked again, and not counted. */
  readonly requests: number;
}

/** What goes with a hello as early data, before there is a connection that carries the session. */
export interface Flight {
  /** As the hello has them. */
  readonly frames: readonly Uint8Array[];
  /** A Response has come that has no sequence. @throws FrameMalformedError, ProtocolViolationError */
  take(frame: Readonly<FrameContents>): void;
  /** The connection carries the session: what is not answered is not to be sent there, if it will be. */
  board(answersEarly: boolean): void;
  /** What the session says waits for nothing of it any more. */
  letGo(): void;
  /** All of it that the connection brings answers to is answered. */
  readonly isAnswered: boolean;
  /** The connection does not carry it any more: what is not answered waits to be sent again. */
  land(): void;
}

/** A session, as what keeps it connected knows it. */
export interface Carried {
  /** What it says of itself now. */
  hello(): Omit<Hello, "token">;
  /** What goes with a hello that is early data. */
  early(): Flight | undefined;
  /**
   * Goes on over a connection: commits it, and sends what waits.
   * @returns what is lost, where the server has begun a new session.
   * @throws ProtocolViolationError, ConnectionClosedError
   */
  carryOn(dialled: Dialled): LostSession | undefined;
  /** The connection is lost. */
  pause(): void;
  take(frame: Readonly<FrameContents>): void;
  drain(): void;
  /** Whether nothing is on its way, either way, as far as this side knows. */
  readonly isQuiet: boolean;
  /** What it has done until now. */
  readonly totals: Totals;
  /** It is over. */
  end(info: CloseInfo): void;
}
