import { BlockList, isIP } from "node:net";
import { AddressUnavailableError, InvalidArgumentError } from "../errors.js";
import { formatHost, type TransportUrl } from "./address.js";
import { resolveHost } from "./resolve.js";

/** Addresses that are no one machine's. */
const shared = new BlockList();
shared.addSubnet("224.0.0.0", 4, "ipv4");
shared.addAddress("255.255.255.255", "ipv4");
shared.addSubnet("ff00::", 8, "ipv6");

/**
 * The addresses of a host to listen on, the system's first choice first.
 * @throws AddressUnavailableError where the name does not resolve, or no connection could ever come there.
 */
export async function resolveLocal(host: string): Promise<[string, ...string[]]> {
  checkAddress(host);
  return resolveHost(host);
}

/**
 * Refuses where nobody can be, in the same words on every transport; operating systems and libraries differ in theirs.
 * @throws InvalidArgumentError for port 0; AddressUnavailableError
 */
export function checkDestination({
  scheme,
  host,
  port,
}: Pick<TransportUrl, "scheme" | "host" | "port">): void {
  if (port === 0) {
    const where = `${scheme}://${formatHost(host)}:0`;
    throw new InvalidArgumentError(
      `${where} has port 0, at which nobody listens: take the port of listener.urls`,
    );
  }
  checkAddress(host);
}

/** "All addresses of this machine" as a destination: its loopback address, as TCP has it (RFC 1122 leaves it open). */
export function destinationOf(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  return address === "::" ? "::1" : address;
}

/** @param host a name, or an address with or without zone. */
function checkAddress(host: string): void {
  const family = isIP(host);
  if (family === 0) return;
  if (/^fe[89ab][^%]*$/i.test(host)) {
    throw new AddressUnavailableError(
      `${host} is an address on every link of this machine; say which, like ${host}%eth0`,
    );
  }
  const [address = ""] = host.split("%");
  if (!shared.check(address, family === 4 ? "ipv4" : "ipv6")) return;
  throw new AddressUnavailableError(`${host} is the address of many; connections are between two`);
}
