import { isIPv4, isIPv6, SocketAddress as NodeSocketAddress } from "node:net";
import type { SocketAddress } from "./address.js";

const mappedPrefix = "::ffff:";

/**
 * An address as a library reports it, in canonical form: IPv6 shortened (RFC 5952), and an IPv4 client of an IPv6
 * socket as IPv4.
 */
export function socketAddress(address: string, port: number): SocketAddress {
  if (address.startsWith(mappedPrefix) && isIPv4(address.slice(mappedPrefix.length))) {
    return { address: address.slice(mappedPrefix.length), family: "ipv4", port }; // as systems write it
  }
  // Nearly all are, and each connection is asked a few times while it is let in.
  if (!address.includes(":") || !isIPv6(address)) return { address, family: "ipv4", port };
  const short = new NodeSocketAddress({ address, family: "ipv6" }).address;
  const mapped = short.startsWith(mappedPrefix) && short.includes(".");
  if (mapped) return { address: short.slice(mappedPrefix.length), family: "ipv4", port };
  return { address: short, family: "ipv6", port };
}

/** Reads what `formatAddress` writes. */
export function parseAddress(text: string): SocketAddress {
  const colon = text.lastIndexOf(":");
  return socketAddress(text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), Number(text.slice(colon + 1)));
}
