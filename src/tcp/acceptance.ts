import type { Socket } from "node:net";
import type { SocketAdmission } from "../transport/socket_admission.js";
import { TcpConnection } from "./connection.js";
import type { TcpContext } from "./context.js";
import { beginsLine, formatHello, formatMismatch, parseGreeting } from "./greeting.js";

/** How long a client has to read why it is not served. */
const lingerMs = 1_000;

/** What a listener's acceptances share. */
export interface Acceptor {
  readonly context: TcpContext;
  readonly admission: SocketAdmission;
  /** The most wanted first. */
  readonly protocols: readonly string[];
  /** Sockets on which no protocol is agreed on yet. */
  readonly waiting: Set<Socket>;
}

/**
 * A client that has connected, and no ALPN says what it speaks: its first byte does. It is held for the handshake
 * timeout at most, with at most the bytes of a greeting.
 */
export class Acceptance {
  readonly #acceptor: Acceptor;
  readonly #socket: Socket;
  #timer: NodeJS.Timeout;
  #received: Buffer = Buffer.alloc(0);

  /** @param timeoutMs what is left of the handshake's time. */
  constructor(acceptor: Acceptor, socket: Socket, timeoutMs: number) {
    this.#acceptor = acceptor;
    this.#socket = socket;
    acceptor.waiting.add(socket);
    this.#timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("end", () => socket.destroy());
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => this.#end());
  }

  #onData(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const { context, protocols } = this.#acceptor;
    const [lines] = context.framing.lineProtocols;
    if (lines !== undefined && beginsLine(this.#received[0]!)) {
      this.#accept(lines, this.#received);
      return;
    }
    const greeting = parseGreeting(this.#received);
    if (greeting === undefined) return;
    const offered = greeting === "none" || !greeting.agrees ? [] : greeting.protocols;
    const chosen = protocols.find((protocol) => offered.includes(protocol));
    if (chosen === undefined || greeting === "none") {
      this.#refuse();
    } else {
      this.#socket.write(formatHello([chosen]));
      this.#accept(chosen, this.#received.subarray(greeting.bytes));
    }
  }

  #accept(protocol: string, rest: Buffer): void {
    this.#end();
    accept(this.#acceptor, this.#socket, protocol, rest);
  }

  /** Says what is spoken here, to whoever can read it: a person with `nc`, too. */
  #refuse(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    socket.removeAllListeners("data").removeAllListeners("end").resume();
    socket.end(formatMismatch(this.#acceptor.protocols));
    this.#timer = setTimeout(() => socket.destroy(), lingerMs);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#acceptor.waiting.delete(this.#socket);
    for (const event of ["data", "end", "error", "close"]) this.#socket.removeAllListeners(event);
  }
}

/** Opens a connection that speaks the protocol. @param rest what the client has sent behind the handshake. */
export function accept(acceptor: Acceptor, socket: Socket, protocol: string, rest: Buffer): void {
  if (socket.remoteAddress === undefined) {
    socket.destroy(); // who it was is not known any more, so it is gone
    return;
  }
  const connection = new TcpConnection(acceptor.context, socket, protocol, rest, false);
  acceptor.admission.opened(socket);
  connection.tellOpen();
  connection.start();
}
