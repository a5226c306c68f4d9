import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { AddressUnavailableError } from "../errors.js";
import { show } from "../options/read.js";

/** One network interface, as a socket of the group's family is told of it. */
export interface Link {
  readonly name: string;
  /** IPv4: the interface's address; IPv6: no address, and its zone. */
  readonly address: string;
}

/** Whether many hear what is sent there. */
export function isMulticast(address: string): boolean {
  if (isIPv6(address)) return /^ff/i.test(address);
  const first = Number(address.split(".")[0]);
  return first >= 224 && first <= 239;
}

/** All who are on the link (RFC 919 section 7). */
const limitedBroadcast = "255.255.255.255";

/**
 * The interfaces by which a group is reached; none where its address alone says by which.
 * @param name of the only one that is wanted.
 * @throws AddressUnavailableError
 */
export function linksTo(group: string, name: string | undefined): readonly Link[] {
  if (!isMulticast(group) && group !== limitedBroadcast) return [];
  const family = isIPv6(group) ? "IPv6" : "IPv4";
  const all = Object.entries(networkInterfaces()).flatMap(([interfaceName, addresses = []]) => {
    const found = addresses.find((address) => address.family === family);
    return found === undefined ? [] : [{ name: interfaceName, ...found }];
  });
  const outer = all.filter(({ internal }) => !internal);
  const wanted =
    name === undefined ? (outer.length > 0 ? outer : all) : all.filter((link) => link.name === name);
  if (wanted.length === 0) {
    const which = name === undefined ? "" : ` ${show(name)}`;
    throw new AddressUnavailableError(`there is no network interface${which} with an address of ${family}`);
  }
  return wanted.map((link) => ({
    name: link.name,
    address: family === "IPv6" ? `::%${link.name}` : link.address,
  }));
}
