import { isIP } from "node:net";
import { ConnectionClosedError, InvalidArgumentError, type MillraceError, TimeoutError } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import type { Engine, EngineResource } from "../native/engine.js";
import { readOptions } from "../options/read.js";
import { integer, object, option, optional } from "../options/schema.js";
import { formatHost, type SocketAddress } from "../transport/address.js";
import { throwIfAborted, type WaitOptions, waitOptions, within } from "../transport/wait.js";
import { bindError } from "./status.js";

/** Where a client goes on from, and how long it waits until it can: 10 s by default. */
export interface RebindOptions extends WaitOptions {
  /** A numeric address of this machine, of the family that the connection has. The one it has by default. */
  readonly address?: string | undefined;
  /** 0, the default, takes a free port. */
  readonly port?: number | undefined;
}

/** What moves: a connection of this thread. */
export interface Rebindable extends EngineResource {
  readonly state: string;
  readonly localAddress: SocketAddress;
}

/** The peer confirms the handshake, and offers a connection id to go on with, within round trips. */
const PATIENCE_MS = 10_000;
const WHAT = "moving to another address";

const schema = object({
  ...waitOptions,
  address: optional(
    option<string>("a numeric address", (value) => typeof value === "string" && isIP(value) !== 0),
  ),
  port: optional(integer(0, 65_535)),
});

/**
 * Moves a connection that we opened to another local address.
 * @returns where it is now.
 * @throws InvalidArgumentError; ConnectionClosedError; AbortedError; TimeoutError; AddressInUseError,
 *   AddressForbiddenError, AddressUnavailableError
 */
export async function rebind(
  engine: Engine,
  connection: Rebindable,
  options: RebindOptions = {},
): Promise<SocketAddress> {
  const { address = "", port = 0, signal, timeoutMs = PATIENCE_MS } = readOptions(schema, options);
  throwIfAborted(WHAT, signal);
  if (connection.state !== "open") {
    throw new ConnectionClosedError(`the connection is ${connection.state}; it cannot move any more`);
  }
  const now = connection.localAddress;
  if (address !== "" && isIP(address) !== isIP(now.address)) {
    throw new InvalidArgumentError(
      `options.address must be an ${now.family === "ipv4" ? "IPv4" : "IPv6"} address as the connection has, and not ${address}`,
    );
  }
  const moved = engine.request((request) => {
    engine.native.rebind(request, connection.slot, connection.generation, address, port, timeoutMs);
  });
  const { status } = await within(moved, WHAT, { signal });
  if (status !== 0) throw rebindError(status, `${formatHost(address || now.address)}:${port}`, timeoutMs);
  return connection.localAddress;
}

function rebindError(status: number, where: string, timeoutMs: number): MillraceError {
  const code = loadAddon().constants.status!;
  switch (status) {
    case code.aborted:
      return new ConnectionClosedError("the connection ended before it could move");
    case code.notSupported:
      return new InvalidArgumentError("only the side that connected can move; this connection was accepted");
    case code.connectionTimeout:
      return new TimeoutError(
        `the peer did not confirm the handshake, or offered no connection id to go on with, within ${timeoutMs} ms`,
      );
    default:
      return bindError(status, where);
  }
}
