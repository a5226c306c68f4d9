import { isIP } from "node:net";
import { isUint8Array } from "node:util/types";
import { InvalidArgumentError } from "../errors.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import {
  abortSignal,
  integer,
  isListOf,
  type Option,
  object,
  option,
  optional,
  withDefault,
} from "../options/schema.js";
import { parseTransportUrl } from "../transport/address.js";
import { isMulticast } from "./links.js";

/** What all who are to hear each other share: 16..1024 bytes, as they are or as UTF-8, that nobody can guess. */
export type UdpSecret = string | Uint8Array;

/** The group of IPv4, unless another is named: of an organisation's own (RFC 2365 section 6.1). */
export const ipv4Group = "239.255.77.82";

/** A group for IPv6, of the link alone (RFC 4291 section 2.7). */
export const ipv6Group = "ff02::4d52:1";

/** What all who use the LAN say. */
export interface UdpOptions {
  /** One, or up to four while it is being changed: the first one signs, every one is taken. */
  readonly secret: UdpSecret | readonly UdpSecret[];
  /** Where announcers and broadcasts listen: the same for all who are to meet. 0 takes a free one, but not to look there. */
  readonly port: number;
  /**
   * Whom it is sent to: a multicast group ({@link ipv4Group} by default, {@link ipv6Group} where IPv6 is wanted), an
   * IPv4 broadcast address (`255.255.255.255`), or one machine's address where the network carries neither.
   */
  readonly group?: string | undefined;
  /** The network interface, by its name: `eth0`. All by default, without the loopback one where there are others. */
  readonly interface?: string | undefined;
  /** The address to listen on; all by default. A single one hears neither groups nor broadcasts on most systems. */
  readonly address?: string | undefined;
  /** How far a datagram's time may be from this clock's, in both directions: 1,000..3,600,000 ms; 30,000 by default. */
  readonly windowMs?: number | undefined;
  /** Datagrams remembered, so that none is taken twice: 16..1,048,576; 65,536 by default. A full memory takes no more. */
  readonly maxNonces?: number | undefined;
  /** Datagrams looked at in a second: 1..1,000,000; 10,000 by default. The rest is dropped unseen. */
  readonly maxDatagramsPerSecond?: number | undefined;
}

/** What is announced, and to whom. */
export interface AnnounceOptions extends UdpOptions {
  /** 1..255 bytes of UTF-8: what others look for. */
  readonly name: string;
  /**
   * 1..16 URLs. A host of `0.0.0.0` or `[::]` is replaced by the address that an answer comes from. Name and URLs
   * together fit into one datagram: about 1,000 bytes.
   */
  readonly urls: readonly string[];
  /** Answers in a second: 1..1,000,000, 100 by default. */
  readonly maxRepliesPerSecond?: number | undefined;
  /** Answers in a second to one address: 1..1,000,000, 10 by default. */
  readonly maxRepliesPerSource?: number | undefined;
}

/** What is looked for, and for how long. */
export interface DiscoverOptions extends Omit<UdpOptions, "address"> {
  /** Looks for this name only. */
  readonly name?: string | undefined;
  /** Ends the iteration after so long: 3,000 ms by default, 0 goes on until it is left. */
  readonly timeoutMs?: number | undefined;
  /** Asks so often: 100..3,600,000 ms, 1,000 by default. */
  readonly intervalMs?: number | undefined;
  /** The iteration throws AbortedError when it fires. */
  readonly signal?: AbortSignal | undefined;
}

/** How messages are sent to all, and heard. */
export interface BroadcastOptions extends UdpOptions {
  /** Messages kept for the reader, 1..65,536; 256 by default. Where there are more the oldest one goes. */
  readonly maxQueued?: number | undefined;
  /** From so many bytes on that wait for the operating system `send` answers `dropped`; 256 KiB by default. */
  readonly highWaterMarkBytes?: number | undefined;
}

const minSecretBytes = 16;
const maxSecretBytes = 1024;
const maxSecrets = 4;
const maxNameBytes = 255;
const maxUrls = 16;
const maxTimerMs = 0x7fff_ffff;

function isSecret(value: unknown): boolean {
  const bytes = typeof value === "string" ? Buffer.byteLength(value) : isUint8Array(value) ? value.length : 0;
  return bytes >= minSecretBytes && bytes <= maxSecretBytes;
}

const name: Option<string> = option(
  `a string of 1 to ${maxNameBytes} bytes in UTF-8`,
  (value) => typeof value === "string" && value !== "" && Buffer.byteLength(value) <= maxNameBytes,
);

