import type { Socket } from "node:net";
import { addressOf, type SocketAdmission } from "../transport/socket_admission.js";
import { TcpConnection } from "./connection.js";
import type { TcpContext } from "./context.js";
import { beginsLine, formatMismatch, parseGreeting } from "./greeting.js";
import { own, type SocketOwner } from "./socket_events.js";

/** How long a client has to read why it is not served. */
const lingerMs = 1_000;

/** What a listener's acceptances share. */
export interface Acceptor {
  readonly context: TcpContext;
  readonly admission: SocketAdmission;
  /** The most wanted first. */
  readonly protocols: readonly string[];
  /** What is said to who speaks each of them. */
  readonly answers: ReadonlyMap<string, Uint8Array>;
  /** Sockets on which no protocol is agreed on yet. */
  readonly waiting: Set<Socket>;
  /** Who is admitted is watched by their raw sockets, which are beneath those that are accepted. */
  readonly isSecure: boolean;
}

/**
 * A client that has connected, and no ALPN says what it speaks: its first byte does. It is held for the handshake
 * timeout at most, with at most the bytes of a greeting.
 */
export class Acceptance implements SocketOwner {
  readonly #acceptor: Acceptor;
  readonly #socket: Socket;
  #timer: NodeJS.Timeout;
  #received: Buffer | undefined = undefined;
  #isRefused = false;

  /** @param timeoutMs what is left of the handshake's time. */
  constructor(acceptor: Acceptor, socket: Socket, timeoutMs: number) {
    this.#acceptor = acceptor;
    this.#socket = socket;
    acceptor.waiting.add(socket);
    this.#timer = setTimeout(() => socket.destroy(), timeoutMs);
    own(socket, this);
  }

  onData(chunk: Buffer): void {
    if (this.#isRefused) return;
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = received;
    const { context, protocols } = this.#acceptor;
    const [lines] = context.framing.lineProtocols;
    if (lines !== undefined && beginsLine(received[0]!)) {
      this.#accept({ protocol: lines, rest: received });
      return;
    }
    const greeting = parseGreeting(received);
    if (greeting === undefined) return;
    const offered = greeting === "none" || !greeting.agrees ? [] : greeting.protocols;
    const chosen = protocols.find((protocol) => offered.includes(protocol));
    if (chosen === undefined || greeting === "none") {
      this.#refuse();
    } else {
      const answer = this.#acceptor.answers.get(chosen)!;
      this.#accept({ protocol: chosen, answer, rest: received.subarray(greeting.bytes) });
    }
  }

  onEnd(): void {
    if (!this.#isRefused) this.#socket.destroy();
  }

  onError(): void {} // onClose follows

  onClose(): void {
    this.#end();
    const { admission, isSecure } = this.#acceptor;
    if (!isSecure) admission.abandon(addressOf(this.#socket));
  }

  #accept(agreed: Agreed): void {
    this.#end();
    accept(this.#acceptor, this.#socket, agreed);
  }

  /** Says what is spoken here, to whoever can read it: a person with `nc`, too. */
  #refuse(): void {
    clearTimeout(this.#timer);
    this.#isRefused = true;
    const socket = this.#socket;
    socket.end(formatMismatch(this.#acceptor.protocols));
    this.#timer = setTimeout(() => socket.destroy(), lingerMs);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#acceptor.waiting.delete(this.#socket);
  }
}

/** How a handshake has ended. */
export interface Agreed {
  readonly protocol: string;
  /** What the client is told of that; undefined where it awaits nothing. */
  readonly answer?: Uint8Array;
  /** What the client has sent behind the handshake. */
  readonly rest: Buffer;
}

/** Opens a connection that speaks the protocol. */
export function accept(acceptor: Acceptor, socket: Socket, { protocol, answer, rest }: Agreed): void {
  if (socket.remoteAddress === undefined) {
    socket.destroy(); // who it was is not known any more, so it is gone
    return;
  }
  const connection = new TcpConnection(acceptor.context, socket, protocol, rest);
  if (acceptor.isSecure) acceptor.admission.opened(socket);
  if (answer !== undefined) connection.sayFirst(answer);
  connection.tellOpen();
  connection.start();
}
