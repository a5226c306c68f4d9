import { CloseCode, type CloseInfo, type CloseOptions, formatAddress, type SocketAddress } from "../index.js";
import { printJson } from "./terminal.js";

/** What is needed of a connection, of whichever transport. */
interface EchoConnection {
  readonly transport: string;
  readonly remoteAddress: SocketAddress;
  close(options: CloseOptions): unknown;
}

/** The echo server's open connections; writes a line of JSON for each opened and closed, where that is wanted. */
export class EchoConnections {
  readonly #open = new Set<EchoConnection>();
  readonly #logging: boolean;
  #lastClosed: (() => void) | undefined = undefined;

  constructor(logging: boolean) {
    this.#logging = logging;
  }

  opened(connection: EchoConnection): void {
    this.#open.add(connection);
    const { transport, remoteAddress } = connection;
    if (this.#logging) printJson({ event: "opened", transport, peer: formatAddress(remoteAddress) });
  }

  /**
   * @param wireCode the close code on the wire: QUIC's application error code, WebSocket's 1000 and up. The
   *   line has it as `peerCode`, null where the connection ended without a word of the peer.
   */
  closed(connection: EchoConnection, { by, reason, error }: CloseInfo, wireCode: number): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#lastClosed?.();
    if (!this.#logging) return;
    const { transport, remoteAddress } = connection;
    printJson({
      event: "closed",
      transport,
      peer: formatAddress(remoteAddress),
      by,
      peerCode: by === "peer" ? wireCode : null,
      reason,
      error: error?.code ?? null,
    });
  }

  /** Closes them all, once what is queued has been sent; resolves when they have ended. */
  async closeAll(): Promise<void> {
    if (this.#open.size === 0) return;
    const ended = new Promise<void>((resolve) => {
      this.#lastClosed = resolve;
    });
    for (const connection of this.#open) {
      connection.close({ code: CloseCode.goingAway, reason: "the server stops", deadlineMs: 3_000 });
    }
    await ended;
  }
}