const address: Option<string> = option(
  "an IPv4 or IPv6 address",
  (value) => typeof value === "string" && isIP(value) !== 0,
);

const party = {
  secret: option<UdpSecret | readonly UdpSecret[]>(
    `${minSecretBytes} to ${maxSecretBytes} bytes, as a string or Uint8Array, or a list of 1 to ${maxSecrets} of them`,
    (value) =>
      isSecret(value) || (isListOf(value, isSecret) && value.length > 0 && value.length <= maxSecrets),
  ),
  port: integer(0, 65_535),
  group: withDefault(
    option<string>(
      "an IPv4 or IPv6 address, a multicast group's without a zone",
      (value) =>
        typeof value === "string" && isIP(value) !== 0 && !(isMulticast(value) && value.includes("%")),
    ),
    ipv4Group,
  ),
  interface: optional(
    option<string>("the name of a network interface", (value) => typeof value === "string"),
  ),
  windowMs: withDefault(integer(1_000, 3_600_000), 30_000),
  maxNonces: withDefault(integer(16, 1_048_576), 65_536),
  maxDatagramsPerSecond: withDefault(integer(1, 1_000_000), 10_000),
};

const listening = { ...party, address: optional(address) } satisfies Record<keyof UdpOptions, unknown>;

const announceSchema = object({
  ...listening,
  name,
  urls: option<readonly string[]>(
    `a list of 1 to ${maxUrls} URLs`,
    (value) =>
      isListOf(value, (url) => typeof url === "string") && value.length > 0 && value.length <= maxUrls,
  ),
  maxRepliesPerSecond: withDefault(integer(1, 1_000_000), 100),
  maxRepliesPerSource: withDefault(integer(1, 1_000_000), 10),
} satisfies Record<keyof AnnounceOptions, unknown>);

const discoverSchema = object({
  ...party,
  port: integer(1, 65_535),
  name: optional(name),
  timeoutMs: withDefault(integer(0, maxTimerMs), 3_000),
  intervalMs: withDefault(integer(100, 3_600_000), 1_000),
  signal: optional(abortSignal),
} satisfies Record<keyof DiscoverOptions, unknown>);

const broadcastSchema = object({
  ...listening,
  maxQueued: withDefault(integer(1, 65_536), 256),
  highWaterMarkBytes: withDefault(integer(1, 1024 * 1024 * 1024), 256 * 1024),
} satisfies Record<keyof BroadcastOptions, unknown>);

/** The secrets copied, the defaults filled in. */
type Resolved<Options, Absent extends keyof Options> = Complete<Omit<Options, "secret" | Absent>> &
  Pick<Options, Absent> & { readonly secret: readonly Uint8Array[] };

export type ResolvedUdpOptions = Resolved<UdpOptions, "interface" | "address">;
export type ResolvedAnnounceOptions = Resolved<AnnounceOptions, "interface" | "address">;
export type ResolvedDiscoverOptions = Resolved<DiscoverOptions, "interface" | "name" | "signal">;
export type ResolvedBroadcastOptions = Resolved<BroadcastOptions, "interface" | "address">;

/** @throws InvalidArgumentError */
export function readAnnounceOptions(given: AnnounceOptions): ResolvedAnnounceOptions {
  const options = readOptions(announceSchema, given);
  for (const url of options.urls) parseTransportUrl(url);
  checkFamily(options);
  return { ...options, urls: [...options.urls], secret: copySecrets(options.secret) };
}

/** @throws InvalidArgumentError */
export function readDiscoverOptions(given: DiscoverOptions): ResolvedDiscoverOptions {
  const options = readOptions(discoverSchema, given);
  return { ...options, secret: copySecrets(options.secret) };
}

/** @throws InvalidArgumentError */
export function readBroadcastOptions(given: BroadcastOptions): ResolvedBroadcastOptions {
  const options = readOptions(broadcastSchema, given);
  checkFamily(options);
  return { ...options, secret: copySecrets(options.secret) };
}

function checkFamily({ group, address }: { readonly group: string; readonly address?: string | undefined }) {
  if (address === undefined || isIP(address) === isIP(group)) return;
  throw new InvalidArgumentError(`address ${address} is of another family than the group, ${group}`);
}

function copySecrets(secret: UdpSecret | readonly UdpSecret[]): readonly Uint8Array[] {
  const secrets: readonly UdpSecret[] = Array.isArray(secret) ? secret : [secret as UdpSecret];
  return secrets.map((one) => (typeof one === "string" ? Buffer.from(one) : new Uint8Array(one)));
}
