import { connect, type Socket } from "node:net";
import type { SocketAddress } from "../transport/address.js";
import { resetSocket } from "../transport/reset.js";
import { socketAddress } from "../transport/socket_address.js";
import { StreamLine, type StreamWay } from "./stream_line.js";
import type { Direction } from "./ways.js";

/** The two directions of a relay. */
export type StreamWays = Readonly<Record<Direction, StreamWay>>;

/** One connection through a relay: the client's, and the relay's own to the server. */
export class StreamFlow {
  readonly client: SocketAddress;
  readonly #near: Socket;
  readonly #target: SocketAddress;
  readonly #sourceAddress: string | undefined;
  readonly #ways: StreamWays;
  readonly #lines: Record<Direction, StreamLine | undefined>;
  readonly #onEnd: (wasReset: boolean) => void;
  #far: Socket | undefined = undefined;
  #isOver = false;

  /** @param onEnd called once, when both directions have ended. */
  constructor(
    near: Socket,
    target: SocketAddress,
    sourceAddress: string | undefined,
    ways: StreamWays,
    onEnd: (wasReset: boolean) => void,
  ) {
    this.client = socketAddress(near.remoteAddress ?? "", near.remotePort ?? 0);
    this.#near = near;
    this.#target = target;
    this.#sourceAddress = sourceAddress;
    this.#ways = ways;
    this.#onEnd = onEnd;
    this.#watch(near);
    const line = new StreamLine(ways.toServer, near, () => this.#far, this.reset);
    this.#lines = { toServer: line, toClient: undefined };
    this.run();
  }

  /** Where the server sees it; undefined until that is so. */
  get source(): SocketAddress | undefined {
    const { localAddress, localPort } = this.#far ?? {};
    return localAddress === undefined ? undefined : socketAddress(localAddress, localPort ?? 0);
  }

  get forwardedBytes(): Readonly<Record<Direction, number>> {
    const { toServer, toClient } = this.#lines;
    return { toServer: toServer?.forwardedBytes ?? 0, toClient: toClient?.forwardedBytes ?? 0 };
  }

  /** Goes on after a block. */
  run(): void {
    if (this.#far === undefined && !this.#ways.toServer.blocked && !this.#isOver) this.#connect();
    this.#lines.toServer?.run();
    this.#lines.toClient?.run();
  }

  readonly reset = (): void => this.#end(true);

  resetAfter(direction: Direction, bytes: number): void {
    this.#lines[direction]?.resetAfter(bytes);
  }

  end(direction: Direction): void {
    this.#lines[direction]?.end();
  }

  #connect(): void {
    const { address: host, port } = this.#target;
    const localAddress = this.#sourceAddress;
    const far = connect({
      ...{ host, port, allowHalfOpen: true, noDelay: true },
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    this.#far = far;
    this.#watch(far);
    this.#lines.toClient = new StreamLine(this.#ways.toClient, far, () => this.#near, this.reset);
  }

  #watch(socket: Socket): void {
    socket.on("error", () => {}); // "close" says so, too
    socket.on("close", () => {
      if (this.#near.closed && this.#far?.closed === true && !this.#near.errored && !this.#far.errored) {
        this.#end(false);
      }
    });
  }

  #end(wasReset: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const line of Object.values(this.#lines)) line?.clear();
    for (const socket of [this.#near, this.#far]) {
      if (socket === undefined) continue;
      if (wasReset) resetSocket(socket);
      else socket.destroy();
    }
    this.#onEnd(wasReset);
  }
}
