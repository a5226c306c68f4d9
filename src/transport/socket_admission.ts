import type { Server, Socket } from "node:net";
import type { SocketAddress } from "./address.js";
import { Admission, type AdmissionOptions } from "./admission.js";
import { resetSocket } from "./reset.js";
import { socketAddress } from "./socket_address.js";

/** The admission to a server of Node's: those who wait for their handshake are watched until they are connections. */
export class SocketAdmission extends Admission {
  /** By the client's address, since TLS hands out another object than the server was given. */
  readonly #pending = new Map<string, Socket>();
  /** One function for all of them. */
  readonly #onClose: (this: Socket) => void;

  constructor(options: AdmissionOptions) {
    super(options);
    const admission = this;
    this.#onClose = function (this: Socket) {
      if (admission.#forget(this)) admission.abandon(addressOf(this));
    };
  }

  /** Shows the server only who is admitted: this is asked before its own listeners, one of which may be TLS. */
  guard(server: Server): void {
    if (!this.asks) return;
    const guarded = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket: Socket) => {
      if (!this.admitsSocket(socket)) return;
      this.#pending.set(keyOf(socket), socket.on("close", this.#onClose));
      for (const listener of guarded) listener.call(server, socket);
    });
  }

  /** Whether a socket may stay; otherwise it is cut off. Who asks this by itself tells of one that is abandoned, too. */
  admitsSocket(socket: Socket): boolean {
    if (!this.asks) return true;
    if (socket.remoteAddress !== undefined && this.admits(addressOf(socket))) return true;
    resetSocket(socket); // an orderly close would leave something of it behind
    return false;
  }

  /** A socket, or the TLS in it, has become a connection. */
  opened(socket: Socket): void {
    this.#forget(socket);
  }

  /** @returns whether it was pending. */
  #forget(socket: Socket): boolean {
    const key = keyOf(socket);
    this.#pending.get(key)?.off("close", this.#onClose);
    return this.#pending.delete(key);
  }
}

/** Where a socket comes from, which it knows when it has closed, too, if it was asked before. */
export function addressOf({ remoteAddress = "", remotePort = 0 }: Socket): SocketAddress {
  return socketAddress(remoteAddress, remotePort);
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
