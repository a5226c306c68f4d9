import { isIPv6 } from "node:net";
import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import type { SocketAddress } from "../transport/address.js";
import { destinationOf } from "../transport/reachable.js";
import { resolveHost } from "../transport/resolve.js";
import { socketAddress } from "../transport/socket_address.js";
import type { RelayEndpoint } from "./relay_options.js";

/** The server behind a relay, as it answers. @throws AddressUnavailableError where its name does not resolve */
export async function resolveTarget({ address, port }: RelayEndpoint): Promise<SocketAddress> {
  const [first] = await resolveHost(address);
  return socketAddress(destinationOf(first), port);
}

/** @throws InvalidArgumentError where nothing goes from there to the target. */
export function checkSource(name: string, address: string | undefined, target: SocketAddress): void {
  if (address === undefined || isIPv6(address) === (target.family === "ipv6")) return;
  throw new InvalidArgumentError(
    `${name} must be an address of the target's family, and not ${show(address)}`,
  );
}

/** The loopback address of an address' family. */
export function loopbackOf({ family }: SocketAddress): string {
  return family === "ipv6" ? "::1" : "127.0.0.1";
}
