import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { AddressUnavailableError } from "../errors.js";

/**
 * The numeric addresses of a host, the system's first choice first.
 * @throws AddressUnavailableError (ERR_MILLRACE_ADDRESS_UNAVAILABLE) when the name does not resolve.
 */
export async function resolveHost(host: string): Promise<[string, ...string[]]> {
  if (isIP(host) !== 0) return [host];
  try {
    const found = await lookup(host, { all: true });
    const addresses = found.map(({ address }) => address);
    if (addresses.length > 0) return addresses as [string, ...string[]];
  } catch (cause) {
    throw new AddressUnavailableError(`"${host}" does not resolve; check the name`, { cause });
  }
  throw new AddressUnavailableError(`"${host}" has no address`);
}
