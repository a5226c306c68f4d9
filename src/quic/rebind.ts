import { isIP } from "node:net";
import { ConnectionClosedError, InvalidArgumentError, type MillraceError } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import type { Engine, EngineResource } from "../native/engine.js";
import { readOptions } from "../options/read.js";
import { integer, object, option, optional } from "../options/schema.js";
import { formatHost, type SocketAddress } from "../transport/address.js";
import { type WaitOptions, waitOptions } from "../transport/wait.js";
import { requestPatiently } from "./patient_request.js";
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
  const { address = "", port = 0, ...wait } = readOptions(schema, options);
  if (connection.state !== "open") {
    throw new ConnectionClosedError(`the connection is ${connection.state}; it cannot move any more`);
  }
  const now = connection.localAddress;
  if (address !== "" && isIP(address) !== isIP(now.address)) {
    throw new InvalidArgumentError(
      `options.address must be an ${now.family === "ipv4" ? "IPv4" : "IPv6"} address as the connection has, and not ${address}`,
    );
  }
  const { slot, generation } = connection;
  const status = await requestPatiently(engine, wait, {
    what: "moving to another address",
    awaited: "confirm the handshake, or offer a connection id to go on with,",
    start: (request, timeoutMs) => engine.native.rebind(request, slot, generation, address, port, timeoutMs),
  });
  if (status !== 0) throw rebindError(status, `${formatHost(address || now.address)}:${port}`);
  return connection.localAddress;
}

function rebindError(status: number, where: string): MillraceError {
  if (status !== loadAddon().constants.status!.notSupported) return bindError(status, where);
  return new InvalidArgumentError("only the side that connected can move; this connection was accepted");
}
