import { isIPv4, isIPv6, SocketAddress as NodeSocketAddress } from "node:net";
import type { SocketAddress } from "./address.js";

const mappedPrefix = "::ffff:";

/**
 * An address as a library reports it, in canonical form: IPv6 shortened (RFC 5952), and an IPv4 client of an IPv6
 * socket as IPv4.
 */
export function socketAddress(address: string, port: number): SocketAddress {
  const mapped = mappedIn(address); // as systems write it
  if (mapped !== undefined) return { address: mapped, family: "ipv4", port };
  // Nearly all are, and each connection is asked a few times while it is let in.
  if (!address.includes(":") || !isIPv6(address)) return { address, family: "ipv4", port };
  const short = new NodeSocketAddress({ address, family: "ipv6" }).address;
  const found = mappedIn(short);
  return found === undefined
    ? { address: short, family: "ipv6", port }
    : { address: found, family: "ipv4", port };
}

/** The IPv4 address that an IPv6 one stands for. */
function mappedIn(address: string): string | undefined {
  if (!address.startsWith(mappedPrefix)) return undefined;
  const rest = address.slice(mappedPrefix.length);
  return isIPv4(rest) ? rest : undefined;
}

/** Reads what `formatAddress` writes. */
export function parseAddress(text: string): SocketAddress {
  const colon = text.lastIndexOf(":");
  return socketAddress(text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), Number(text.slice(colon + 1)));
}
