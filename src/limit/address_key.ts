import { isIPv6 } from "node:net";

/** Keys of the IPv6 addresses seen of late; all forgotten when they are this many, since a key takes a microsecond. */
const maxCached = 1024;
const cache = new Map<string, string>();

/**
 * What an address counts as where addresses are limited: an IPv4 address is itself, in whatever form it comes
 * (`192.0.2.1`, `::ffff:192.0.2.1`, or through the NAT64 prefix of RFC 6052, `64:ff9b::192.0.2.1`); of any other
 * IPv6 address its first 64 bits count, because whoever has one has all those of its network (RFC 4291 section 2.5.4).
 * A zone says something to this machine only and does not count. What is no address, as the name of a peer in the same
 * process, is its own key.
 */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const cached = cache.get(address);
  if (cached !== undefined) return cached;
  const zone = address.indexOf("%");
  const plain = zone === -1 ? address : address.slice(0, zone);
  if (!isIPv6(plain)) return address;
  const key = keyOf(groupsOf(plain));
  if (cache.size >= maxCached) cache.clear();
  cache.set(address, key);
  return key;
}

function keyOf(groups: readonly number[]): string {
  const head = groups.slice(0, 6).join();
  if (head === "0,0,0,0,0,65535" || head === "100,65435,0,0,0,0") {
    const [high = 0, low = 0] = groups.slice(6);
    return `${high >>> 8}.${high & 0xff}.${low >>> 8}.${low & 0xff}`;
  }
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}

/** The eight groups of an IPv6 address that is known to be one. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const first = parse(head);
  if (tail === undefined) return first;
  const last = parse(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function parse(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
